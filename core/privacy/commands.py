"""`vurksha privacy`: requests of people about their data, as an operator sees and answers them."""

import os
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import attrs
import click
import orjson

from core import audit
from core.commands.shared import OnKernel, moment, table
from core.privacy.exports import Withheld
from core.privacy.model import PEOPLE, People
from core.privacy.requests import UNDO_WINDOW
from core.privacy.work import PRIVACY, Privacy
from core.types import UserId

if TYPE_CHECKING:
    from core.kernel import Kernel
    from core.store.db import Db, Tx

TITLES = ("USER", "BY", "STATE", "ASKED FOR", "UNDO UNTIL", "GONE BY", "FINISHED", "LAST ERROR", "ENDED")


@attrs.frozen
class Desk:
    """What the commands work with."""

    db: "Db"
    privacy: Privacy
    people: People

    @classmethod
    def of(cls, kernel: "Kernel") -> "Desk":
        """From a kernel whose plugins are known; raises ClickException."""
        if not kernel.services.has(PEOPLE):
            raise click.ClickException("none of the loaded plugins keeps accounts")
        return cls(kernel.db, kernel.services.get(PRIVACY), kernel.services.get(PEOPLE))

    async def whom(self, source: "Tx | Db", who: str) -> UserId:
        """The account that is meant; raises ClickException."""
        found = await self.people.find(source, who)
        if found is None:
            raise click.ClickException("there is no such account: name one by its id or its phone")
        return found


Work = Callable[[Desk], Awaitable[None]]


async def note(tx: "Tx", action: str, user_id: UUID, **details: object) -> None:
    """An operator's act, for the audit log."""
    await audit.record(
        tx, actor=audit.operator(), action=f"privacy.{action}", subject=f"account:{user_id}", details=details
    )


async def show(desk: Desk, limit: int) -> None:
    """`requests`."""
    rows = await desk.privacy.erasures.recent(desk.db, limit)
    click.echo(
        table(
            TITLES,
            [
                (
                    row["user_id"],
                    row["origin"],
                    row["state"],
                    row["requested_at"],
                    row["due_at"],
                    row["limit_at"],
                    ",".join(row["finished"]) or None,
                    row["last_error"],
                    row["ended_at"],
                )
                for row in rows
            ],
        )
    )


async def export(desk: Desk, who: str, give: Callable[[str], None]) -> None:
    """`export`. The act is noted before its outcome leaves the process."""
    user_id = await desk.whom(desk.db, who)
    try:
        text = await desk.privacy.export(user_id)
    except Withheld as error:
        raise click.ClickException(f"there is no whole copy: {error}") from None
    async with desk.db.transaction() as tx:
        await note(tx, "export", user_id)
    give(text)


def write_private(output: Path, text: str) -> None:
    """A new file that only its owner can read; raises ClickException."""
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    click.echo(f"written to {output}")


async def erase(desk: Desk, who: str, *, now: bool) -> None:
    """`erase`."""
    async with desk.db.transaction() as tx:
        user_id = await desk.whom(tx, who)
        await desk.people.close(tx, user_id)
        window = timedelta() if now else UNDO_WINDOW
        until = await desk.privacy.erasures.request(tx, user_id, "operator", window)
        await note(tx, "erase", user_id, now=now)
    when = "the service erases it within minutes" if now else f"until {moment(until)} this can be undone"
    click.echo(f"account {user_id} is closed; {when}")


async def undo(desk: Desk, who: str) -> None:
    """`undo`."""
    async with desk.db.transaction() as tx:
        user_id = await desk.whom(tx, who)
        if not await desk.people.reopen(tx, user_id):
            raise click.ClickException("there is nothing to undo: no erasure was asked for, or its window is over")
        await note(tx, "undo", user_id)
    click.echo(f"account {user_id} is open again")


async def ledger(desk: Desk) -> None:
    """`ledger`."""
    for row in await desk.privacy.erasures.ledger(desk.db):
        click.echo(ledger_line(row["user_id"], row["erased_at"]))


def ledger_line(user_id: UUID, erased_at: datetime) -> str:
    """As `reapply` reads it."""
    return orjson.dumps({"userId": str(user_id), "erasedAt": erased_at}).decode()


def read_ledger(file: Path) -> list[tuple[UUID, datetime]]:
    """What `ledger` printed; raises ClickException."""
    try:
        lines = [orjson.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
        return [(UUID(line["userId"]), datetime.fromisoformat(line["erasedAt"])) for line in lines]
    except (ValueError, KeyError, TypeError):
        raise click.ClickException(f"{file} is not what `vurksha privacy ledger` prints") from None


async def reapply(desk: Desk, kernel: "Kernel", entries: Collection[tuple[UUID, datetime]]) -> None:
    """`reapply`. Redis is needed too: a copy there may have come back as well."""
    erasures = desk.privacy.erasures
    async with desk.db.transaction() as tx:
        entered = await erasures.enter(tx, entries)
        again = await erasures.reapply(tx)
        details = {"entered": entered, "erased": again}
        await audit.record(tx, actor=audit.operator(), action="privacy.reapply", subject="ledger", details=details)
    await kernel.redis.open()
    try:
        while await desk.privacy.erase_one():
            pass
    finally:
        await kernel.redis.close()
    left = await erasures.restoring(desk.db)
    if left:
        raise click.ClickException(f"{left} of {again} accounts are not erased yet: see `vurksha privacy requests`")
    click.echo(f"{again} accounts of the ledger are erased again")


def privacy_command(on_kernel: OnKernel) -> click.Group:  # noqa: C901  one function a command
    """`vurksha privacy requests|export|erase|undo|ledger|reapply`."""

    def at_desk(work: Work) -> None:
        on_kernel(lambda kernel: work(Desk.of(kernel)))

    @click.group("privacy", epilog="Example: vurksha privacy requests")
    def privacy() -> None:
        """What people ask about their own data. USER is an account's id or its phone."""

    @privacy.command("requests", epilog="Example: vurksha privacy requests --limit 20")
    @click.option("--limit", default=50, show_default=True, help="How many.")
    def requests_(limit: int) -> None:
        """Show erasures that were asked for, newest first, and how far each has come."""
        at_desk(lambda desk: show(desk, limit))

    @privacy.command("export", epilog="Example: vurksha privacy export 9876543210 --output asha.json")
    @click.argument("user")
    @click.option("--output", type=click.Path(path_type=Path), help="A file, readable by you alone.")
    def export_(user: str, output: Path | None) -> None:
        """Write everything that is USER's as one JSON document."""
        made: list[str] = []
        at_desk(lambda desk: export(desk, user, made.append))
        if output is None:
            click.echo(made[0])
        else:
            write_private(output, made[0])

    @privacy.command("erase", epilog="Example: vurksha privacy erase 9876543210")
    @click.argument("user")
    @click.option("--now", is_flag=True, help="Without the 24 hours in which it can be undone.")
    def erase_(user: str, now: bool) -> None:  # noqa: FBT001  click passes options by name
        """Close USER's account and have it erased everywhere."""
        at_desk(lambda desk: erase(desk, user, now=now))

    @privacy.command("undo", epilog="Example: vurksha privacy undo 9876543210")
    @click.argument("user")
    def undo_(user: str) -> None:
        """Take an erasure of USER back while its 24 hours last."""
        at_desk(lambda desk: undo(desk, user))

    @privacy.command("ledger", epilog="Example: vurksha privacy ledger > erased.jsonl")
    def ledger_() -> None:
        """Print who was erased and when, by ids. Keep it apart from the backups of the database."""
        at_desk(ledger)

    @privacy.command("reapply", epilog="Example: vurksha privacy reapply erased.jsonl")
    @click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
    def reapply_(file: Path | None) -> None:
        """Erase everybody in the ledger again, after a restore and before serving.

        FILE is a newer copy of the ledger than the backup has.
        """
        entries = read_ledger(file) if file else []
        on_kernel(lambda kernel: reapply(Desk.of(kernel), kernel, entries))

    return privacy
