"""`vurksha dlq`: deliveries that failed for good, and messages that could not be read."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from core.commands.dlq_acts import DeadActs
from core.commands.dlq_rows import DeadDesk
from core.commands.outbox import describe
from core.commands.selecting import CONSUMER, DIED, TYPE, Chosen, EventRef, acting, choice, listing, must_choose
from core.commands.shared import OnApp, ago, table
from core.convert import dump_json
from core.store.db import Row

if TYPE_CHECKING:
    from core.app import App

FEW = 100
HEAVY = ("payload", "metadata", "body", "headers", "age")
"""Columns that a list leaves out: `show` masks them."""


def dlq_command(on_app: OnApp) -> click.Group:
    """`vurksha dlq list|show|replay|discard`."""

    @click.group("dlq", epilog="Example: vurksha dlq list")
    def dlq() -> None:
        """Dead letters: deliveries that failed for good, and messages that could not be read."""

    @dlq.command("list", epilog="Example: vurksha dlq list --consumer order.notifications")
    @TYPE
    @CONSUMER
    @DIED
    @listing
    def listed(limit: int, as_json: bool, **which: Any) -> None:  # noqa: FBT001  click passes options by name
        """List dead letters, oldest event first."""
        on_app(lambda app: _list(app, choice(**which), limit, as_json=as_json))

    @dlq.command("show", epilog="Example: vurksha dlq show 0196b1a4-5f0e-7c3a-9d2e-4b8f6a1c2d3e")
    @click.argument("ref", metavar="ID", type=EventRef())
    def show(ref: UUID | int) -> None:
        """Show a dead letter by its id in the list. Personal data is masked."""
        on_app(lambda app: _show(app, ref))

    @dlq.command("replay", epilog="Example: vurksha dlq replay --consumer order.notifications --rate 20/s --yes")
    @acting
    @TYPE
    @CONSUMER
    @DIED
    def replay(yes: bool, rate: int | None, **which: Any) -> None:  # noqa: FBT001  click passes options by name
        """Deliver dead letters again, with the same event id. Without --yes this only says what it would do."""
        chosen = must_choose(**which)
        on_app(lambda app: DeadActs(app.db, chosen).replay(rate, yes=yes))

    @dlq.command("discard", epilog="Example: vurksha dlq discard 0196b1a4-5f0e-7c3a-9d2e-4b8f6a1c2d3e --yes")
    @acting
    @TYPE
    @CONSUMER
    @DIED
    def discard(yes: bool, rate: int | None, **which: Any) -> None:  # noqa: FBT001  click passes options by name
        """Give dead letters up: they are never handled. Without --yes this only says what it would do."""
        chosen = must_choose(**which)
        on_app(lambda app: DeadActs(app.db, chosen).discard(rate, yes=yes))

    return dlq


async def _list(app: "App", chosen: Chosen, limit: int, *, as_json: bool) -> None:
    desk = DeadDesk(app.db)
    deliveries, letters = await desk.count(chosen)
    rows: list[Row] = await desk.deliveries(chosen, limit)
    rows += await desk.letters(chosen, limit - len(rows)) if len(rows) < limit else []
    if as_json:
        for row in rows:
            click.echo(dump_json({name: value for name, value in row.items() if name not in HEAVY}).decode())
        return
    if not rows:
        click.echo("no dead letters")
        return
    click.echo(table(("ID", "CONSUMER", "TYPE", "DEAD FOR", "ERROR"), map(_line, rows)))
    if len(rows) < deliveries + letters:
        click.echo(
            f"{len(rows)} of {deliveries + letters}: --limit, --consumer, --type and --since show others", err=True
        )


def _line(row: Row) -> tuple[object, ...]:
    if "id" in row:
        return row["id"], row["consumer"], row["event_type"], ago(row["age"]), row["reason"]
    return row["event_id"], row["consumer"], row["event_type"], ago(row["age"]), row["last_error"]


async def _show(app: "App", ref: UUID | int) -> None:
    desk, chosen = DeadDesk(app.db), Chosen(refs=[ref])
    rows = [*await desk.deliveries(chosen, FEW), *await desk.letters(chosen, FEW)]
    if not rows:
        raise click.ClickException(f"there is no dead letter {ref}: `vurksha dlq list`")
    for number, row in enumerate(rows):
        if number:
            click.echo()
        describe(row)
