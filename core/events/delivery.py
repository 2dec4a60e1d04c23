"""The delivery of events on one replica: relay, inbox worker, and what stands between them."""

import asyncio
from collections.abc import Iterable

from core.events.bus import Bus
from core.events.inbox import InboxRows
from core.events.outbox import OutboxRows
from core.events.relay import Relay, Straight
from core.events.subscription import Subscription
from core.settings import EventSettings
from core.store.db import Db
from core.tasks import Tasks


class Delivery:
    """Owns the loops that carry events from commit to handler. `start` once the database is open."""

    def __init__(self, db: Db, tasks: Tasks, subscriptions: Iterable[Subscription], events: EventSettings) -> None:
        """Every commit that writes events wakes the relay."""
        listed = list(subscriptions)
        self._tasks = tasks
        self.bus = Bus(InboxRows(db), tasks, listed, concurrency=events.concurrency, poll=events.poll)
        self.relay = Relay(Straight(OutboxRows(db), listed, self.bus.poke), poll=events.poll)
        db.on_events = self.relay.poke

    def start(self) -> None:
        """Begin to claim."""
        self._tasks.forever("relay", self.relay.run)
        self._tasks.forever("bus", self.bus.run)

    def drain(self) -> None:
        """Claim no more; what runs goes on (RELIABILITY 4.10)."""
        self.relay.close()
        self.bus.close()

    async def stop(self, budget: float) -> None:
        """Claim no more, and let what runs come to its end for at most `budget` seconds."""
        self.drain()
        clock = asyncio.get_running_loop().time
        until = clock() + budget
        while (self.relay.busy or self.bus.busy) and clock() < until:  # noqa: ASYNC110  once, at the end of the process
            await asyncio.sleep(0.01)
