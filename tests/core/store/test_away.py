"""A database that is away or hangs: callers are told soon, and the pool is whole again when it returns."""

import asyncio
import os
import signal
import socket
import time

import pytest

from core.context import deadline
from core.errors import UNAVAILABLE, Problem
from core.store import pool as pool_module
from core.store import tx as tx_module
from core.store.db import Db, NotReached
from core.store.pool import Pool, PoolTimeout


def made(url: str, *, size: int = 2) -> Pool:
    return Pool(url, size=size, warm=0, connect=2, server={})


async def test_a_server_that_is_away_is_asked_once_a_moment_and_refused_at_once_meanwhile(
    kernel_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "PAUSE", 0.2)
    pool = made("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(ConnectionRefusedError):
        await pool.acquire(1)
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(PoolTimeout):
            await pool.acquire(1)
    assert time.monotonic() - began < 0.1
    pool.dsn = kernel_url
    await asyncio.sleep(0.25)
    pool.release(await pool.acquire(1))
    await pool.close()
    assert pool.opened == 0


async def test_a_caller_in_a_hurry_does_not_make_the_others_pause(kernel_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        pool = made(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d")
        token = deadline.set(time.monotonic() + 0.1)
        with pytest.raises(TimeoutError):
            await pool.acquire(1)
        deadline.reset(token)
    pool.dsn = kernel_url
    pool.release(await pool.acquire(1))
    await pool.close()
    assert pool.opened == 0


async def test_who_waits_while_the_server_goes_away_is_refused(kernel_url: str) -> None:
    pool = made(kernel_url, size=1)
    first = asyncio.ensure_future(pool.acquire(1))
    await asyncio.sleep(0)
    pool.dsn = "postgresql://nobody@127.0.0.1:1/none"
    held = await first
    waiting = [asyncio.ensure_future(pool.acquire(5)) for _ in range(3)]
    await asyncio.sleep(0)
    pool.release(held, broken=True)
    began = time.monotonic()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results[1:]] == [PoolTimeout, PoolTimeout]
    assert time.monotonic() - began < 1
    assert pool.opened == 0


async def test_a_server_that_stops_answering_ends_a_transaction_at_its_deadline(
    kernel_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither BEGIN nor ROLLBACK nor COMMIT may wait longer than the statement did."""
    for name in ("WRITE", "COMMIT"):
        monkeypatch.setattr(tx_module, name, 0.3)
    for halt in (0, 1, 2):
        db = Db(Pool(kernel_url, size=1, warm=0, connect=1, server={}))
        pid: int = await db.fetchval("SELECT pg_backend_pid()")
        began = time.monotonic()
        try:
            with pytest.raises(Problem) as caught:
                await work_until(db, pid, halt)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert caught.value.code is UNAVAILABLE
        assert time.monotonic() - began < 2
        assert db.pool.opened == 0


async def work_until(db: Db, pid: int, halt: int) -> None:
    """A transaction whose backend is stopped before BEGIN, before its statement, or before COMMIT."""

    def stop(now: int) -> None:
        if now == halt:
            os.kill(pid, signal.SIGSTOP)

    stop(0)
    async with db.transaction() as tx:
        stop(1)
        await tx.execute("SELECT 1")
        stop(2)


async def test_a_request_that_got_no_connection_asked_nothing() -> None:
    db = Db(Pool("postgresql://nobody@127.0.0.1:1/nothing", size=2, warm=0, connect=1, server={}))
    with pytest.raises(NotReached):
        await db.fetchval("SELECT 1")
