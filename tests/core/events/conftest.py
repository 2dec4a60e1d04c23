"""Replicas of the event machinery on one database."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import attrs
import pytest

from core.events.bus import Bus
from core.events.inbox import InboxRows
from core.events.outbox import OutboxRows
from core.events.relay import Relay, Straight
from core.events.subscription import Subscription
from core.store.db import Db
from core.tasks import Tasks


@attrs.frozen
class Replica:
    bus: Bus
    relay: Relay


MakeReplica = Callable[..., Replica]


@pytest.fixture
async def replica(kernel_db: Db) -> AsyncIterator[MakeReplica]:
    """Starts a relay and a bus with the given subscriptions; all end with the test."""
    tasks = Tasks()

    def start(subscriptions: Sequence[Subscription], **more: Any) -> Replica:
        bus = Bus(InboxRows(kernel_db), tasks, subscriptions, **{"poll": 0.05, "concurrency": 4, **more})
        relay = Relay(Straight(OutboxRows(kernel_db), subscriptions, bus.poke), poll=0.05, linger=0.001)
        kernel_db.on_events = relay.poke
        tasks.forever("bus", bus.run)
        tasks.forever("relay", relay.run)
        return Replica(bus, relay)

    yield start
    assert await tasks.stop(5) == []
