"""The outbox: events leave the transaction that announced them as rows, and this relay hands those rows on.

Every replica runs a relay. Each claims the oldest unpublished row of an aggregate, so that an aggregate's events are
handed on in order; no global position is kept, and when to try again is in the row (RELIABILITY 4.6).
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import attrs

from core.errors import Problem

if TYPE_CHECKING:
    from datetime import datetime

    from core.store.db import Db, Tx

log = logging.getLogger("core.events")


# Due rows by outbox_due, in that index's own order so that no sort and no published row is touched; what is older in
# the same aggregate by outbox_unpublished.
CLAIM = """
SELECT o.seq, o.event_id, o.event_type, o.version, o.aggregate_type, o.aggregate_id, o.payload, o.metadata,
    o.occurred_at
FROM kernel.outbox o
WHERE o.published_at IS NULL AND o.next_attempt_at <= now() AND NOT EXISTS (
    SELECT FROM kernel.outbox older
    WHERE older.published_at IS NULL AND older.aggregate_type = o.aggregate_type
        AND older.aggregate_id = o.aggregate_id AND older.seq < o.seq)
ORDER BY o.next_attempt_at, o.seq LIMIT $1
FOR UPDATE OF o SKIP LOCKED
"""
# By the primary key, both.
PUBLISHED = "UPDATE kernel.outbox SET published_at = clock_timestamp(), last_error = NULL WHERE seq = ANY($1::bigint[])"
POSTPONE = """
UPDATE kernel.outbox SET next_attempt_at = now() + make_interval(secs => $2), last_error = $3
WHERE seq = ANY($1::bigint[]) AND published_at IS NULL
"""


@attrs.frozen
class OutboxRow:
    """One event on its way out. `payload` and `metadata` are JSON text."""

    seq: int
    event_id: UUID
    event_type: str
    version: int
    aggregate_type: str
    aggregate_id: str
    payload: str
    metadata: str
    occurred_at: "datetime"


class Transport(Protocol):
    """Where the relay hands events to."""

    async def deliver(self, tx: "Tx", batch: Sequence[OutboxRow]) -> None:
        """Take all of them or raise. The relay marks them published in `tx`."""

    def delivered(self) -> None:
        """Called after that commit."""


class Relay:
    """Moves rows from the outbox to a transport. Run it with `Tasks.forever`; any number may run at once."""

    def __init__(
        self,
        db: "Db",
        transport: Transport,
        *,
        batch: int = 200,
        poll: float = 1.0,
        linger: float = 0.03,
        postpone: float = 1.0,
    ) -> None:
        """In seconds: `poll` between looks at a quiet outbox, `linger` for further commits to join a batch.

        `postpone` is how long a batch rests that the transport did not take.
        """
        self._db, self._transport, self._batch = db, transport, batch
        self._poll, self._linger, self._postpone = poll, linger, postpone
        self._wake = asyncio.Event()

    def poke(self) -> None:
        """There are new rows."""
        self._wake.set()

    async def run(self) -> None:
        """For ever. An unreachable database is waited for, not raised."""
        while True:
            try:
                moved = await self.step()
            except Problem:
                log.warning("the outbox cannot be read: the database is away")
                await asyncio.sleep(self._poll)
                continue
            if not moved:
                await wait(self._wake, self._poll)
                await asyncio.sleep(self._linger)

    async def step(self) -> int:
        """One batch, in one transaction; the number of events that were handed on."""
        self._wake.clear()
        batch: list[OutboxRow] = []
        try:
            async with self._db.transaction() as tx:
                batch = [OutboxRow(*row) for row in await tx.fetch(CLAIM, self._batch)]
                if batch:
                    await self._transport.deliver(tx, batch)
                    await tx.execute(PUBLISHED, [row.seq for row in batch])
        except Problem:
            raise
        except Exception as error:
            log.exception("%d events were not taken", len(batch))
            async with self._db.transaction() as tx:
                await tx.execute(POSTPONE, [row.seq for row in batch], self._postpone, type(error).__name__)
            return 0
        if batch:
            self._transport.delivered()
        return len(batch)


async def wait(wake: asyncio.Event, timeout: float) -> None:  # noqa: ASYNC109  a wait that ends either way
    """Until something happens, at most `timeout` seconds."""
    timer: asyncio.TimerHandle = asyncio.get_running_loop().call_later(timeout, wake.set)
    try:
        await wake.wait()
    finally:
        timer.cancel()
