"""The events of a plugin whose code cannot be loaded wait until it can."""

import asyncio
from collections.abc import AsyncIterator

import attrs
import pytest

from core.events.delivery import Delivery
from core.events.subscription import Subscription
from core.isolation.consumers import Consumers
from core.isolation.guards import Guards
from core.settings import EventSettings, IsolationSettings, RabbitmqSettings, Secret
from core.store.db import Db
from core.tasks import Tasks
from core.types import uuid7
from tests.core.events.handling import Handler, emit, moved, states
from tests.core.events.samples import ParcelArrived, ParcelMoved
from tests.core.isolation.eventually import PATIENCE


@pytest.fixture
async def db(kernel_db: Db) -> AsyncIterator[Db]:
    """Where nothing is remembered."""
    yield kernel_db
    async with kernel_db.transaction() as tx:
        await tx.execute("DELETE FROM kernel.plugin_consumers")


def rogue(subscription: Subscription) -> Subscription:
    return attrs.evolve(subscription, plugin="rogue")


async def test_what_happened_while_it_was_away_is_handled_in_order(db: Db) -> None:
    handler, parcel = Handler(), uuid7()
    for lost, step in ((False, 0), (True, 1), (True, 2), (False, 3)):
        guards, tasks = Guards(IsolationSettings(), ["rogue"]), Tasks()
        if lost:
            guards.lost("rogue", "import")
        listed = [] if lost else [rogue(moved(handler, "rogue.watch"))]
        delivery = Delivery(db, tasks, listed, EventSettings(poll=0.02), RabbitmqSettings(), guards)
        delivery.start()
        await emit(db, ParcelMoved(parcel_id=parcel, step_number=step))
        await delivery.bus.idle()
        await delivery.stop(3)
        assert await tasks.stop(3) == []
    assert [step for _, step in handler.seen] == [0, 1, 2, 3]
    assert await states(db) == [("done", 0, None)] * 4


async def test_what_a_new_version_no_longer_hears_is_forgotten(db: Db) -> None:
    guards, handler = Guards(IsolationSettings(), ["rogue"]), Handler()
    arrived = Subscription("rogue.arrivals", ParcelArrived, handler, plugin="rogue")
    of_the_kernel = moved(handler, "order.watch")
    await Consumers(db, guards, [rogue(moved(handler, "rogue.watch")), arrived, of_the_kernel]).absent()
    await Consumers(db, guards, [arrived]).absent()
    guards.lost("rogue", "import")
    assert await Consumers(db, guards, []).absent() == [("rogue.arrivals", "parcel.arrived")]


async def test_a_plugin_that_hears_nothing_has_nothing_to_wait_for(db: Db) -> None:
    guards = Guards(IsolationSettings(), ["rogue"])
    assert await Consumers(db, guards, []).absent() == ()
    assert await Consumers(db, Guards(IsolationSettings()), []).absent() == ()


async def test_over_a_broker_they_wait_in_the_inbox_too(db: Db, rabbit_url: str) -> None:
    guards, handler, tasks, parcel = Guards(IsolationSettings(), ["rogue"]), Handler(), Tasks(), uuid7()
    guards.quarantine("rogue", "because")
    broker = RabbitmqSettings(url=Secret(rabbit_url), prefix=f"test-{parcel.hex}.")
    delivery = Delivery(db, tasks, [rogue(moved(handler, "rogue.watch"))], EventSettings(poll=0.05), broker, guards)
    delivery.start()
    await emit(db, *(ParcelMoved(parcel_id=parcel, step_number=step) for step in range(3)))
    async with asyncio.timeout(PATIENCE):
        while await states(db) != [("waiting", 0, None)] * 3:
            await asyncio.sleep(0.02)
    assert handler.seen == []
    guards.follow({})
    await delivery.bus.idle(PATIENCE)
    assert [step for _, step in handler.seen] == [0, 1, 2]
    await delivery.stop(3)
    assert await tasks.stop(5) == []
