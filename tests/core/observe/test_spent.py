"""Database time is counted for the work that asked, and by plugin."""

import asyncio
import time

import asyncpg
import pytest

from core.isolation.guards import Guards
from core.isolation.watches import Watches
from core.observe import spent
from core.observe.spent import KERNEL, MOST, OTHER, Spending
from core.settings import IsolationSettings
from core.store.db import Db
from core.store.tx import Tx
from core.tasks import Tasks


def counted(db: Db, plugin: str, what: str) -> int:
    cost = db.spending.by_work().get((plugin, what))
    return cost.statements if cost else 0


async def test_a_read_is_counted_for_the_request_that_waits_for_it(kernel_db: Db) -> None:
    mine = spent.begin("order", "GET /orders")
    await kernel_db.fetchval("SELECT pg_sleep(0.05)")
    assert mine.statements == 1
    assert 0.05 <= mine.seconds < 5
    cost = kernel_db.spending.by_work()["order", "GET /orders"]
    assert cost.seconds >= mine.seconds - 1e-9


async def test_a_transaction_counts_begin_statements_and_commit(kernel_db: Db) -> None:
    mine = spent.begin("order", "POST /orders")
    async with kernel_db.transaction() as tx:
        await tx.fetchval("SELECT 1")
        await tx.execute("SELECT 2")
    assert mine.statements == 4


async def test_waiting_for_a_connection_is_not_database_time(kernel_db: Db) -> None:
    mine = spent.begin("order", "POST /orders")
    async with kernel_db.transaction():
        await asyncio.sleep(0.1)
    assert mine.seconds < 0.1


async def test_what_failed_was_spent_too(kernel_db: Db) -> None:
    mine = spent.begin("order", "GET /orders")
    with pytest.raises(asyncpg.PostgresError):
        await kernel_db.fetchval("SELECT 1 / 0")
    assert mine.statements == 1


async def test_work_that_nobody_named_is_the_kernels(kernel_db: Db) -> None:
    spent.current.set(None)
    before = counted(kernel_db, KERNEL, "")
    await kernel_db.fetchval("SELECT 1")
    assert counted(kernel_db, KERNEL, "") == before + 1


async def test_a_task_works_for_its_owner_or_for_whoever_set_it_off(kernel_db: Db) -> None:
    async def ask() -> None:
        await kernel_db.fetchval("SELECT 1")

    spent.begin("cart", "GET /cart")
    for tasks in (Tasks(owner="order"), Tasks()):
        tasks.spawn("refresh", ask())
        while tasks.names:
            await asyncio.sleep(0.005)
    assert counted(kernel_db, "order", "refresh") == 1
    assert counted(kernel_db, "cart", "refresh") == 1
    assert counted(kernel_db, "cart", "GET /cart") == 0


async def test_an_optional_plugins_statements_are_its_own_whoever_calls_it(kernel_db: Db) -> None:
    guards = Guards(IsolationSettings(), ["gifts"])
    view = Watches({}, kernel_db, guards).view("gifts")
    mine = spent.begin("order", "POST /orders")
    await view.fetchval("SELECT 1")
    async with view.transaction() as tx:
        assert isinstance(tx, Tx)
    assert mine.statements == 3
    assert counted(kernel_db, "gifts", "POST /orders") == 3
    assert counted(kernel_db, "order", "POST /orders") == 0


def test_work_with_ever_new_names_is_counted_together() -> None:
    spending = Spending()
    for number in range(MOST + 5):
        spent.begin("gifts", f"gift {number}")
        spending.add(time.monotonic())
    sums = spending.by_work()
    assert len(sums) == MOST + 1
    assert sums["gifts", OTHER].statements == 5
