"""A PostgreSQL of our own that hangs, dies, fills up and changes its mind, and what callers see of it."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.resilience.breaker import State
from core.resilience.rank import Rank, rank
from core.store.db import Db, NotReached
from tests.core.store.primary import BUSY, INSERT, TABLE, Primary, seconds, serving, unavailable, until, works


@pytest.fixture(scope="module")
def primary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    folder = Path(f"/tmp/vk-{os.getpid()}-{time.monotonic_ns()}")
    folder.mkdir(mode=0o711)
    made = Primary(folder)
    made.create()
    made.start()
    yield made
    made.end()
    folder.rmdir()


@pytest.fixture
async def db(primary: Primary) -> AsyncIterator[Db]:
    async with serving(primary.url) as made:
        await made.command(TABLE)
        yield made


async def test_a_hung_server_costs_the_first_calls_a_second_and_nobody_after_them(primary: Primary, db: Db) -> None:
    held = [await db.pool.acquire(1) for _ in range(4)]
    for connection in held:
        db.pool.release(connection)
    primary.freeze()
    try:
        first = await asyncio.gather(*(seconds(db.fetchval("SELECT 1")) for _ in range(12)))
        assert all(unavailable(got) for _, got in first)
        assert max(took for took, _ in first) <= 1.0 * BUSY
        assert db.breaker.state is not State.CLOSED
        for _ in range(20):
            took, got = await seconds(db.command(INSERT, 1))
            assert isinstance(got, NotReached)
            assert took < 0.05
            await asyncio.sleep(0.05)
        assert db.pool.opened == 0
    finally:
        primary.thaw()
    assert await works(db, 2 * BUSY) <= 2 * BUSY
    assert db.breaker.state is State.CLOSED
    await until(lambda: db.pool.free == 4, 2 * BUSY)


async def test_a_transaction_in_a_server_that_hangs_ends_with_it(primary: Primary, db: Db) -> None:
    async def work() -> None:
        async with db.transaction() as tx:
            await tx.fetchval(INSERT, 5)
            primary.freeze()
            await tx.fetchval("SELECT 1")

    try:
        took, got = await seconds(work())
        assert unavailable(got)
        assert took <= 1.0 * BUSY
    finally:
        primary.thaw()
    await works(db, 2 * BUSY)
    await until(lambda: db.pool.free >= 1, 2)
    assert await db.fetchval("SELECT count(*) FROM things WHERE id = 5") == 0


async def test_one_backend_that_hangs_is_no_outage(db: Db) -> None:
    pid: int = await db.fetchval("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        late, *others = await asyncio.gather(*(seconds(db.fetchval("SELECT 1")) for _ in range(5)))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert unavailable(late[1])
    assert [got for _, got in others] == [1] * 4
    assert db.breaker.state is State.CLOSED


async def test_a_killed_server_fails_at_once_and_is_used_again_soon_after_it_is_back(primary: Primary, db: Db) -> None:
    waiting = [asyncio.ensure_future(seconds(db.fetchval("SELECT pg_sleep(5)"))) for _ in range(3)]
    await asyncio.sleep(0.1)
    primary.kill()
    try:
        assert all(unavailable(got) for _, got in await asyncio.gather(*waiting))
        await until(lambda: db.breaker.state is State.OPEN, 1 * BUSY)
        for _ in range(50):
            took, got = await seconds(db.fetchval("SELECT 1"))
            assert isinstance(got, NotReached)
            assert took < 0.05
    finally:
        primary.start()
    assert await works(db, 2 * BUSY) <= 2 * BUSY


async def test_a_read_on_a_connection_that_broke_is_asked_again(db: Db) -> None:
    asking = asyncio.ensure_future(db.fetchval("SELECT count(pg_sleep(0.3))"))
    await asyncio.sleep(0.1)
    ended = await db.fetchval(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE query LIKE '%count(pg_sleep%' AND pid <> $1",
        await db.fetchval("SELECT pg_backend_pid()"),
    )
    assert ended >= 1
    assert await asking == 1


async def test_a_connection_that_breaks_while_types_are_asked_for_is_no_error_of_ours(
    db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What asyncpg says there is AttributeError, as a soak found."""
    ask = asyncpg.Connection._introspect_types
    broken: list[object] = []

    async def breaking(connection: "asyncpg.Connection[asyncpg.Record]", *args: Any) -> Any:
        if not broken:
            broken.append(connection)
            connection.terminate()
        return await ask(connection, *args)

    await db.command("CREATE TYPE mood AS ENUM ('well')")
    await db.command("CREATE TABLE moods (mood mood)")
    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", breaking)
    assert unavailable((await seconds(db.command("INSERT INTO moods VALUES ($1)", "well")))[1])
    assert broken
    assert await db.command("INSERT INTO moods VALUES ($1) RETURNING 1 AS one", "well")
    assert await db.fetchval("SELECT count(*) FROM moods") == 1


async def test_reads_are_not_asked_again_without_end(db: Db) -> None:
    admin = await asyncpg.connect(db.pool.dsn)
    reads = [asyncio.ensure_future(seconds(db.fetchval("SELECT pg_sleep(1.2)"))) for _ in range(3)]
    for _ in range(2):
        await asyncio.sleep(0.3)
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1.2)'")
    results = await asyncio.gather(*reads)
    await admin.close()
    assert all(unavailable(got) for _, got in results)


async def test_deadlocked_transactions_are_done_all_the_same(db: Db) -> None:
    for number in (1, 2):
        await db.command(INSERT, number)
    met = asyncio.Barrier(2)
    tries = 0

    async def move(first: int, second: int) -> int:
        async def work(tx: Any) -> int:
            nonlocal tries
            tries += 1
            await tx.execute("UPDATE things SET name = name || $2 WHERE id = $1", first, "x")
            if tries <= 2:
                await met.wait()
            return int(await tx.execute("UPDATE things SET name = name || $2 WHERE id = $1", second, "x"))

        return await db.run(work)

    await db.command("ALTER SYSTEM SET deadlock_timeout = '50ms'")
    await db.command("SELECT pg_reload_conf()")
    before = await db.fetchval("SELECT sum(length(name)) FROM things WHERE id IN (1, 2)")
    assert await asyncio.gather(move(1, 2), move(2, 1)) == [1, 1]
    assert tries == 3
    assert await db.fetchval("SELECT sum(length(name)) FROM things WHERE id IN (1, 2)") == before + 4
    assert (db.breaker.state, db.breaker.counts[1]) == (State.CLOSED, 0)


async def test_a_lock_that_is_not_to_be_had_is_tried_for_three_times(primary: Primary) -> None:
    async with serving(primary.url, server={"lock_timeout": "50ms"}) as db:
        await db.command(TABLE)
        await db.command(INSERT, 1)
        admin = await asyncpg.connect(primary.url)
        await admin.execute("BEGIN; UPDATE things SET name = 'b'")
        took, got = await seconds(db.command(INSERT, 1))
        assert unavailable(got)
        assert 0.17 <= took <= 0.36 * BUSY
        letting_go = asyncio.ensure_future(asyncio.sleep(0.08))
        letting_go.add_done_callback(lambda _: asyncio.ensure_future(admin.execute("ROLLBACK")))
        assert (await seconds(db.command(INSERT, 1)))[1]["id"] == 1
        await admin.close()


async def test_a_server_that_takes_no_writes_still_answers_reads(primary: Primary, db: Db) -> None:
    admin = await asyncpg.connect(primary.url)
    await admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    await admin.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.1)
    results = [await seconds(db.command(INSERT, 1)) for _ in range(6)]
    assert all(unavailable(got) for _, got in results)
    assert db.writes.state is State.OPEN
    assert (await seconds(db.command(INSERT, 1)))[0] < 0.05
    assert await db.fetchval("SELECT 1") == 1
    assert db.breaker.state is State.CLOSED
    await admin.execute("SET default_transaction_read_only = off")
    await admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
    await admin.execute("SELECT pg_reload_conf()")
    await admin.close()
    assert await works(db, 5) <= 5


async def test_after_a_demotion_the_write_is_done_on_the_new_primary(primary: Primary, db: Db) -> None:
    """The first host goes read-only under open connections; the second is the same server, which takes writes."""
    both = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{primary.port}/postgres"
    async with serving(both) as failing:
        held = [await failing.pool.acquire(1) for _ in range(3)]
        for connection in held:
            await connection.execute("SET default_transaction_read_only = on")
            failing.pool.release(connection)
        took, got = await seconds(failing.command(INSERT, 7))
        assert got["id"] == 7
        assert took < 0.3 * BUSY
        assert all(connection.is_closed() for connection in held)


async def test_a_host_that_does_not_answer_does_not_use_up_the_time_of_the_next(primary: Primary) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:1,127.0.0.1:{primary.port}"
        async with serving(f"postgresql://postgres@{hosts}/postgres") as db:
            assert await db.fetchval("SELECT 1") == 1
            began = time.monotonic()
            (await db.pool.dial(0.8)).terminate()
            assert time.monotonic() - began < 0.14 * BUSY  # the one that served is asked first now


async def test_a_server_that_is_full_leaves_vital_work_its_connections(primary: Primary) -> None:
    async with serving(primary.url) as db:
        await until(lambda: db.pool.free == 4, 5)  # two warm ones and the reserve
        others = [await asyncpg.connect(primary.url)]
        with suppress(asyncpg.PostgresError):
            while True:
                others.append(await asyncpg.connect(primary.url))
        commons = [await db.pool.acquire(0.05) for _ in range(2)]
        refused = [await seconds(db.fetchval("SELECT 1")) for _ in range(8)]
        assert all(unavailable(got) for _, got in refused)
        assert db.breaker.state is State.CLOSED
        token = rank.set(Rank.VITAL)
        assert (await db.command(INSERT, 3) or {})["id"] == 3
        rank.reset(token)
        for common in commons:
            db.pool.release(common)
        assert await db.fetchval("SELECT 1") == 1
        for other in others:
            other.terminate()
        assert await works(db, 3 * BUSY)
