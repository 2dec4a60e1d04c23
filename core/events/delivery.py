"""The delivery of events on one replica: relay, inbox worker, and the bridge between them where there is a broker."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from core.errors import Problem
from core.events.bus import Bus
from core.events.inbox import InboxRows
from core.events.outbox import OutboxRows
from core.events.relay import Leased, Relay, Straight
from core.events.subscription import Subscription
from core.isolation.consumers import Consumers
from core.isolation.guards import Guards
from core.settings import EventSettings, IsolationSettings, RabbitmqSettings
from core.store.db import Db
from core.tasks import SILENCE, Tasks

if TYPE_CHECKING:
    from core.events.amqp.bridge import Bridge

log = logging.getLogger("core.events")

LOOK = 10.0
"""Seconds between looks at the age of the oldest unpublished event."""
LATE = 60.0
"""Seconds of that age that are an alarm (RELIABILITY 4.6)."""


class Delivery:
    """Owns the loops that carry events from commit to handler. `start` once the database is open."""

    def __init__(
        self,
        db: Db,
        tasks: Tasks,
        subscriptions: Iterable[Subscription],
        events: EventSettings,
        rabbitmq: RabbitmqSettings,
        guards: Guards | None = None,
    ) -> None:
        """Every commit that writes events wakes the relay. The events of plugins that `guards` put aside wait."""
        listed, guards = list(subscriptions), guards or Guards(IsolationSettings())
        self._tasks, self._rows, self.consumers = tasks, OutboxRows(db), Consumers(db, guards, listed)
        self.oldest = 0.0
        """Age in seconds of the oldest unpublished event, some seconds ago."""
        self.bus = Bus(InboxRows(db), tasks, listed, concurrency=events.concurrency, poll=events.poll, guards=guards)
        guards.on_change.append(lambda _: self.bus.poke())
        self.bridge = self._bridge(db, listed, rabbitmq)
        straight = Straight(self._rows, listed, self.bus.poke)
        self._carrier = straight if self.bridge is None else Leased(self._rows, self.bridge.publisher)
        self.relay = Relay(self._carrier, poll=events.poll)
        db.on_events = self.relay.poke

    def _bridge(self, db: Db, listed: list[Subscription], rabbitmq: RabbitmqSettings) -> "Bridge | None":
        if rabbitmq.url is None:
            return None
        from core.events.amqp.bridge import Bridge  # noqa: PLC0415  its library takes 0.3 s and 10 MB

        return Bridge(rabbitmq.url, rabbitmq.prefix, listed, db, self.bus.poke, self.consumers.heard)

    @property
    def emitted(self) -> Mapping[str, int]:
        """Events that this replica handed on, by type."""
        return self._carrier.emitted

    @property
    def published(self) -> int:
        """All of them."""
        return self._carrier.emitted.total() if self.bridge is None else self.bridge.publisher.published

    @property
    def returned(self) -> int:
        """Those of them that the broker gave back because no queue wants their type."""
        return 0 if self.bridge is None else self.bridge.publisher.returned

    @property
    def state(self) -> str:
        """`in-process`, or that of the bridge: `connected`, `blocked`, `partial` or `away`."""
        return "in-process" if self.bridge is None else self.bridge.state

    def start(self) -> None:
        """Begin to claim and to consume. Before it, have `consumers` say what is listened to."""
        if self.bridge is not None:
            self.bridge.start(self._tasks)
        loops = {
            "relay": self.relay.run,
            "bus": self.bus.run,
            "outbox age": self._look,
            "consumers": self.consumers.run,
        }
        for name, loop in loops.items():
            self._tasks.forever(name, loop, silence=SILENCE)

    async def _look(self) -> None:
        while True:
            try:
                self.oldest = await self._rows.oldest()
            except Problem:
                log.info("the outbox's age is unknown: the database is away")
            if self.oldest > LATE:
                log.error("ALARM: the oldest event has waited for %.0f s in the outbox", self.oldest)
            await asyncio.sleep(LOOK)

    def drain(self) -> None:
        """Claim and consume no more; what runs goes on (RELIABILITY 4.10)."""
        self.relay.close()
        self.bus.close()
        if self.bridge is not None:
            self.bridge.drain()

    @property
    def busy(self) -> bool:
        """Whether a batch, a handler or a consumer is under way."""
        return self.relay.busy or self.bus.busy or (self.bridge is not None and self.bridge.intake.busy)

    async def stop(self, budget: float) -> None:
        """Drain, and let what runs come to its end for at most `budget` seconds."""
        self.drain()
        clock = asyncio.get_running_loop().time
        until = clock() + budget
        while self.busy and clock() < until:  # noqa: ASYNC110  once, at the end of the process
            await asyncio.sleep(0.01)
