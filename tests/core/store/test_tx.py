"""A transaction and the time that it has."""

import asyncio
import os
import signal
import time

import pytest

from core.context import deadline
from core.store import tx as module
from core.store.db import Db, RolledBack
from core.types import uuid7

INSERT = "INSERT INTO kernel.operations (user_id, route, key, fingerprint) VALUES ($1, 'r', 'k', '')"


@pytest.mark.parametrize("late", [0.2, 0.31])
async def test_a_commit_that_could_not_be_awaited_is_not_sent(kernel_db: Db, late: float) -> None:
    token = deadline.set(time.monotonic() + 0.3)
    with pytest.raises(RolledBack):  # noqa: PT012  the block is the transaction
        async with kernel_db.transaction() as tx:
            await tx.execute(INSERT, uuid7())
            await asyncio.sleep(late)
    deadline.reset(token)
    assert await kernel_db.fetchval("SELECT count(*) FROM kernel.operations") == 0
    assert kernel_db.pool.free == kernel_db.pool.opened == 1


@pytest.mark.parametrize(("limit", "passed", "tells"), [(1.5, 1.55, True), (1.5, 1.7, False), (0.5, 0.5, False)])
def test_a_loop_that_stood_still_blames_no_database(limit: float, passed: float, *, tells: bool) -> None:
    assert module.tells(limit, time.monotonic() - passed) is tells


async def test_the_first_use_of_a_statement_on_a_connection_has_the_time_of_any_other(kernel_db: Db) -> None:
    async with kernel_db.transaction() as tx:
        backend = await tx.fetchval("SELECT pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(1.3, os.kill, backend, signal.SIGCONT)
        assert await tx.fetchval("SELECT 'asked here for the first time'") == "asked here for the first time"
