"""Tasks that a plugin leaves behind."""

import asyncio

from core.isolation.culprit import Packages
from core.isolation.guards import Guards
from core.isolation.task_watch import GROWING, TaskWatch
from tests.core.isolation.conftest import changed, reason
from tests.core.isolation.rogue.plugin import waiting


def leak(count: int) -> list["asyncio.Task[None]"]:
    return [asyncio.get_running_loop().create_task(waiting()) for _ in range(count)]


async def test_too_many_tasks_are_named_and_ended(packages: Packages, guards: Guards) -> None:
    watch, mine = TaskWatch(packages, guards), asyncio.get_running_loop().create_task(asyncio.Event().wait())
    left = leak(21)
    await asyncio.sleep(0)
    watch.look()
    assert reason(guards).startswith("21 tasks at once, 20 are allowed, most at /")
    assert reason(guards).endswith("in waiting")
    await asyncio.wait(left)
    assert all(task.cancelled() for task in left)
    assert not mine.done()
    mine.cancel()


async def test_what_ran_before_the_app_is_not_its_own(packages: Packages, guards: Guards) -> None:
    others = leak(30)
    await asyncio.sleep(0)
    watch, left = TaskWatch(packages, guards), leak(1)
    await asyncio.sleep(0)
    watch.look()
    assert watch.running["rogue"] == 1
    guards.quarantine("rogue", "for this")
    await asyncio.wait(left)
    assert not any(task.done() for task in others)
    for task in others:
        task.cancel()
    await asyncio.wait(others)


async def test_growth_at_each_look_is_a_leak_before_the_bound(packages: Packages) -> None:
    guards = changed(tasks=100)
    watch, left = TaskWatch(packages, guards), leak(5)
    for _ in range(GROWING):
        assert guards.available("rogue")
        left += leak(1)
        await asyncio.sleep(0)
        watch.look()
    assert reason(guards).startswith(f"{GROWING + 5} tasks, more at each of {GROWING} looks")
    await asyncio.wait(left)
    guards.follow({})
    watch.look()
    assert guards.available("rogue")


async def test_growth_that_paused_is_no_leak(packages: Packages) -> None:
    guards = changed(tasks=100)
    watch, left = TaskWatch(packages, guards), leak(5)
    for turn in range(GROWING + 10):
        left += leak(1) if turn != 20 else []
        await asyncio.sleep(0)
        watch.look()

    assert guards.available("rogue")
    for task in left:
        task.cancel()
    await asyncio.wait(left)


async def test_a_plugin_without_tasks_is_forgotten(packages: Packages, guards: Guards) -> None:
    watch, left = TaskWatch(packages, guards), leak(2)
    await asyncio.sleep(0)
    watch.look()
    assert list(watch._counts) == ["rogue"]
    for task in left:
        task.cancel()
    await asyncio.wait(left)
    watch.look()
    assert not watch._counts
