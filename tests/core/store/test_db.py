"""Transactions with their events, and what each way of failing looks like to a service."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Any, LiteralString

import asyncpg
import pytest

from core.context import deadline
from core.errors import IN_PROGRESS, KEY_REUSED, SESSION_EXPIRED, UNAVAILABLE, Code, Problem
from core.store import db as module
from core.store import tx as tx_module
from core.store.db import Db, Refused
from core.store.pool import Pool
from core.types import uuid7
from tests.core.events.samples import ParcelArrived, ParcelMoved

Admin = Any  # asyncpg.Connection is generic in its stubs only
REFUSE: LiteralString = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE='VK000', MESSAGE='{}', DETAIL='{}'; END $$"


@pytest.fixture
async def admin(kernel_url: str) -> AsyncIterator[Admin]:
    """A connection beside the pool, and an empty table."""
    connection = await asyncpg.connect(kernel_url)
    await connection.execute("DROP TABLE IF EXISTS things; CREATE TABLE things (id int PRIMARY KEY, name text)")
    yield connection
    await connection.close()


async def outbox(db: Db) -> list[str]:
    return [row[0] for row in await db.fetch("SELECT event_type FROM kernel.outbox ORDER BY seq")]


async def code_of(work: Awaitable[object]) -> Code:
    with pytest.raises(Problem) as caught:
        await work
    return caught.value.code


async def test_a_commit_writes_the_work_and_its_events_and_wakes_the_relay(kernel_db: Db, admin: Admin) -> None:
    woken = 0

    def wake() -> None:
        nonlocal woken
        woken += 1

    kernel_db.on_events = wake
    async with kernel_db.transaction() as tx:
        assert await tx.execute("INSERT INTO things VALUES ($1, $2)", 1, "a") == 1
        await tx.executemany("INSERT INTO things VALUES ($1, $2)", [(2, "b"), (3, "c")])
        assert await tx.execute("UPDATE things SET name = 'z' WHERE id > $1", 1) == 2
        assert await tx.execute("CREATE TEMPORARY TABLE passing (id int) ON COMMIT DROP") == 0
        assert await tx.fetchval("SELECT count(*) FROM things") == 3
        assert dict(await tx.fetchrow("SELECT id, name FROM things WHERE id = 1") or {}) == {"id": 1, "name": "a"}
        assert [row["id"] for row in await tx.fetch("SELECT id FROM things ORDER BY id")] == [1, 2, 3]
        tx.emit(ParcelMoved(parcel_id=uuid7(), step_number=1))
        tx.emit(ParcelArrived(parcel_id=uuid7()))
        assert await admin.fetchval("SELECT count(*) FROM things") == 0
        assert woken == 0
    assert await admin.fetchval("SELECT count(*) FROM things") == 3
    assert (await outbox(kernel_db), woken) == (["parcel.moved", "parcel.arrived"], 1)
    async with kernel_db.transaction() as tx:
        await tx.execute("DELETE FROM things WHERE id = 1")
    assert woken == 1


async def test_reads_come_as_rows_a_row_or_a_value(kernel_db: Db, admin: Admin) -> None:
    await admin.execute("INSERT INTO things VALUES (1, 'a'), (2, 'b')")
    assert [row["id"] for row in await kernel_db.fetch("SELECT id FROM things WHERE id >= $1 ORDER BY id", 1)] == [1, 2]
    assert (await kernel_db.fetchrow("SELECT name FROM things WHERE id = $1", 2) or {})["name"] == "b"
    assert await kernel_db.fetchrow("SELECT name FROM things WHERE id = $1", 3) is None
    assert await kernel_db.fetchval("SELECT name FROM things WHERE id = $1", 1) == "a"


async def test_a_rollback_drops_work_and_events_and_gives_the_connection_back(kernel_db: Db, admin: Admin) -> None:
    woken: list[int] = []
    kernel_db.on_events = lambda: woken.append(1)
    with pytest.raises(LookupError):  # noqa: PT012  the block is the transaction
        async with kernel_db.transaction() as tx:
            await tx.execute("INSERT INTO things VALUES (1, 'a')")
            tx.emit(ParcelArrived(parcel_id=uuid7()))
            raise LookupError("the block's own")
    assert (await outbox(kernel_db), woken) == ([], [])
    assert await admin.fetchval("SELECT count(*) FROM things") == 0
    assert (kernel_db.pool.free, kernel_db.pool.opened) == (1, 1)


async def test_what_is_done_after_the_commit_is_done_in_order_and_never_fails_it(
    kernel_db: Db, admin: Admin, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[object] = []

    async def count() -> None:
        told.append(await admin.fetchval("SELECT count(*) FROM things"))

    async def fail() -> None:
        raise ValueError("no")

    async with kernel_db.transaction() as tx:
        await tx.execute("INSERT INTO things VALUES (1, 'a')")
        for callback in (count, fail, count):
            tx.after_commit(callback)
        assert told == []
    assert told == [1, 1]
    assert "a callback after a commit failed" in caplog.text
    with suppress(LookupError):
        async with kernel_db.transaction() as tx:
            tx.after_commit(count)
            raise LookupError
    assert told == [1, 1]


@pytest.mark.parametrize(
    ("statement", "error"),
    [("SELECT 1/0", asyncpg.DivisionByZeroError), ("SELECT pg_sleep(5)", TimeoutError)],
)
async def test_a_failed_statement_cannot_be_swallowed(
    kernel_db: Db, admin: Admin, monkeypatch: pytest.MonkeyPatch, statement: LiteralString, error: type[Exception]
) -> None:
    monkeypatch.setattr(tx_module, "WRITE", 0.1)
    with pytest.raises(RuntimeError, match="went on after a failed statement"):  # noqa: PT012  the transaction's block
        async with kernel_db.transaction() as tx:
            await tx.execute("INSERT INTO things VALUES (1, 'a')")
            with pytest.raises(error):
                await tx.fetch(statement)
    assert await admin.fetchval("SELECT count(*) FROM things") == 0


async def test_our_functions_refusals_reach_the_service(kernel_db: Db) -> None:
    with pytest.raises(Refused) as caught:
        await kernel_db.command(REFUSE.format("OUT_OF_STOCK", '{"lines":[1]}'))
    assert (caught.value.reason, caught.value.detail) == ("OUT_OF_STOCK", {"lines": [1]})
    with pytest.raises(Refused) as caught:
        async with kernel_db.transaction() as tx:
            await tx.execute(REFUSE.format("GONE", ""))
    assert caught.value.detail == {}
    assert kernel_db.pool.free == kernel_db.pool.opened == 1


@pytest.mark.parametrize(
    ("reason", "code"),
    [("KEY_REUSED", KEY_REUSED), ("IN_PROGRESS", IN_PROGRESS), ("SESSION_ENDED", SESSION_EXPIRED)],
)
async def test_the_kernels_own_refusals_are_answers(kernel_db: Db, reason: LiteralString, code: Code) -> None:
    assert await code_of(kernel_db.command(REFUSE.format(reason, ""))) is code


async def test_a_command_that_emits_wakes_the_relay(kernel_db: Db, admin: Admin) -> None:
    woken: list[int] = []
    kernel_db.on_events = lambda: woken.append(1)
    insert = "INSERT INTO things VALUES ($1, 'a') RETURNING id"
    row = await kernel_db.command(insert, 7)
    assert (row and row["id"], woken) == (7, [])
    await kernel_db.command(insert, 8, emits=True)
    assert woken == [1]


async def test_several_commands_in_one_are_all_done_or_none(kernel_db: Db, admin: Admin) -> None:
    woken: list[int] = []
    kernel_db.on_events = lambda: woken.append(1)
    insert = "INSERT INTO things SELECT id, 'a' FROM unnest($1::integer[]) t(id) RETURNING id"
    assert [row["id"] for row in await kernel_db.commands(insert, [9, 10], emits=True)] == [9, 10]
    with pytest.raises(asyncpg.UniqueViolationError):
        await kernel_db.commands(insert, [11, 10], emits=True)
    assert await admin.fetchval("SELECT count(*) FROM things WHERE id > 8") == 2
    assert woken == [1]


async def test_a_wrong_statement_is_a_fault_of_ours_and_not_of_the_database(kernel_db: Db) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await kernel_db.fetch("SELECT * FROM nothing_like_it")
    assert kernel_db.pool.free == kernel_db.pool.opened == 1


async def test_a_database_that_refuses_is_unavailable_at_once() -> None:
    db = Db(Pool("postgresql://nobody@127.0.0.1:1/nothing", size=2, warm=0, connect=1, server={}))
    began = time.monotonic()
    assert await code_of(db.fetchval("SELECT 1")) is UNAVAILABLE
    assert not await db.reachable()
    assert time.monotonic() - began < 0.5


async def test_a_database_that_never_answers_costs_its_time_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pool = Pool(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d", size=2, warm=0, connect=0.2, server={})
        began = time.monotonic()
        assert await code_of(Db(pool).fetchval("SELECT 1")) is UNAVAILABLE
        assert 0.15 < time.monotonic() - began < 1
        token = deadline.set(time.monotonic() + 0.05)
        began = time.monotonic()
        assert await code_of(Db(pool).fetchval("SELECT 1")) is UNAVAILABLE
        deadline.reset(token)
        assert time.monotonic() - began < 0.15  # what is left of the deadline is less than its own time
        assert pool.opened == 0


async def test_a_full_pool_is_unavailable_in_time(kernel_db: Db) -> None:
    held = [await kernel_db.pool.acquire(1) for _ in range(kernel_db.pool.size)]
    began = time.monotonic()
    assert await code_of(kernel_db.fetchval("SELECT 1")) is UNAVAILABLE
    assert not await kernel_db.reachable()
    assert time.monotonic() - began < 1
    for connection in held:
        kernel_db.pool.release(connection)
    assert await kernel_db.reachable()


async def test_waiting_for_a_lock_ends_in_unavailable(kernel_db: Db, admin: Admin) -> None:
    await admin.execute("INSERT INTO things VALUES (1, 'a')")
    await admin.execute("BEGIN; UPDATE things SET name = 'b'")
    await kernel_db.fetchval("SELECT set_config('lock_timeout', '50ms', false)")
    with pytest.raises(Problem) as caught:
        async with kernel_db.transaction() as tx:
            await tx.execute("UPDATE things SET name = 'c' WHERE id = 1")
    assert caught.value.code is UNAVAILABLE
    await admin.execute("ROLLBACK")


async def test_a_late_statement_is_unavailable_and_its_connection_is_cut(
    kernel_db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ", 0.05)
    assert await code_of(kernel_db.fetchval("SELECT pg_sleep(5)")) is UNAVAILABLE
    assert kernel_db.pool.opened == 0


async def test_a_backend_that_was_terminated_fails_one_transaction(kernel_db: Db, admin: Admin) -> None:
    with pytest.raises(Problem) as caught:  # noqa: PT012  the block is the transaction
        async with kernel_db.transaction() as tx:
            await admin.execute("SELECT pg_terminate_backend($1)", await tx.fetchval("SELECT pg_backend_pid()"))
            await tx.fetchval("SELECT 1")
    assert caught.value.code is UNAVAILABLE
    assert kernel_db.pool.opened == 0
    assert await kernel_db.fetchval("SELECT 1") == 1


async def test_a_connection_that_takes_no_writes_is_left_and_the_command_done_on_another(
    kernel_db: Db, admin: Admin
) -> None:
    await kernel_db.fetchval("SELECT set_config('default_transaction_read_only', 'on', false)")
    row = await kernel_db.command("INSERT INTO things VALUES (1, 'a') RETURNING id")
    assert row is not None
    assert row["id"] == 1


async def test_a_plan_that_a_migration_outdated_fails_nobody(kernel_db: Db, admin: Admin) -> None:
    everything = "SELECT * FROM things"
    assert await kernel_db.fetch(everything) == []
    await admin.execute("ALTER TABLE things ADD COLUMN more int; INSERT INTO things VALUES (1, 'a', 2)")
    assert [tuple(row) for row in await kernel_db.fetch(everything)] == [(1, "a", 2)]


async def test_a_cancelled_transaction_leaves_nothing_behind(kernel_db: Db, admin: Admin) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with kernel_db.transaction() as tx:
            await tx.execute("INSERT INTO things VALUES (1, 'a')")
            begun.set()
            await tx.fetchval("SELECT pg_sleep(5)")

    working = asyncio.ensure_future(work())
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert kernel_db.pool.opened == 0
    assert await admin.fetchval("SELECT count(*) FROM things") == 0


async def test_a_connection_of_ones_own_is_given_back_unless_it_is_inside_a_transaction(kernel_db: Db) -> None:
    with pytest.raises(LookupError):
        async with kernel_db.connection():
            raise LookupError
    assert kernel_db.pool.opened == kernel_db.pool.free == 1
    with pytest.raises(LookupError):  # noqa: PT012  the block is the loan
        async with kernel_db.connection() as connection:
            await connection.execute("BEGIN")
            raise LookupError
    assert kernel_db.pool.opened == 0


async def test_a_failure_is_not_logged_with_its_values(kernel_db: Db, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(asyncpg.PostgresError):
        await kernel_db.fetch("SELECT $1::text::int", "9876543210123")
    assert "9876543210123" not in caplog.text
