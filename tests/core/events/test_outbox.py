import logging

import asyncpg
import pytest

from core.events import outbox
from core.events.outbox import OutboxRows
from core.store.db import Db
from core.types import uuid7
from tests.core.events.handling import emit
from tests.core.events.relaying import Broker, leased
from tests.core.events.samples import ParcelMoved


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


async def test_the_oldest_event_has_an_age(kernel_db: Db) -> None:
    rows = OutboxRows(kernel_db)
    assert await rows.oldest() == 0
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    async with kernel_db.transaction() as tx:
        await tx.execute("UPDATE kernel.outbox SET occurred_at = now() - interval '61 s'")
    assert 61 <= await rows.oldest() < 70


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
    assert [plan for plan in plans.values() if "Seq Scan on outbox" in plan] == []
    for name in ("HAND_OVER", "CLAIM"):
        assert "outbox_due" in plans[name], plans[name]
