import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import orjson
import pytest

from core.context import Cause, cause
from core.events import outbox
from core.events.outbox import OutboxRow, Relay
from core.events.record import encode
from core.store.db import Db, Tx
from core.tasks import Tasks
from core.types import uuid7
from tests.core.events.samples import ParcelArrived, ParcelMoved


class Carrier:
    """A transport that remembers; it refuses while `error` is set."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []
        self.batches = 0
        self.told = 0
        self.error: Exception | None = None
        self.pause = 0.0

    async def deliver(self, tx: Tx, batch: Sequence[OutboxRow]) -> None:
        if self.error is not None:
            raise self.error
        await asyncio.sleep(self.pause)
        self.rows += batch
        self.batches += 1

    def delivered(self) -> None:
        self.told += 1

    @property
    def steps(self) -> list[int]:
        return [orjson.loads(row.payload)["stepNumber"] for row in self.rows]


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
    carrier, one, two = Carrier(), uuid7(), uuid7()
    await emit(kernel_db, *(ParcelMoved(parcel_id=p, step_number=n) for n in range(3) for p in (one, two)))
    relay = Relay(kernel_db, carrier)
    assert [await relay.step() for _ in range(4)] == [2, 2, 2, 0]
    assert carrier.steps == [0, 0, 1, 1, 2, 2]
    assert carrier.told == 3
    assert await unpublished(kernel_db) == 0


async def test_two_relays_at_once_hand_on_each_event_once_and_in_order(kernel_db: Db) -> None:
    carrier, parcels = Carrier(), [uuid7() for _ in range(5)]
    carrier.pause = 0.005
    await emit(kernel_db, *(ParcelMoved(parcel_id=p, step_number=n) for n in range(10) for p in parcels))
    tasks = Tasks()
    for number in range(2):
        tasks.forever(f"relay {number}", Relay(kernel_db, carrier, batch=3, poll=0.02).run)
    async with asyncio.timeout(20):
        while await unpublished(kernel_db):
            await asyncio.sleep(0.02)
    await tasks.stop(2)
    assert len(carrier.rows) == len({row.event_id for row in carrier.rows}) == 50
    for parcel in parcels:
        mine = [orjson.loads(row.payload)["stepNumber"] for row in carrier.rows if row.aggregate_id == str(parcel)]
        assert mine == list(range(10))


async def test_a_batch_that_is_refused_rests_and_blocks_its_aggregate_only(
    kernel_db: Db, caplog: pytest.LogCaptureFixture
) -> None:
    carrier, parcel = Carrier(), uuid7()
    relay = Relay(kernel_db, carrier, postpone=0.2)
    await emit(kernel_db, *(ParcelMoved(parcel_id=parcel, step_number=n) for n in range(2)))
    carrier.error = ValueError("secret")
    assert await relay.step() == 0
    assert "1 events were not taken" in caplog.text
    assert await kernel_db.fetchval("SELECT last_error FROM kernel.outbox ORDER BY seq LIMIT 1") == "ValueError"
    carrier.error = None
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=7))
    assert await relay.step() == 1
    assert carrier.steps == [7]
    await asyncio.sleep(0.25)
    assert [await relay.step() for _ in range(3)] == [1, 1, 0]
    assert carrier.steps == [7, 0, 1]


async def test_a_commit_wakes_the_relay(kernel_db: Db) -> None:
    carrier, tasks = Carrier(), Tasks()
    relay = Relay(kernel_db, carrier, poll=60)
    kernel_db.on_events = relay.poke
    tasks.forever("relay", relay.run)
    await asyncio.sleep(0.1)
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    async with asyncio.timeout(1):  # RELIABILITY 4.6
        while not carrier.rows:
            await asyncio.sleep(0.01)
    await tasks.stop(1)


async def test_a_database_that_is_away_is_waited_for(kernel_db: Db, caplog: pytest.LogCaptureFixture) -> None:
    carrier, tasks = Carrier(), Tasks()
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    held = [await kernel_db.pool.acquire(1) for _ in range(kernel_db.pool.size)]
    tasks.forever("relay", Relay(kernel_db, carrier, poll=0.05).run)
    with caplog.at_level(logging.WARNING):
        await asyncio.sleep(0.6)
    assert "the database is away" in caplog.text
    for connection in held:
        kernel_db.pool.release(connection)
    async with asyncio.timeout(2):
        while not carrier.rows:
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
        "CLAIM": ("bigint", "200"),
        "PUBLISHED": ("bigint[]", "'{1,2}'"),
        "POSTPONE": ("bigint[], float8, text", "'{1,2}', 1, 'X'"),
    }
    plans = {}
    for name, (types, values) in arguments.items():
        await connection.execute(f"PREPARE {name} ({types}) AS {getattr(outbox, name)}")
        plans[name] = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE {name} ({values})"))
    await transaction.rollback()
    await connection.close()
    assert [plan for plan in plans.values() if "Seq Scan" in plan] == []
    assert "outbox_due" in plans["CLAIM"], plans["CLAIM"]
