"""The relay: events leave the outbox for the inboxes, by way of a broker or straight away.

Every replica runs one; any number may run at once.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import attrs

from core import faultpoints
from core.errors import Problem
from core.events.outbox import OutboxRow, OutboxRows, Report
from core.events.subscription import Subscription

log = logging.getLogger("core.events")


class Carrier(Protocol):
    """A way out of the outbox."""

    async def ready(self) -> None:
        """Come back when it makes sense to claim rows."""
        ...

    async def carry(self, limit: int) -> int:
        """Hand on at most `limit` due events, the oldest of each aggregate; the number of rows that were claimed."""
        ...


class Transport(Protocol):
    """A broker, as the relay sees it."""

    async def ready(self) -> None:
        """Come back when there is a connection that takes messages."""
        ...

    async def deliver(self, batch: Sequence[OutboxRow]) -> Report:
        """Publish; every row is in the report, after the broker's confirm or 5 s at most."""
        ...


class Straight:
    """Without a broker: outbox to inboxes in one statement, which needs no lease."""

    def __init__(
        self, rows: OutboxRows, subscriptions: Iterable[Subscription], told: Callable[[], None] = lambda: None
    ) -> None:
        """`told` is called when there are new inbox rows."""
        self._rows, self._told = rows, told
        self.emitted: Counter[str] = Counter()
        """Events handed on, by type."""
        pairs = [(each.consumer, each.event.event_type) for each in subscriptions]
        self._consumers, self._types = [consumer for consumer, _ in pairs], [event_type for _, event_type in pairs]

    async def ready(self) -> None:
        """Always."""

    async def carry(self, limit: int) -> int:
        """All or nothing."""
        moved = await self._rows.hand_over(self._consumers, self._types, limit)
        if moved:
            self.emitted += moved
            self._told()
        return moved.total()


@attrs.frozen
class Leased:
    """By a broker, which is awaited outside any transaction: claim, publish, settle.

    A relay that dies in between leaves its lease to end; the event then goes out again, and the inbox makes the repeat
    harmless.
    """

    rows: OutboxRows
    transport: Transport
    emitted: Counter[str] = attrs.field(factory=Counter)
    """Events handed on, by type."""

    async def ready(self) -> None:
        """When there is a broker that takes messages. Until then nothing is claimed."""
        await self.transport.ready()

    async def carry(self, limit: int) -> int:
        """Every row that was claimed is settled."""
        batch = await self.rows.claim(limit)
        if batch:
            if faultpoints.armed:
                await faultpoints.reach("relay.before_publish")
            report = await self._delivered(batch)
            if faultpoints.armed:
                await faultpoints.reach("relay.after_publish")
            taken = set(report.taken)
            self.emitted.update(row.event_type for row in batch if row.seq in taken)
            await self.rows.settle(report)
        return len(batch)

    async def _delivered(self, batch: Sequence[OutboxRow]) -> Report:
        try:
            return await self.transport.deliver(batch)
        except Exception:
            log.exception("%d events were not taken", len(batch))
            return Report(unreached=[row.seq for row in batch])


class Relay:
    """Keeps a carrier busy. Run it with `Tasks.forever`."""

    def __init__(self, carrier: Carrier, *, batch: int = 200, poll: float = 1.0, linger: float = 0.03) -> None:
        """In seconds: `poll` between looks at a quiet outbox, `linger` for further commits to join a batch."""
        self._carrier, self._batch, self._poll, self._linger = carrier, batch, poll, linger
        self._wake = asyncio.Event()
        self._closing = False
        self._stepping = False

    def poke(self) -> None:
        """There are new rows."""
        self._wake.set()

    def close(self) -> None:
        """Claim no more."""
        self._closing = True

    @property
    def busy(self) -> bool:
        """Whether a batch is under way."""
        return self._stepping

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
        """One batch; the number of events that were claimed."""
        self._wake.clear()
        await self._carrier.ready()
        if self._closing:
            return 0
        self._stepping = True
        try:
            return await self._carrier.carry(self._batch)
        finally:
            self._stepping = False


async def wait(wake: asyncio.Event, timeout: float) -> None:  # noqa: ASYNC109  a wait that ends either way
    """Until something happens, at most `timeout` seconds."""
    timer: asyncio.TimerHandle = asyncio.get_running_loop().call_later(timeout, wake.set)
    try:
        await wake.wait()
    finally:
        timer.cancel()
