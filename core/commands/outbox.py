"""`vurksha outbox`: events on their way out, those that died there, and delivering them once more."""

from collections.abc import Sequence
from textwrap import indent
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click
import orjson

from core.commands.masking import masked
from core.commands.outbox_acts import Acts
from core.commands.outbox_rows import OutboxDesk
from core.commands.redelivery import Redelivery
from core.commands.selecting import CURSOR, TYPE, Chosen, EventRef, acting, choice, listing, must_choose
from core.commands.shared import OnApp, ago, table
from core.convert import dump_json
from core.store.db import Row

if TYPE_CHECKING:
    from core.app import App

STATES = ("waiting", "dead", "published")
WRITTEN = ("payload", "metadata", "body", "headers")


def outbox_command(on_app: OnApp) -> click.Group:
    """`vurksha outbox list|show|replay|discard|stats`."""

    @click.group("outbox", epilog="Example: vurksha outbox stats")
    def outbox() -> None:
        """Events on their way out of the database."""

    _reading(outbox, on_app)
    _changing(outbox, on_app)
    return outbox


def _reading(outbox: click.Group, on_app: OnApp) -> None:
    @outbox.command("list", epilog="Example: vurksha outbox list --state dead --type order")
    @click.option("--state", type=click.Choice(STATES), help="By default those that wait and those that are dead.")
    @TYPE
    @CURSOR
    @listing
    def listed(state: str | None, limit: int, as_json: bool, **which: Any) -> None:  # noqa: FBT001  click passes options by name
        """List events that wait or are dead, oldest first; published ones newest first."""
        on_app(lambda app: _list(app, state, choice(**which), limit, as_json=as_json))

    @outbox.command("show", epilog="Example: vurksha outbox show 1042")
    @click.argument("ref", metavar="ID", type=EventRef())
    def show(ref: UUID | int) -> None:
        """Show one event, by number or event id, and what its consumers made of it. Personal data is masked."""
        on_app(lambda app: _show(app, ref))

    @outbox.command("stats", epilog="Example: vurksha outbox stats")
    def stats() -> None:
        """Show how much waits, since when, and for whom."""
        on_app(_stats)


def _changing(outbox: click.Group, on_app: OnApp) -> None:
    @outbox.command("replay", epilog="Example: vurksha outbox replay --since 2h --consumer order.notifications --yes")
    @acting
    @TYPE
    @CURSOR
    @click.option(
        "--consumer", help="Deliver published events to this consumer once more, instead of dead ones to all."
    )
    @click.option(
        "--again", is_flag=True, help="With --consumer: also what took effect already. It takes effect twice."
    )
    def replay(consumer: str | None, again: bool, yes: bool, rate: int | None, **which: Any) -> None:  # noqa: FBT001  click passes options by name
        """Put dead events back into the outbox; or, with --consumer, deliver what was published since.

        Event ids stay. A consumer for whom an event took effect is not disturbed by a repeat, unless you say --again.
        Published events are kept for 7 days. Without --yes this only says what it would do.
        """
        if again and consumer is None:
            raise click.UsageError("--again goes with --consumer")
        chosen = must_choose(**which)
        if consumer is None:
            on_app(lambda app: Acts(app.db).replay(chosen, rate, yes=yes))
        else:
            on_app(lambda app: Redelivery(app, consumer, chosen, again=again).run(rate, yes=yes))

    @outbox.command("discard", epilog="Example: vurksha outbox discard 1042 --yes")
    @acting
    @TYPE
    @CURSOR
    def discard(yes: bool, rate: int | None, **which: Any) -> None:  # noqa: FBT001  click passes options by name
        """Delete dead events: nobody will ever hear of them. Without --yes this only says what it would do."""
        chosen = must_choose(**which)
        on_app(lambda app: Acts(app.db).discard(chosen, rate, yes=yes))


async def _list(app: "App", state: str | None, chosen: Chosen, limit: int, *, as_json: bool) -> None:
    desk = OutboxDesk(app.db)
    reads = {"dead": desk.dead, "waiting": desk.waiting, "published": desk.published}
    rows: list[Row] = []
    for name in [state] if state else ["dead", "waiting"]:
        rows += await reads[name](chosen, limit)
    if state is None:
        rows = sorted(rows, key=lambda row: row["seq"])[:limit]
    if as_json:
        for row in rows:
            click.echo(dump_json(dict(row)).decode())
        return
    if not rows:
        click.echo("no such events")
        return
    click.echo(table(("NUMBER", "TYPE", "AGGREGATE", "STATE", "AGE", "REFUSED", "ERROR"), map(_line, rows)))
    if len(rows) == limit and state != "published":
        click.echo(f"there may be more: --since {rows[-1]['seq']}", err=True)


def _line(row: Row) -> tuple[object, ...]:
    aggregate = f"{row['aggregate_type']} {row['aggregate_id']}"
    names = ("attempts", "last_error")
    return row["seq"], row["event_type"], aggregate, row["state"], ago(row["age"]), *(row[name] for name in names)


async def _show(app: "App", ref: UUID | int) -> None:
    desk, number = OutboxDesk(app.db), ref if isinstance(ref, int) else None
    row = await desk.show(number, ref if isinstance(ref, UUID) else None)
    if row is None:
        raise click.ClickException(f"the outbox has no event {ref}: published ones are kept for 7 days")
    describe(row)
    deliveries = await desk.deliveries(consumers_of(app), row["event_id"])
    if deliveries:
        click.echo()
        titles = ("CONSUMER", "DELIVERY", "FAILED", "RECEIVED", "FINISHED", "ERROR")
        names = ("consumer", "state", "attempts", "received_at", "finished_at", "last_error")
        click.echo(table(titles, [[each[name] for name in names] for each in deliveries]))


def describe(row: Row) -> None:
    """Every column that is not empty, one a line; what somebody wrote is masked."""
    for name, value in row.items():
        if name in WRITTEN:
            click.echo(f"{name}:\n{indent(_masked(value), '  ')}")
        elif value is not None and name != "age":
            label = "number" if name == "seq" else name.replace("_", " ")  # as the list calls it
            click.echo(f"{label + ':':17}{dump_json(value).decode().strip(chr(34))}")


def _masked(value: str | bytes) -> str:
    try:
        return orjson.dumps(masked(orjson.loads(value)), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return f"*** ({len(value)} bytes that are no JSON)"


def consumers_of(app: "App") -> Sequence[str]:
    """The consumers that this code has."""
    return sorted({one.consumer for one in app.plugins.declared("subscriptions")})


async def _stats(app: "App") -> None:
    desk = OutboxDesk(app.db)
    row, consumers = await desk.stats(), await desk.consumers()
    oldest = f", the oldest for {ago(row['oldest'])}" if row["oldest"] is not None else ""
    click.echo(f"waiting          {row['waiting']}{oldest}")
    click.echo(f"dead             {row['dead']}")
    click.echo(f"published        {row['last_hour']} in the last hour")
    if row["last"] is not None:
        click.echo(f"kept             numbers {row['first']} to {row['last']}")
    if consumers:
        click.echo()
        lines = [(c["consumer"], c["waiting"], c["tried"], c["dead"]) for c in consumers]
        click.echo(table(("CONSUMER", "WAITING", "OF THESE FAILED BEFORE", "DEAD"), lines))
