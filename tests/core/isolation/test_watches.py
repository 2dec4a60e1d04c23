"""All watches together, as the app starts them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.isolation import connections, memory_watch, states, task_watch, urgent
from core.isolation.connections import BoundedDb
from core.isolation.watches import Watches
from core.store.db import Db
from core.store.pool import Pool
from core.tasks import Tasks
from tests.core.isolation.conftest import changed, reason
from tests.core.isolation.eventually import until
from tests.core.isolation.rogue.plugin import Rogue, holding, keeping, sleeping, waiting


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often."""
    for module, name in ((task_watch, "EVERY"), (memory_watch, "EVERY"), (memory_watch, "STEP"), (connections, "LOOK")):
        monkeypatch.setattr(module, name, 0.02)


@pytest.fixture
async def db(kernel_db: Db) -> AsyncIterator[Db]:
    """Where nobody is put aside."""
    yield kernel_db
    async with kernel_db.transaction() as tx:
        await tx.execute("DELETE FROM kernel.plugin_states")


async def test_tasks_are_watched(db: Db) -> None:
    guards, tasks = changed(), Tasks()
    async with Watches({"rogue": Rogue()}, db, guards).watching(tasks):
        left = [asyncio.create_task(waiting()) for _ in range(30)]
        await until(lambda: not guards.available("rogue"))
        assert "30 tasks at once" in reason(guards)
        await asyncio.wait(left)
    assert await tasks.stop(1) == []


async def test_memory_is_watched(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    guards, tasks, kept = changed(), Tasks(), list[Any]()
    monkeypatch.setattr(memory_watch, "height", lambda: sum(map(len, kept)))
    async with Watches({"rogue": Rogue()}, db, guards).watching(tasks):
        while guards.available("rogue"):
            keeping(kept, 20_000)
            await asyncio.sleep(0.001)
    assert "are its own" in reason(guards)
    assert await tasks.stop(1) == []


async def test_connections_are_watched(db: Db) -> None:
    guards, tasks, done = changed(), Tasks(), asyncio.Event()
    watches = Watches({"rogue": Rogue()}, db, guards)
    view = watches.view("rogue")
    assert isinstance(view, BoundedDb)
    async with watches.watching(tasks):
        holder = asyncio.create_task(holding(view, done))
        await until(lambda: not guards.available("rogue"))
        await asyncio.wait([holder])  # its task is ended too
    assert reason(guards).endswith("in holding")
    assert await tasks.stop(1) == []


async def test_who_holds_the_loop_up_is_in_the_database_before_the_loop_is_back(db: Db) -> None:
    guards, tasks = changed(), Tasks()
    async with Watches({"rogue": Rogue()}, db, guards).watching(tasks):
        known = await states.listed(db)
        for seconds in (1.5, 3, 6, 12):  # a busy machine may need more than the first
            sleeping(seconds)
            if known := await states.listed(db):
                break
        assert "in sleeping" in known["rogue"].reason
    assert await tasks.stop(1) == []


def test_without_a_database_it_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = Pool("postgresql://nobody@127.0.0.1:1/none", size=1, warm=0, connect=0.1, server={})
    with caplog.at_level(logging.ERROR):
        urgent.quarantine(nowhere, "rogue", "because")
    assert "the quarantine of rogue could not be written" in caplog.text
