"""A plugin's part of the pool."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from core.errors import UNAVAILABLE, Problem
from core.isolation.connections import BoundedDb, ConnectionWatch
from core.isolation.culprit import Packages
from core.isolation.guards import Guards
from core.store.db import Db
from tests.core.isolation.conftest import changed, reason
from tests.core.isolation.eventually import until
from tests.core.isolation.rogue.plugin import holding


@pytest.fixture
def view(kernel_db: Db) -> BoundedDb:
    """Of two connections."""
    return BoundedDb(kernel_db, "rogue", changed(connections=2))


async def test_it_does_what_the_database_does(kernel_db: Db, view: BoundedDb) -> None:
    woken: list[int] = []
    kernel_db.on_events = lambda: woken.append(1)
    assert await view.fetchval("SELECT 1") == 1
    async with view.transaction() as tx:
        assert await tx.fetchval("SELECT 2") == 2
    view.on_events()
    assert woken == [1]
    await view.close()
    assert await kernel_db.reachable()
    assert view.pool.size == kernel_db.pool.size


async def test_one_plugin_takes_no_more_than_its_part(kernel_db: Db, view: BoundedDb) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(view.connection())
        with pytest.raises(Problem) as refused:
            await view.fetchval("SELECT 1")
        assert refused.value.code is UNAVAILABLE
        assert await kernel_db.fetchval("SELECT 1") == 1
    assert await view.fetchval("SELECT 1") == 1


async def test_waiting_in_vain_is_load_and_not_misbehaviour(kernel_db: Db) -> None:
    guards = changed(connections=1, failures=1)
    view = BoundedDb(kernel_db, "rogue", guards)
    async with view.connection():
        for _ in range(3):
            with pytest.raises(Problem):
                await guards.call("rogue", "GET /rogue", view.fetchval, "SELECT 1")
    assert guards.available("rogue")


async def test_who_waits_gets_the_next_place(view: BoundedDb) -> None:
    view._acquire = 5
    answers = await asyncio.gather(*(view.fetchval("SELECT pg_sleep(0.01) IS NULL") for _ in range(20)))
    assert answers == [False] * 20
    assert view.part._inside == 0


async def test_who_gave_up_takes_no_place(view: BoundedDb) -> None:
    view._acquire = 5
    done = asyncio.Event()
    holders = [asyncio.create_task(holding(view, done)) for _ in range(2)]
    await until(lambda: view.part._inside == 2)
    gone = [asyncio.create_task(view.fetchval("SELECT 1")) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in gone:
        task.cancel()
    done.set()
    await asyncio.wait([*holders, *gone])
    assert view.part._inside == 0
    assert await view.fetchval("SELECT 1") == 1


async def test_a_place_that_came_too_late_is_passed_on(view: BoundedDb) -> None:
    view._acquire = 5
    done = asyncio.Event()
    holders = [asyncio.create_task(holding(view, done)) for _ in range(2)]
    await until(lambda: view.part._inside == 2)
    late = asyncio.create_task(view.fetchval("SELECT 1"))
    await asyncio.sleep(0.01)
    view.part._line[0].set_result(None)  # given and cancelled in one turn of the loop
    view.part._inside += 1
    late.cancel()
    await asyncio.wait([late])
    done.set()
    await asyncio.wait(holders)
    assert view.part._inside == 0


async def test_a_connection_that_cannot_be_had_leaves_its_place(kernel_db: Db, view: BoundedDb) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(kernel_db.pool.size):
            await stack.enter_async_context(kernel_db.connection())
        with pytest.raises(Problem):
            await view.fetchval("SELECT 1")
    assert view.part._inside == 0


async def test_who_holds_one_for_too_long_is_named_and_loses_it(
    kernel_db: Db, packages: Packages, guards: Guards
) -> None:
    view, watch, done = BoundedDb(kernel_db, "rogue", guards), ConnectionWatch(packages, guards), asyncio.Event()
    watch.parts.append(view.part)
    holder = asyncio.create_task(holding(view, done))
    await until(lambda: view.part._inside == 1)
    watch.look()
    assert guards.available("rogue")
    await asyncio.sleep(0.06)
    watch.look()
    assert reason(guards).startswith("held a connection for 0 s: /")
    assert reason(guards).endswith("in holding")
    assert view.part._inside == 0
    assert kernel_db.pool.opened == kernel_db.pool.free
    done.set()
    await holder
    assert kernel_db.pool.opened == kernel_db.pool.free
