"""The bus under limits and outages: how much at once, stopping, backends that die, a database that is away."""

import asyncio
import logging
import re

import asyncpg
import pytest

from core.events import inbox
from core.events.bus import Bus
from core.events.inbox import InboxRows
from core.events.model import EventMeta
from core.store.db import Db, Tx
from core.tasks import Tasks
from core.types import uuid7
from tests.core.events.conftest import MakeReplica
from tests.core.events.handling import FAST, Handler, emit, moved, states
from tests.core.events.samples import ParcelMoved


async def test_no_more_handlers_run_at_once_than_allowed(kernel_db: Db, replica: MakeReplica) -> None:
    running = most = 0

    async def slow(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    each = replica([moved(slow)], concurrency=3)
    await emit(kernel_db, *(ParcelMoved(parcel_id=uuid7(), step_number=n) for n in range(12)))
    await each.bus.idle()
    assert most == 3


async def test_a_row_that_another_replica_holds_is_left_alone_and_not_asked_for_at_once(
    kernel_db: Db, replica: MakeReplica
) -> None:
    handler, busy = Handler(), asyncio.Event()

    async def holds(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        await busy.wait()

    first = replica([moved(holds)])
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    await asyncio.sleep(0.2)
    replica([moved(handler)])
    await asyncio.sleep(0.3)
    busy.set()
    await first.bus.idle()
    assert handler.seen == []


async def test_stopping_claims_no_more_and_lets_running_handlers_end(kernel_db: Db, replica: MakeReplica) -> None:
    done: list[int] = []

    async def slow(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        await asyncio.sleep(0.2)
        done.append(event.step_number)

    running = replica([moved(slow)], concurrency=1)
    await emit(kernel_db, *(ParcelMoved(parcel_id=uuid7(), step_number=n) for n in range(3)))
    await asyncio.sleep(0.1)
    running.bus.close()
    assert running.bus.busy
    await asyncio.sleep(0.3)
    assert not running.bus.busy
    assert len(done) == 1
    await asyncio.sleep(0.3)
    assert len(done) == 1


async def test_a_backend_killed_under_a_handler_costs_an_attempt_only(
    kernel_db: Db, kernel_url: str, replica: MakeReplica
) -> None:
    attempts: list[int] = []

    async def handle(tx: Tx, event: ParcelMoved, meta: EventMeta) -> None:
        attempts.append(await tx.fetchval("SELECT pg_backend_pid()"))
        if len(attempts) == 1:
            admin = await asyncpg.connect(kernel_url)
            await admin.execute("SELECT pg_terminate_backend($1)", attempts[0])
            await admin.close()
            await tx.fetchval("SELECT 1")

    running = replica([moved(handle)], delays=FAST)
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    async with asyncio.timeout(5):
        while len(attempts) < 2:
            await asyncio.sleep(0.01)
    await running.bus.idle()
    assert await states(kernel_db) == [("done", 1, None)]


async def test_a_database_that_is_away_is_waited_for(
    kernel_db: Db, replica: MakeReplica, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler()
    held = [await kernel_db.pool.acquire(1) for _ in range(kernel_db.pool.size)]
    running = replica([moved(handler)])
    with caplog.at_level(logging.WARNING):
        await asyncio.sleep(0.5)
    assert "the inbox cannot be read" in caplog.text
    for connection in held:
        kernel_db.pool.release(connection)
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    await running.bus.idle()
    assert len(handler.seen) == 1


async def test_idle_gives_up_in_time(kernel_db: Db) -> None:
    await emit(kernel_db, ParcelMoved(parcel_id=uuid7(), step_number=1))
    with pytest.raises(TimeoutError):
        await Bus(InboxRows(kernel_db), Tasks(), []).idle(0.05)


def test_one_consumer_may_not_subscribe_twice_to_a_type(kernel_db: Db) -> None:
    with pytest.raises(ValueError, match=r"parcel\.watch subscribes twice"):
        Bus(InboxRows(kernel_db), Tasks(), [moved(Handler()), moved(Handler())])


async def test_no_statement_reads_the_handled_rows(kernel_url: str) -> None:
    """With the plan that a prepared statement keeps."""
    connection = await asyncpg.connect(kernel_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        """INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata)
           SELECT gen_random_uuid(), 'parcel.moved', 1, 'parcel', (n / 5)::text, '{}', '{}'
           FROM generate_series(1, 30000) n"""
    )
    await connection.execute(
        """INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id,
               payload, metadata, occurred_at, state, finished_at)
           SELECT 'c', event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata, occurred_at,
               CASE WHEN row_number() OVER (ORDER BY seq) <= 29700 THEN 'done' ELSE 'waiting' END, now()
           FROM kernel.outbox"""
    )
    await connection.execute("ANALYZE kernel.outbox, kernel.inbox; SET LOCAL plan_cache_mode = force_generic_plan")
    one = "'c', '01890000-0000-7000-8000-000000000000'"
    arguments = {
        "DUE": ("text[], bigint, text[]", "'{c parcel.moved}', 100, '{c parcel.moved}'"),
        "CLAIM": ("text, uuid", one),
        "DONE": ("text, uuid", one),
        "FAILED": ("text, uuid, integer, text, float8", f"{one}, 0, 'X', 5"),
    }
    plans = {}
    for name, (types, values) in arguments.items():
        await connection.execute(f"PREPARE {name} ({types}) AS {getattr(inbox, name)}")
        plans[name] = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE {name} ({values})"))
    await transaction.rollback()
    await connection.close()
    assert [plan for plan in plans.values() if re.search("Seq Scan on (out|in)box", plan)] == []
    assert "inbox_due" in plans["DUE"], plans["DUE"]
