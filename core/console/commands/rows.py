"""`outbox`, `dlq` and `sessions`: what is in the database. The first two are those of `vurksha`, by the same code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from core.commands import dlq, outbox
from core.commands.shared import ago, table
from core.console.desk import Desk
from core.errors import Problem
from core.session_book import SESSION_BOOK, Whose
from core.store.migrate import UNREACHABLE
from core.types import utc_now


def outbox_command(desk: Desk) -> click.Command:
    """`outbox`, which by itself says how much waits."""
    group = at_prompt(outbox.outbox_command(desk.on_app))

    def alone() -> None:
        delivery = desk.app.delivery
        state, handed_on = desk.see(lambda _: (delivery.state, delivery.published))
        way = "straight to the inbox" if state == "in-process" else f"by the broker, which is {state}"
        click.echo(f"on their way     {way}; {handed_on} handed on by this replica since its start")
        with remembering(desk):
            click.get_current_context().invoke(group.commands["stats"])

    return by_itself(group, alone)


def dlq_command(desk: Desk) -> click.Command:
    """`dlq`, which by itself lists."""
    group = at_prompt(dlq.dlq_command(desk.on_app))

    def alone() -> None:
        with remembering(desk):
            click.get_current_context().invoke(group.commands["list"])

    return by_itself(group, alone)


@contextmanager
def remembering(desk: Desk) -> Iterator[None]:
    """Where the block finds no database, say what was in it a while ago, and fail all the same."""
    try:
        yield
    except (Problem, *UNREACHABLE):
        found = desk.see(lambda app: app.figures.queues.found)
        if found is not None:
            click.echo(f"last seen        {found.outbox} in the outbox, the oldest for {ago(found.outbox_age)}")
            rows = [(name, *found.inbox.get(name, (0, 0.0)), dead) for name, dead in found.dead.items()]
            lines = [(name, waiting, ago(age), dead) for name, waiting, age, dead in rows]
            click.echo(table(("CONSUMER", "WAITING", "THE OLDEST FOR", "DEAD"), lines))
        raise


def by_itself(group: click.Group, alone: Callable[[], None]) -> click.Group:
    """Let a group do something where none of its commands is asked for."""

    @click.pass_context
    def callback(context: click.Context) -> None:
        if context.invoked_subcommand is None:
            alone()

    group.callback, group.invoke_without_command, group.no_args_is_help = callback, True, False
    return group


def at_prompt(group: click.Group) -> click.Group:
    """With examples as they are typed here."""
    for command in (group, *group.commands.values()):
        command.epilog = (command.epilog or "").replace("vurksha ", "")
    return group


def sessions_command(desk: Desk) -> click.Command:
    """`sessions USER`."""

    @click.command("sessions", epilog="Example: sessions 0196b1a4-5f0e-7c3a-9d2e-4b8f6a1c2d3e")
    @click.argument("user", metavar="USER")
    def sessions(user: str) -> None:
        """Open sessions of a user. That you looked is audited.

        USER is an id or a phone.
        """
        book = desk.app.kernel.services
        if not book.has(SESSION_BOOK):
            raise click.ClickException("no plugin tells of sessions here")
        try:
            whose = desk.do(lambda _: book.get(SESSION_BOOK).sessions_of(user))
        except ValueError:
            raise click.ClickException("say a user's id, or a phone: ten digits, bare or with +91") from None
        if whose is None:
            raise click.ClickException("nobody has that id or phone")
        desk.note("sessions.look", f"account:{whose.user_id}", open=len(whose.sessions))
        click.echo(_told(whose))

    return sessions


def _told(whose: Whose) -> str:
    state = "" if whose.active else ", closed"
    head = f"account {whose.user_id}, {whose.role.value}{state}"
    now = utc_now()

    def left(until: datetime) -> str:
        return ago((until - now).total_seconds()) if until > now else "over"

    rows = [
        (one.id, one.device or None, f"{ago((now - one.began).total_seconds())} ago",
         f"{ago((now - one.used).total_seconds())} ago", left(one.until))
        for one in whose.sessions
    ]  # fmt: skip
    listed = table(("SESSION", "DEVICE", "BEGAN", "REFRESHED", "LEFT"), rows) if rows else "no open session"
    return f"{head}\n{listed}"
