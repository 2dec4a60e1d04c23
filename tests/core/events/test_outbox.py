import asyncio
import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from core.context import Cause, cause
from core.events import outbox
from core.events.outbox import OutboxRow, OutboxRows, Report
from core.events.record import encode
from core.events.relay import Leased, Relay, Straight
from core.store.db import Db
from core.tasks import Tasks
from core.types import uuid7
from tests.core.events.handling import Handler, moved
from tests.core.events.samples import ParcelArrived, ParcelMoved


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


async def emit(db: Db, *events: ParcelMoved | ParcelArrived) -> None:
    async with db.transaction() as tx:
        for event in events:
            tx.emit(event)


async def unpublished(db: Db) -> int:
    left: int = await db.fetchval("SELECT count(*) FROM kernel.outbox WHERE published_at IS NULL")
    return left


def test_an_event_is_encoded_as_the_app_reads_it() -> None:
    parcel, user, because = uuid7(), uuid7(), uuid7()
    token = cause.set(Cause("request-1", user, because))
    ids, types, versions, kinds, keys, payloads, metadata = encode([ParcelMoved(parcel_id=parcel, step_number=3)])
    cause.reset(token)
    assert isinstance(ids, list)
    assert isinstance(ids[0], UUID)
    assert (types, versions, kinds, keys) == (["parcel.moved"], [1], ["parcel"], [str(parcel)])
    assert isinstance(payloads, list)
    assert orjson.loads(payloads[0]) == {"parcelId": str(parcel), "stepNumber": 3}
    assert isinstance(metadata, str)
    assert orjson.loads(metadata) == {
        "correlationId": "request-1",
        "causationId": str(because),
        "userId": str(user),
        "source": "vurksha",
    }


def test_an_event_without_a_request_gets_a_correlation_id_of_its_own() -> None:
    metadata = encode([ParcelArrived(parcel_id=uuid7())])[-1]
    assert isinstance(metadata, str)
    found = orjson.loads(metadata)
    assert set(found) == {"correlationId", "source"}
    assert UUID(found["correlationId"]).version == 7


async def test_a_transaction_that_fails_announces_nothing(kernel_db: Db) -> None:
    with pytest.raises(ValueError, match="no"):  # noqa: PT012  the block is the transaction
        async with kernel_db.transaction() as tx:
            tx.emit(ParcelArrived(parcel_id=uuid7()))
            raise ValueError("no")
    assert await unpublished(kernel_db) == 0


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


async def test_a_claimed_row_is_claimed_again_only_when_its_lease_is_over(kernel_db: Db) -> None:
    rows, parcel = OutboxRows(kernel_db), uuid7()
    await emit(kernel_db, *(ParcelMoved(parcel_id=parcel, step_number=n) for n in range(2)))
    claimed = await rows.claim(10)
    assert [row.aggregate_id for row in claimed] == [str(parcel)]
    assert await rows.claim(10) == []
    left = "SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM kernel.outbox WHERE seq = $1"
    assert 10 < await kernel_db.fetchval(left, claimed[0].seq) <= 15  # RELIABILITY 4.6
    async with kernel_db.transaction() as tx:
        await tx.execute("UPDATE kernel.outbox SET next_attempt_at = now()")
    assert await rows.claim(10) == claimed


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


async def test_an_event_refused_five_times_is_dead_and_frees_its_aggregate(
    kernel_db: Db, caplog: pytest.LogCaptureFixture
) -> None:
    broker, parcel = Broker(), uuid7()
    relay = leased(kernel_db, broker)
    await emit(kernel_db, *(ParcelMoved(parcel_id=parcel, step_number=n) for n in range(2)))
    first = await kernel_db.fetchval("SELECT event_id FROM kernel.outbox ORDER BY seq LIMIT 1")
    broker.reason = "nacked"
    for attempt in range(5):
        assert await kernel_db.fetchval("SELECT attempts FROM kernel.outbox WHERE event_id = $1", first) == attempt
        assert await relay.step() == 1
        assert await relay.step() == (attempt == 4), "not before its pause, and then the next of its aggregate"
        async with kernel_db.transaction() as tx:
            await tx.execute("UPDATE kernel.outbox SET next_attempt_at = now()")
    dead = await kernel_db.fetchrow("SELECT event_id, attempts, last_error, payload FROM kernel.outbox_dead")
    assert dead is not None
    assert (dead["event_id"], dead["attempts"], dead["last_error"]) == (first, 5, "nacked")
    alarms = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert len(alarms) == 1
    assert str(first) in alarms[0]
    broker.reason = ""
    assert await relay.step() == 1
    assert broker.steps == [1]
    again = """WITH back AS (DELETE FROM kernel.outbox_dead RETURNING *)
        INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata)
        SELECT event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata FROM back"""
    async with kernel_db.transaction() as tx:
        await tx.execute(again)
    assert await relay.step() == 1
    assert broker.rows[-1].event_id == first


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


async def test_the_oldest_event_has_an_age(kernel_db: Db) -> None:
    rows = OutboxRows(kernel_db)
    assert await rows.oldest() == 0
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    async with kernel_db.transaction() as tx:
        await tx.execute("UPDATE kernel.outbox SET occurred_at = now() - interval '61 s'")
    assert 61 <= await rows.oldest() < 70


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


async def test_no_statement_reads_the_published_rows(kernel_url: str) -> None:
    """With the plan that a prepared statement keeps."""
    connection = await asyncpg.connect(kernel_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        """INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata,
               published_at)
           SELECT gen_random_uuid(), 'parcel.moved', 1, 'parcel', (n / 5)::text, '{}', '{}',
               CASE WHEN n <= 29700 THEN now() END FROM generate_series(1, 30000) n"""
    )
    await connection.execute("ANALYZE kernel.outbox; SET LOCAL plan_cache_mode = force_generic_plan")
    arguments = {
        "HAND_OVER": ("bigint, text[], text[]", "200, '{c}', '{parcel.moved}'"),
        "CLAIM": ("bigint, float8", "200, 15"),
        "TAKEN": ("bigint[]", "'{1,2}'"),
        "UNREACHED": ("bigint[], float8", "'{1,2}', 1"),
        "REFUSED": ("bigint[], text[], integer", "'{1,2}', '{X,X}', 5"),
        "OLDEST": ("bigint", "1"),
    }
    plans = {}
    for name, (types, values) in arguments.items():
        await connection.execute(f"PREPARE {name} ({types}) AS {getattr(outbox, name)}")
        plans[name] = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE {name} ({values})"))
    await transaction.rollback()
    await connection.close()
    assert [plan for plan in plans.values() if "Seq Scan" in plan] == []
    for name in ("HAND_OVER", "CLAIM"):
        assert "outbox_due" in plans[name], plans[name]
