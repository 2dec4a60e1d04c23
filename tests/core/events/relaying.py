"""A broker that only remembers, relays that use it, and looks at the outbox."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from core.events.outbox import OutboxRow, OutboxRows, Report
from core.events.relay import Leased, Relay
from core.store.db import Db


class Broker:
    """A transport that remembers; it refuses with `reason`, and raises `error`, while they are set."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []
        self.reason = ""
        self.error: Exception | None = None
        self.pause = 0.0
        self.open = asyncio.Event()
        self.open.set()

    async def ready(self) -> None:
        await self.open.wait()

    async def deliver(self, batch: Sequence[OutboxRow]) -> Report:
        if self.error is not None:
            raise self.error
        if self.reason:
            return Report(refused={row.seq: self.reason for row in batch})
        await asyncio.sleep(self.pause)
        self.rows += batch
        return Report(taken=[row.seq for row in batch])

    @property
    def steps(self) -> list[int]:
        return [orjson.loads(row.payload)["stepNumber"] for row in self.rows]


def leased(db: Db, broker: Broker, **more: Any) -> Relay:
    return Relay(Leased(OutboxRows(db), broker), **more)


async def unpublished(db: Db) -> int:
    left: int = await db.fetchval("SELECT count(*) FROM kernel.outbox WHERE published_at IS NULL")
    return left
