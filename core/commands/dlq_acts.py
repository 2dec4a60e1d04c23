"""What operators do to dead letters: each batch of deliveries, and each message, is one audited transaction."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import asyncpg
import click
import orjson

from core import audit
from core.commands.batches import in_batches
from core.commands.dlq_rows import DeadDesk
from core.commands.selecting import Chosen
from core.store.db import Db, Row, Tx

if TYPE_CHECKING:
    from core.events.inbox import Arrival

Take = Callable[[Tx, Chosen, int], Awaitable[list[Row]]]
RESUME = "The same command goes on."


class CannotReplay(Exception):
    """A message that is no event, or not whole."""


class DeadActs:
    """Replay and discard, deliveries first."""

    def __init__(self, db: Db, chosen: Chosen) -> None:
        self._db, self._desk, self._chosen = db, DeadDesk(db), chosen
        self._last = self._refused = 0
        """The last message looked at, and how many could not be replayed."""

    async def replay(self, rate: int | None, *, yes: bool) -> None:
        """Deliveries wait again; messages become deliveries."""
        total = await self._total()
        if not yes:
            click.echo(f"{_letters(total)} would be delivered again. Nothing was done: add --yes")
            return
        done = await self._run("replay", self._desk.replay, self._replay_one, total, rate) - self._refused
        click.echo(f"{_letters(done)} will be delivered again")
        if self._refused:
            raise click.ClickException(f"{_letters(self._refused)} cannot be replayed: discard them")

    async def discard(self, rate: int | None, *, yes: bool) -> None:
        """None of it is ever handled."""
        total = await self._total()
        if not yes:
            click.echo(f"{_letters(total)} would be given up for good. Nothing was done: add --yes")
            return
        done = await self._run("discard", self._desk.discard, self._discard_one, total, rate)
        click.echo(f"{_letters(done)} given up for good")

    async def _total(self) -> int:
        total = sum(await self._desk.count(self._chosen))
        if not total and (self._chosen.refs):
            raise click.ClickException("no dead letter has that id: `vurksha dlq list`")
        return total

    async def _run(
        self, act: str, take: Take, one: Callable[[Tx, Row], Awaitable[None]], total: int, rate: int | None
    ) -> int:
        async def step(limit: int) -> int:
            async with self._db.transaction() as tx:
                rows = await take(tx, self._chosen, limit)
                if rows:
                    events = [{"consumer": row["consumer"], "event": row["event_id"]} for row in rows]
                    await _note(tx, act, "dlq", count=len(rows), events=events)
            return len(rows) or await self._letter(act, one)

        return await in_batches(f"{act}ing", total, rate, step, lambda: RESUME)

    async def _letter(self, act: str, one: Callable[[Tx, Row], Awaitable[None]]) -> int:
        """The next message; 0 when there is none left."""
        rows = await self._desk.letters(self._chosen, 1, self._last)
        for row in rows:
            self._last = row["id"]
            try:
                async with self._db.transaction() as tx:
                    if await self._desk.claim(tx, row["id"]):
                        await one(tx, row)
                        await _note(tx, act, f"letter:{row['id']}", consumer=row["consumer"], event=row["event_id"])
            except (CannotReplay, asyncpg.DataError) as error:
                self._refused += 1
                click.echo(f"{row['id']} cannot be replayed: {error}", err=True)
        return len(rows)

    async def _replay_one(self, tx: Tx, row: Row) -> None:
        known = row["event_id"] is not None and await self._desk.from_outbox(tx, row["consumer"], row["event_id"])
        if not known:
            await self._desk.receive(tx, row["consumer"], _arrival(row))
        await self._desk.close(tx, row["id"], "replayed")

    async def _discard_one(self, tx: Tx, row: Row) -> None:
        await self._desk.close(tx, row["id"], "discarded")


def _arrival(row: Row) -> "Arrival":
    from core.events.amqp.message import Undecodable, decode  # noqa: PLC0415  brings the broker's client along

    if row["size"] > len(row["body"]):
        raise CannotReplay(f"only {len(row['body'])} of its {row['size']} bytes were kept")
    try:
        return decode(row["body"], orjson.loads(row["headers"]))
    except Undecodable as error:
        raise CannotReplay(str(error)) from None


async def _note(tx: Tx, act: str, subject: str, **details: object) -> None:
    await audit.record(tx, actor=audit.operator(), action=f"dlq.{act}", subject=subject, details=details)


def _letters(count: int) -> str:
    return f"{count} dead letter{'' if count == 1 else 's'}"
