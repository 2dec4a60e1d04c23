"""What operators do to dead events of the outbox: each batch is one audited transaction."""

from collections.abc import Awaitable, Callable

import click

from core import audit
from core.commands.batches import in_batches
from core.commands.outbox_rows import OutboxDesk
from core.commands.selecting import Chosen
from core.store.db import Db, Row, Tx

Take = Callable[[Tx, Chosen, int], Awaitable[list[Row]]]
RESUME = "The same command goes on."


class Acts:
    """Replay and discard."""

    def __init__(self, db: Db) -> None:
        self._db, self._desk = db, OutboxDesk(db)

    async def replay(self, chosen: Chosen, rate: int | None, *, yes: bool) -> None:
        """Dead rows go back into the outbox."""
        total = await self._count(chosen)
        if not yes:
            click.echo(f"{_events(total)} would go back into the outbox. Nothing was done: add --yes")
            return
        done = await self._take("replay", self._desk.replay, chosen, total, rate)
        click.echo(f"{_events(done)} went back into the outbox")

    async def discard(self, chosen: Chosen, rate: int | None, *, yes: bool) -> None:
        """Dead rows are deleted."""
        total = await self._count(chosen)
        if not yes:
            click.echo(f"{_events(total)} would be deleted for good. Nothing was done: add --yes")
            return
        done = await self._take("discard", self._desk.discard, chosen, total, rate)
        click.echo(f"{_events(done)} deleted for good")

    async def _count(self, chosen: Chosen) -> int:
        total = await self._desk.count_dead(chosen)
        if chosen.refs and not total:
            raise click.ClickException("no dead event has that number or id: `vurksha outbox list --state dead`")
        return total

    async def _take(self, act: str, take: Take, chosen: Chosen, total: int, rate: int | None) -> int:
        async def step(limit: int) -> int:
            async with self._db.transaction() as tx:
                rows = await take(tx, chosen, limit)
                if rows:
                    await audit.record(
                        tx,
                        actor=audit.operator(),
                        action=f"outbox.{act}",
                        subject="outbox",
                        details={"count": len(rows), "events": [row["event_id"] for row in rows]},
                    )
            return len(rows)

        return await in_batches(f"{act}ing", total, rate, step, lambda: RESUME)


def _events(count: int) -> str:
    return f"{count} dead event{'' if count == 1 else 's'}"
