import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from core.store import connection as module
from core.store.db import UNREACHABLE
from core.store.pool import Connection, Pool, PoolTimeout

MakePool = Callable[..., Pool]


@pytest.fixture
async def make(kernel_url: str) -> AsyncIterator[MakePool]:
    """Makes pools of two that must be whole again at the end."""
    made: list[Pool] = []

    def one(*, size: int = 2, warm: int = 0, url: str = kernel_url) -> Pool:
        made.append(Pool(url, size=size, warm=warm, connect=2, server={"application_name": "test_pool"}))
        return made[-1]

    yield one
    for pool in made:
        assert pool.opened == pool.free, "a slot leaked"
        await pool.close()
        assert pool.opened == 0


@pytest.fixture
async def pool(make: MakePool) -> Pool:
    made = make()
    await made.open()
    return made


async def backend(connection: Connection) -> int:
    pid: int = await connection.fetchval("SELECT pg_backend_pid()")
    return pid


async def test_what_was_used_last_is_used_first(make: MakePool) -> None:
    pool = make(warm=2)
    await pool.open()
    first, second = await pool.acquire(1), await pool.acquire(1)
    pool.release(first)
    pool.release(second)
    assert await pool.acquire(1) is second
    pool.release(second)


async def test_statements_stay_prepared_under_names_of_their_own(pool: Pool) -> None:
    connection = await pool.acquire(1)
    for _ in range(3):
        for sql in ("SELECT 1", "SELECT 2"):
            await (await connection.statement(sql)).fetch()
    rows = await connection.fetch("SELECT statement FROM pg_prepared_statements WHERE name <> '' ORDER BY name")
    assert [row["statement"] for row in rows] == ["SELECT 1", "SELECT 2"]
    pool.release(connection)


async def test_more_statements_than_a_connection_keeps_are_dropped_on_the_server_too(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_HELD", 3)
    connection = await pool.acquire(1)
    for number in range(10):
        assert await (await connection.statement(f"SELECT {number}")).fetchval() == number
    assert len(connection.held) <= 3
    assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") <= 4
    pool.release(connection)


async def test_a_full_pool_refuses_in_time(pool: Pool) -> None:
    held = [await pool.acquire(1) for _ in range(2)]
    began = time.monotonic()
    with pytest.raises(PoolTimeout):
        await pool.acquire(0.05)
    assert 0.04 < time.monotonic() - began < 0.2
    assert not pool._waiting
    for connection in held:
        pool.release(connection)


async def test_who_waits_longest_is_served_first(pool: Pool) -> None:
    held = [await pool.acquire(1) for _ in range(2)]
    served: list[int] = []

    async def wait(number: int) -> None:
        connection = await pool.acquire(1)
        served.append(number)
        await asyncio.sleep(0)
        pool.release(connection)

    waiting = [asyncio.ensure_future(wait(n)) for n in range(4)]
    await asyncio.sleep(0)
    pool.release(held[0])
    await asyncio.gather(*waiting)
    assert served == [0, 1, 2, 3]
    pool.release(held[1])


async def test_the_bound_holds_when_a_slot_is_handed_on_while_somebody_new_asks(make: MakePool) -> None:
    pool = make(size=1)
    held = await pool.acquire(1)
    waiting = asyncio.ensure_future(pool.acquire(1))
    await asyncio.sleep(0)
    pool.release(held, broken=True)  # its slot is now the waiter's, who has not run yet
    newcomer = asyncio.ensure_future(pool.acquire(1))
    connection = await waiting
    assert pool.opened == 1
    pool.release(connection)
    assert await newcomer is connection
    assert pool.opened == 1
    pool.release(connection)


@pytest.mark.parametrize("broken", [True, False])
async def test_a_waiter_cancelled_in_the_moment_it_is_served_loses_nothing(make: MakePool, *, broken: bool) -> None:
    pool = make(size=1)
    held = await pool.acquire(1)
    first, second = asyncio.ensure_future(pool.acquire(1)), asyncio.ensure_future(pool.acquire(1))
    await asyncio.sleep(0)
    pool.release(held, broken=broken)
    first.cancel()
    connection = await second
    assert first.cancelled()
    assert pool.opened == 1
    pool.release(connection)


async def test_a_waiter_that_was_cancelled_is_passed_over(pool: Pool) -> None:
    held = [await pool.acquire(1) for _ in range(2)]
    gone, stays = asyncio.ensure_future(pool.acquire(1)), asyncio.ensure_future(pool.acquire(1))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    pool.release(held[0])
    assert await stays is held[0]
    for connection in held:
        pool.release(connection)


async def test_a_connection_inside_a_transaction_is_cut(pool: Pool) -> None:
    connection = await pool.acquire(1)
    await connection.execute("BEGIN")
    pool.release(connection)
    assert pool.opened == 0
    assert connection.is_closed()


async def test_a_query_that_timed_out_or_was_cancelled_leaves_no_slot_behind(pool: Pool) -> None:
    for _ in range(3):
        connection = await pool.acquire(1)
        with pytest.raises(TimeoutError):
            await connection.fetch("SELECT pg_sleep(5)", timeout=0.02)
        pool.release(connection, broken=True)
        connection = await pool.acquire(1)
        query = asyncio.ensure_future(connection.fetch("SELECT pg_sleep(5)"))
        await asyncio.sleep(0.02)
        query.cancel()
        with suppress(asyncio.CancelledError):
            await query
        pool.release(connection, broken=True)
    assert pool.opened == 0


async def test_backends_that_were_terminated_are_replaced(make: MakePool, kernel_url: str) -> None:
    pool = make(size=3, warm=3)
    await pool.open()
    admin = await asyncpg.connect(kernel_url)
    held = await pool.acquire(1)
    free = list(pool._free)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test_pool'"
        " AND datname = current_database()"
    )
    with pytest.raises(UNREACHABLE):
        await held.fetchval("SELECT 1")
    pool.release(held)
    async with asyncio.timeout(5):
        while not all(connection.is_closed() for connection in free):  # the loop must see the sockets close
            await asyncio.sleep(0.01)
    fresh = [await pool.acquire(1) for _ in range(3)]
    assert [await connection.fetchval("SELECT 1") for connection in fresh] == [1, 1, 1]
    assert pool.opened == 3
    for connection in fresh:
        pool.release(connection)
    await admin.close()


async def test_a_server_that_refuses_costs_no_slot_and_fails_who_waits(make: MakePool) -> None:
    pool = make(size=1, url="postgresql://nobody@127.0.0.1:1/nothing")
    results = await asyncio.gather(*(pool.acquire(1) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, OSError | PoolTimeout) for result in results)
    assert any(isinstance(result, OSError) for result in results)
    assert pool.opened == 0


async def test_an_open_that_fails_half_way_leaves_no_connection(
    make: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make(size=3, warm=3)
    made = 0

    async def fails_at_last(*args: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        if made == 3:
            raise OSError
        return await connect(*args, **options)

    connect = asyncpg.connect
    monkeypatch.setattr(asyncpg, "connect", fails_at_last)
    with pytest.raises(OSError):  # noqa: PT011  the platform says how
        await pool.open()
    assert pool.opened == pool.free == 0


async def test_a_connect_that_is_cancelled_frees_its_slot(make: MakePool) -> None:
    pool = make(size=1)
    connecting = asyncio.ensure_future(pool.acquire(1))
    await asyncio.sleep(0)
    connecting.cancel()
    with suppress(asyncio.CancelledError):
        await connecting
    assert pool.opened == 0
    pool.release(await pool.acquire(1))


async def test_closing_turns_away_who_waits_and_cuts_what_is_in_use(make: MakePool) -> None:
    pool = make(size=1, warm=1)
    await pool.open()
    held = await pool.acquire(1)
    waiting = asyncio.ensure_future(pool.acquire(5))
    await asyncio.sleep(0)
    await pool.close()
    with pytest.raises(PoolTimeout):
        await waiting
    with pytest.raises(PoolTimeout):
        await pool.acquire(1)
    pool.release(held)
    assert held.is_closed()
    assert pool.opened == 0


async def test_a_connection_made_while_the_pool_closes_is_cut(make: MakePool) -> None:
    pool = make(size=1)
    connecting = asyncio.ensure_future(pool.acquire(1))
    await asyncio.sleep(0)
    await pool.close()
    with pytest.raises(PoolTimeout):
        await connecting
    assert pool.opened == 0


async def test_under_cancellations_timeouts_and_kills_the_pool_stays_whole(make: MakePool, kernel_url: str) -> None:
    pool = make(size=4)
    admin = await asyncpg.connect(kernel_url)

    async def use(number: int) -> None:
        connection = await pool.acquire(0.2)
        broken = True
        try:
            assert pool.opened <= 4
            await connection.fetch("SELECT pg_sleep($1)", (number % 5) / 200, timeout=0.015)
            broken = False
        finally:
            pool.release(connection, broken=broken)

    users = []
    for number in range(300):
        users.append(asyncio.ensure_future(use(number)))
        await asyncio.sleep(0.002)
        if number % 7 == 0:
            users[number // 2].cancel()
        if number % 50 == 0:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test_pool'"
                " AND datname = current_database()"
            )
    await asyncio.gather(*users, return_exceptions=True)
    assert pool.opened == pool.free <= 4
    assert not pool._waiting
    connections = [await pool.acquire(1) for _ in range(4)]
    assert len({await backend(connection) for connection in connections}) == 4
    for connection in connections:
        pool.release(connection)
    await admin.close()
