"""Who listens is written down: events wait for the code of another release, and for a plugin that cannot be loaded."""

import asyncio
import logging

import attrs
import pytest

from core.events.delivery import Delivery
from core.events.outbox import OutboxRows
from core.events.relay import Relay, Straight
from core.events.subscription import Subscription
from core.isolation import consumers as module
from core.isolation.consumers import Consumers
from core.isolation.guards import Guards
from core.settings import EventSettings, IsolationSettings, RabbitmqSettings, Secret
from core.store.db import Db
from core.tasks import Tasks
from core.types import uuid7
from tests.core.events.handling import Handler, emit, moved, states
from tests.core.events.samples import ParcelArrived, ParcelMoved
from tests.core.harness import NewProbe
from tests.core.isolation.eventually import PATIENCE

LONG_AGO = "UPDATE kernel.plugin_consumers SET seen_at = now() - interval '11 minutes'"


def rogue(subscription: Subscription) -> Subscription:
    return attrs.evolve(subscription, plugin="rogue")


def new(db: Db, *subscriptions: Subscription, guards: Guards | None = None) -> Consumers:
    return Consumers(db, guards or Guards(IsolationSettings(), ["rogue"]), subscriptions)


async def heard(db: Db) -> list[tuple[str, str]]:
    return sorted(await new(db).heard())


async def age(db: Db) -> None:
    async with db.transaction() as tx:
        await tx.execute(LONG_AGO)


async def test_what_happened_while_it_was_away_is_handled_in_order(kernel_db: Db) -> None:
    handler, parcel = Handler(), uuid7()
    for lost, step in ((False, 0), (True, 1), (True, 2), (False, 3)):
        guards, tasks = Guards(IsolationSettings(), ["rogue"]), Tasks()
        if lost:
            guards.lost("rogue", "import")
        listed = [] if lost else [rogue(moved(handler, "rogue.watch"))]
        delivery = Delivery(kernel_db, tasks, listed, EventSettings(poll=0.02), RabbitmqSettings(), guards)
        await delivery.consumers.say()
        delivery.start()
        await emit(kernel_db, ParcelMoved(parcel_id=parcel, step_number=step))
        await delivery.bus.idle()
        await delivery.stop(3)
        assert await tasks.stop(3) == []
    assert [step for _, step in handler.seen] == [0, 1, 2, 3]
    assert await states(kernel_db) == [("done", 0, None)] * 4


async def test_what_nobody_says_any_more_is_forgotten(kernel_db: Db) -> None:
    arrived = Subscription("rogue.arrivals", ParcelArrived, Handler(), plugin="rogue")
    of_the_kernel = moved(Handler(), "order.watch")
    before, after = new(kernel_db, rogue(moved(Handler(), "rogue.watch")), arrived), new(kernel_db, of_the_kernel)
    for _ in range(2):
        await before.say()
        await after.say()
    everything = [
        ("order.watch", "parcel.moved"),
        ("rogue.arrivals", "parcel.arrived"),
        ("rogue.watch", "parcel.moved"),
    ]
    assert await heard(kernel_db) == everything, "two releases serve"
    await age(kernel_db)
    await after.say()
    assert await heard(kernel_db) == [("order.watch", "parcel.moved")]


async def test_a_plugin_that_cannot_be_loaded_is_not_forgotten(kernel_db: Db) -> None:
    guards = Guards(IsolationSettings(), ["rogue"])
    await new(kernel_db, rogue(moved(Handler(), "rogue.watch"))).say()
    await age(kernel_db)
    guards.lost("rogue", "import")
    left = new(kernel_db, guards=guards)
    for _ in range(2):
        await left.say()
    assert await heard(kernel_db) == [("rogue.watch", "parcel.moved")]


async def test_after_an_outage_others_may_say_theirs_before_it_is_forgotten(
    kernel_db: Db, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "EVERY", 0.05)
    monkeypatch.setattr(module, "AGAIN", 0.05)
    one, other, tasks = new(kernel_db, moved(Handler(), "one")), new(kernel_db, moved(Handler(), "other")), Tasks()
    await other.say()
    tasks.forever("consumers", one.run)
    while await heard(kernel_db) != [("one", "parcel.moved"), ("other", "parcel.moved")]:
        await asyncio.sleep(0.01)
    held = [await kernel_db.pool.acquire(1) for _ in range(kernel_db.pool.size)]
    with caplog.at_level(logging.WARNING):
        while "the database is away" not in caplog.text:
            await asyncio.sleep(0.01)
    await tasks.stop(1)
    for connection in held:
        kernel_db.pool.release(connection)
    await age(kernel_db)
    await one.say()
    assert len(await heard(kernel_db)) == 2
    await other.say()
    await one.say()
    assert len(await heard(kernel_db)) == 2


async def test_what_waits_for_somebody_who_listens_no_more_is_told_once(
    kernel_db: Db, caplog: pytest.LogCaptureFixture
) -> None:
    now = new(kernel_db, moved(Handler()))
    both = Subscription("parcel.watch", ParcelArrived, Handler()), Subscription("parcel.gone", ParcelMoved, Handler())
    await emit(kernel_db, ParcelArrived(parcel_id=uuid7()), ParcelMoved(parcel_id=uuid7(), step_number=1))
    await Relay(Straight(OutboxRows(kernel_db), [*both, moved(Handler())])).step()
    async with kernel_db.transaction() as tx:
        await tx.execute(
            """UPDATE kernel.inbox SET received_at = now() - interval '61 minutes' WHERE consumer = 'parcel.watch'"""
        )
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            await now.say()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["events of type parcel.arrived wait for parcel.watch, which no longer listens to them"]


@pytest.mark.parametrize("broker", [False, True], ids=["in-process", "rabbitmq"])
async def test_what_only_the_next_release_hears_waits_for_it_in_order(
    kernel_db: Db, request: pytest.FixtureRequest, broker: bool
) -> None:
    """A rolling deploy: the next release has said what it hears, and has no queue yet; the old one hands on."""
    url = Secret(request.getfixturevalue("rabbit_url")) if broker else None
    rabbitmq, tasks, parcel = RabbitmqSettings(url=url, prefix=f"test-{uuid7().hex}."), Tasks(), uuid7()
    handler, seen = Handler(), list[type]()

    async def remember(_: object, event: ParcelMoved | ParcelArrived, __: object) -> None:
        seen.append(type(event))

    def delivery(*listed: Subscription) -> Delivery:
        return Delivery(kernel_db, tasks, listed, EventSettings(poll=0.05), rabbitmq)

    old = delivery(moved(handler))
    late = delivery(moved(remember), Subscription("parcel.watch", ParcelArrived, remember))
    await old.consumers.say()
    old.start()
    async with asyncio.timeout(PATIENCE):
        while old.state == "away":
            await asyncio.sleep(0.02)
        await late.consumers.say()
        await emit(kernel_db, ParcelArrived(parcel_id=parcel), ParcelMoved(parcel_id=parcel, step_number=1))
        while await states(kernel_db) != [("waiting", 0, None)] * 2:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        assert handler.seen == []
        old.bus.close()
        late.start()
        await late.bus.idle(PATIENCE)
    assert (seen, old.returned) == ([ParcelArrived, ParcelMoved], 0)
    assert await states(kernel_db) == [("done", 0, None)] * 2
    for one in (old, late):
        await one.stop(3)
    assert await tasks.stop(5) == []


async def test_an_app_says_it_before_it_serves(new_probe: NewProbe) -> None:
    async with new_probe() as probe:
        said = await probe.app.delivery.consumers.heard()
        assert {*said} >= {(one.consumer, one.event.event_type) for one in probe.plugin.subscriptions()}


async def test_over_a_broker_they_wait_in_the_inbox_too(kernel_db: Db, rabbit_url: str) -> None:
    guards, handler, tasks, parcel = Guards(IsolationSettings(), ["rogue"]), Handler(), Tasks(), uuid7()
    guards.quarantine("rogue", "because")
    broker = RabbitmqSettings(url=Secret(rabbit_url), prefix=f"test-{parcel.hex}.")
    listed = [rogue(moved(handler, "rogue.watch"))]
    delivery = Delivery(kernel_db, tasks, listed, EventSettings(poll=0.05), broker, guards)
    delivery.start()
    await emit(kernel_db, *(ParcelMoved(parcel_id=parcel, step_number=step) for step in range(3)))
    async with asyncio.timeout(PATIENCE):
        while await states(kernel_db) != [("waiting", 0, None)] * 3:
            await asyncio.sleep(0.02)
    assert handler.seen == []
    guards.follow({})
    await delivery.bus.idle(PATIENCE)
    assert [step for _, step in handler.seen] == [0, 1, 2]
    await delivery.stop(3)
    assert await tasks.stop(5) == []
