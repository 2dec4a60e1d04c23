"""After a rush: connections that nobody needs any more are closed, and no others."""

import math
from collections.abc import AsyncIterator, Callable

import pytest

from core.store import pool as module
from core.store.pool import Pool

Span = Callable[[float], None]
NAMES = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test_shrinking'"


@pytest.fixture
async def pool(kernel_url: str) -> AsyncIterator[Pool]:
    """Six at most; one is kept warm, two are for vital work."""
    made = Pool(kernel_url, size=6, warm=1, reserve=2, connect=2, server={"application_name": "test_shrinking"})
    await made.open()
    yield made
    assert made.opened == made.free, "a slot leaked"
    await made.close()


@pytest.fixture
def span(monkeypatch: pytest.MonkeyPatch) -> Span:
    """Sets for how long a connection must have been idle."""
    return lambda seconds: monkeypatch.setattr(module, "IDLE", seconds)


async def rush(pool: Pool, count: int) -> None:
    """So many are in use at once."""
    held = [await pool.acquire(1) for _ in range(count)]
    for connection in held:
        pool.release(connection)


async def shrunk(pool: Pool, span: Span) -> int:
    """How many are open when a span of time is over and nothing more happens."""
    span(0.0)
    await pool.shrink(1)
    span(math.inf)
    for _ in range(pool.size):
        await pool.shrink(1)
    return pool.opened


async def test_what_a_rush_left_goes_but_not_what_should_be_there(pool: Pool, span: Span) -> None:
    await pool.fill(6)
    assert await shrunk(pool, span) == 6, "nobody knows yet whether they are needed"
    assert await shrunk(pool, span) == 3, "a warm one, and two for vital work"
    connection = await pool.acquire(1)
    assert await connection.fetchval(NAMES) == 3, "the server knows"
    pool.release(connection)
    await pool.fill()
    assert pool.opened == 3


async def test_what_was_needed_stays_and_what_was_used_last_too(pool: Pool, span: Span) -> None:
    await pool.fill(6)
    await shrunk(pool, span)
    newest = await pool.acquire(1)
    pool.release(newest)
    await rush(pool, 4)
    assert await shrunk(pool, span) == 4, "two were never needed"
    assert newest in pool._free
    await rush(pool, 1)
    assert await shrunk(pool, span) == 3


async def test_what_broke_meanwhile_is_no_concern(pool: Pool, span: Span) -> None:
    await pool.fill(6)
    await shrunk(pool, span)
    pool.renew()
    assert await shrunk(pool, span) == 0
    await pool.fill()
    assert await shrunk(pool, span) == 3


async def test_a_connection_that_says_no_goodbye_is_gone_all_the_same(pool: Pool, span: Span) -> None:
    await pool.fill(6)
    await shrunk(pool, span)
    for connection in pool._free:
        connection.terminate()
    assert await shrunk(pool, span) == 3
    pool.renew()
