"""Events of a plugin that is put aside wait, untouched and in order."""

import attrs

from core.events.model import EventMeta
from core.events.subscription import Subscription
from core.isolation.guards import Guards
from core.settings import IsolationSettings
from core.store.db import Db, Tx
from core.types import uuid7
from tests.core.events.conftest import MakeReplica
from tests.core.events.handling import Handler, emit, moved, states
from tests.core.events.samples import ParcelMoved
from tests.core.isolation.eventually import until


def rogue(subscription: Subscription) -> Subscription:
    return attrs.evolve(subscription, plugin="rogue")


def new_guards(failures: int = 5) -> Guards:
    return Guards(IsolationSettings(failures=failures), ["rogue"])


async def test_events_wait_while_their_plugin_is_put_aside_and_others_go_on(
    kernel_db: Db, replica: MakeReplica
) -> None:
    waiting, other, parcel, guards = Handler(), Handler(), uuid7(), new_guards()
    guards.quarantine("rogue", "because")
    running = replica([rogue(moved(waiting, "rogue.watch")), moved(other)], guards=guards)
    await emit(kernel_db, *(ParcelMoved(parcel_id=parcel, step_number=n) for n in range(5)))
    await running.bus.idle()
    assert len(other.seen) == 5
    assert waiting.seen == []
    guards.follow({})
    await running.bus.idle()
    assert [step for _, step in waiting.seen] == list(range(5))
    assert set(await states(kernel_db)) == {("done", 0, None)}


async def test_a_handler_that_keeps_failing_is_put_aside_and_uses_no_attempt_up_from_then_on(
    kernel_db: Db, replica: MakeReplica
) -> None:
    handler, guards = Handler(failures=3), new_guards(failures=3)
    running = replica([rogue(moved(handler))], guards=guards, concurrency=1, delays=(0.01,) * 5)
    await emit(kernel_db, *(ParcelMoved(parcel_id=uuid7(), step_number=n) for n in range(6)))
    await until(lambda: not guards.available("rogue"))
    await running.bus.idle()
    assert guards.aside["rogue"].reason == "parcel.watch: ValueError, 3 failures in a row"
    assert len(handler.seen) == 3
    rows = await states(kernel_db)
    assert [state for state, _, _ in rows] == ["waiting"] * 6
    assert sum(attempts for _, attempts, _ in rows) == 2  # the third put it aside: its row is as it was
    guards.follow({})
    await running.bus.idle()
    assert [state for state, _, _ in await states(kernel_db)] == ["done"] * 6


async def test_an_event_that_was_claimed_just_before_waits_too(kernel_db: Db, replica: MakeReplica) -> None:
    guards, seen = new_guards(), []

    async def first(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        seen.append(event.step_number)
        guards.quarantine("rogue", "because")

    running = replica([rogue(moved(first))], guards=guards, concurrency=1)
    await emit(kernel_db, *(ParcelMoved(parcel_id=uuid7(), step_number=n) for n in range(3)))
    await until(lambda: bool(seen))
    await running.bus.idle()
    assert seen == [0]
    assert [(state, attempts) for state, attempts, _ in await states(kernel_db)] == [
        ("done", 0),
        ("waiting", 0),
        ("waiting", 0),
    ]
