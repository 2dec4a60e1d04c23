import asyncio
import logging
from collections.abc import Sequence

import orjson
import pytest

from core.events.outbox import OutboxRow, OutboxRows, Report
from core.events.relay import Relay, Straight
from core.store.db import Db
from core.tasks import Tasks
from core.types import uuid7
from tests.core.events.handling import Handler, emit, moved
from tests.core.events.relaying import Broker, leased, unpublished
from tests.core.events.samples import ParcelArrived, ParcelMoved


async def test_each_step_hands_on_the_oldest_event_of_each_aggregate(kernel_db: Db) -> None:
    broker, one, two = Broker(), uuid7(), uuid7()
    await emit(kernel_db, *(ParcelMoved(parcel_id=p, step_number=n) for n in range(3) for p in (one, two)))
    relay = leased(kernel_db, broker)
    assert [await relay.step() for _ in range(4)] == [2, 2, 2, 0]
    assert broker.steps == [0, 0, 1, 1, 2, 2]
    assert await unpublished(kernel_db) == 0


async def test_without_a_broker_each_step_fills_the_inboxes(kernel_db: Db) -> None:
    parcel, told = uuid7(), list[int]()
    await emit(kernel_db, *(ParcelMoved(parcel_id=parcel, step_number=n) for n in range(2)))
    await emit(kernel_db, ParcelArrived(parcel_id=parcel))
    subscriptions = [moved(Handler(), "a"), moved(Handler(), "b")]
    relay = Relay(Straight(OutboxRows(kernel_db), subscriptions, lambda: told.append(1)))
    assert [await relay.step() for _ in range(4)] == [1, 1, 1, 0]
    assert len(told) == 3
    rows = await kernel_db.fetch("SELECT consumer, payload FROM kernel.inbox ORDER BY seq, consumer")
    assert [(row["consumer"], orjson.loads(row["payload"])["stepNumber"]) for row in rows] == [
        ("a", 0), ("b", 0), ("a", 1), ("b", 1),
    ]  # fmt: skip


async def test_two_relays_at_once_hand_on_each_event_once_and_in_order(kernel_db: Db) -> None:
    broker, parcels = Broker(), [uuid7() for _ in range(5)]
    broker.pause = 0.005
    await emit(kernel_db, *(ParcelMoved(parcel_id=p, step_number=n) for n in range(10) for p in parcels))
    tasks = Tasks()
    for number in range(2):
        tasks.forever(f"relay {number}", leased(kernel_db, broker, batch=3, poll=0.02).run)
    async with asyncio.timeout(20):
        while await unpublished(kernel_db):
            await asyncio.sleep(0.02)
    await tasks.stop(2)
    assert len(broker.rows) == len({row.event_id for row in broker.rows}) == 50
    for parcel in parcels:
        mine = [orjson.loads(row.payload)["stepNumber"] for row in broker.rows if row.aggregate_id == str(parcel)]
        assert mine == list(range(10))


async def test_no_transaction_is_open_while_the_broker_is_awaited(kernel_db: Db) -> None:
    class Looks(Broker):
        async def deliver(self, batch: Sequence[OutboxRow]) -> Report:
            assert kernel_db.pool.free == kernel_db.pool.opened
            return await super().deliver(batch)

    broker = Looks()
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    assert await leased(kernel_db, broker).step() == 1
    assert len(broker.rows) == 1


async def test_what_did_not_reach_the_broker_rests_and_blocks_its_aggregate_only(
    kernel_db: Db, caplog: pytest.LogCaptureFixture
) -> None:
    broker, parcel = Broker(), uuid7()
    relay = leased(kernel_db, broker)
    await emit(kernel_db, *(ParcelMoved(parcel_id=parcel, step_number=n) for n in range(2)))
    broker.error = ValueError("secret")
    assert await relay.step() == 1
    assert "1 events were not taken" in caplog.text
    broker.error = None
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=7))
    assert await relay.step() == 1
    assert broker.steps == [7]
    await asyncio.sleep(1.05)
    assert [await relay.step() for _ in range(3)] == [1, 1, 0]
    assert broker.steps == [7, 0, 1]
    assert await kernel_db.fetchval("SELECT max(attempts) FROM kernel.outbox") == 0


async def test_a_broker_that_is_away_costs_the_database_nothing(kernel_db: Db) -> None:
    broker, tasks = Broker(), Tasks()
    broker.open.clear()
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    tasks.forever("relay", leased(kernel_db, broker, poll=0.01).run)
    await asyncio.sleep(0.2)
    assert await kernel_db.fetchval("SELECT next_attempt_at <= now() FROM kernel.outbox")
    broker.open.set()
    async with asyncio.timeout(2):
        while not broker.rows:
            await asyncio.sleep(0.01)
    await tasks.stop(1)


async def test_a_closed_relay_claims_no_more(kernel_db: Db) -> None:
    broker = Broker()
    relay = leased(kernel_db, broker)
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    relay.close()
    assert await relay.step() == 0
    assert await unpublished(kernel_db) == 1


async def test_a_commit_wakes_the_relay(kernel_db: Db) -> None:
    broker, tasks = Broker(), Tasks()
    relay = leased(kernel_db, broker, poll=60)
    kernel_db.on_events = relay.poke
    tasks.forever("relay", relay.run)
    await asyncio.sleep(0.1)
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    async with asyncio.timeout(1):  # RELIABILITY 4.6
        while not broker.rows:
            await asyncio.sleep(0.01)
    await tasks.stop(1)


async def test_a_database_that_is_away_is_waited_for(kernel_db: Db, caplog: pytest.LogCaptureFixture) -> None:
    broker, tasks = Broker(), Tasks()
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    held = [await kernel_db.pool.acquire(1) for _ in range(kernel_db.pool.size)]
    tasks.forever("relay", leased(kernel_db, broker, poll=0.05).run)
    with caplog.at_level(logging.WARNING):
        await asyncio.sleep(0.6)
    assert "the database is away" in caplog.text
    for connection in held:
        kernel_db.pool.release(connection)
    async with asyncio.timeout(2):
        while not broker.rows:
            await asyncio.sleep(0.01)
    await tasks.stop(1)
