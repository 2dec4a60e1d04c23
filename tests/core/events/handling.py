"""Handlers that remember what they saw, and looks at what the bus did."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from core.events.model import EventMeta
from core.events.subscription import Subscription
from core.store.db import Db, Tx
from tests.core.events.samples import ParcelArrived, ParcelMoved

FAST = (0.05, 0.05)


class Handler:
    """Remembers what it was given, and fails as often as `failures` says."""

    def __init__(self, failures: int = 0, error: Exception | None = None) -> None:
        self.seen: list[tuple[UUID, int]] = []
        self.metas: list[EventMeta] = []
        self.failures, self.error = failures, error or ValueError("9876543210")

    async def __call__(self, tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        self.seen.append((event.parcel_id, event.step_number))
        self.metas.append(meta)
        if self.failures:
            self.failures -= 1
            raise self.error


def moved(
    handler: Callable[[Tx, ParcelMoved, EventMeta], Awaitable[None]], consumer: str = "parcel.watch"
) -> Subscription:
    return Subscription(consumer, ParcelMoved, handler)


async def emit(db: Db, *events: ParcelMoved | ParcelArrived) -> None:
    async with db.transaction() as tx:
        for event in events:
            tx.emit(event)


async def states(db: Db) -> list[tuple[str, int, str | None]]:
    rows = await db.fetch("SELECT state, attempts, last_error FROM kernel.inbox ORDER BY seq, consumer")
    return [(row["state"], row["attempts"], row["last_error"]) for row in rows]


async def until_dead(db: Db) -> None:
    async with asyncio.timeout(10):
        while not await db.fetchval("SELECT EXISTS (SELECT FROM kernel.inbox WHERE state = 'dead')"):
            await asyncio.sleep(0.01)
