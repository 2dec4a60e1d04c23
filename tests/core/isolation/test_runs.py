"""Long work of a plugin that is put aside."""

import asyncio

import pytest

from core.isolation.guards import Guards, PutAside
from core.isolation.runs import Runs


async def test_work_under_way_ends_when_its_plugin_is_put_aside(guards: Guards) -> None:
    runs, begun = Runs(guards), asyncio.Event()

    async def work() -> None:
        async with runs.of("rogue"):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(work())
    await begun.wait()
    guards.quarantine("rogue", "because")
    with pytest.raises(PutAside):
        await task
    guards.follow({})
    async with runs.of("rogue"):
        await asyncio.sleep(0.01)
    with pytest.raises(TimeoutError):
        async with runs.of("rogue"):
            raise TimeoutError


async def test_work_that_puts_its_plugin_aside_ends_as_it_would(guards: Guards) -> None:
    runs = Runs(guards)

    async def work() -> None:
        async with runs.of("rogue"):
            guards.quarantine("rogue", "because")
            raise ValueError("itself")

    with pytest.raises(ValueError, match="itself"):
        await work()
