"""Who makes the process grow."""

import asyncio
import tracemalloc
from typing import Any

import pytest

from core.isolation import memory_watch
from core.isolation.culprit import Packages
from core.isolation.guards import Guards
from core.isolation.memory_watch import MB, MemoryWatch, height
from tests.core.isolation.conftest import reason
from tests.core.isolation.rogue.plugin import keeping


@pytest.fixture
def heights(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the process's size is said to be; the last one stays."""
    said = [0]
    monkeypatch.setattr(memory_watch, "height", lambda: said.pop(0) if len(said) > 1 else said[0])
    monkeypatch.setattr(memory_watch, "STEP", 0.02)
    return said


async def grow(kept: list[Any]) -> None:
    while True:
        await asyncio.sleep(0.001)
        keeping(kept, 100_000)


def test_a_process_has_a_size() -> None:
    assert 20 * MB < height() < 10_000 * MB


async def test_who_allocates_and_keeps_is_quarantined(packages: Packages, guards: Guards, heights: list[int]) -> None:
    watch, kept = MemoryWatch(packages, guards), list[Any]()
    growing = asyncio.get_running_loop().create_task(grow(kept))
    heights[:] = [5 * MB]
    await watch.look()
    growing.cancel()
    assert "by which the process grew while watched are its own" in reason(guards)
    assert not tracemalloc.is_tracing()


async def test_a_process_that_grew_once_is_not_looked_at_again(
    packages: Packages, guards: Guards, heights: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    watch = MemoryWatch(packages, Guards(guards.settings.__class__(memory=1, memory_sample=0.1), ["rogue"]))
    heights[:] = [2 * MB]
    await watch.look()
    assert "the process grew by 2 MB" in caplog.text
    caplog.clear()
    await watch.look()
    assert caplog.text == ""


async def test_nobody_is_traced_by_two(packages: Packages, guards: Guards, heights: list[int]) -> None:
    tracemalloc.start()
    heights[:] = [2 * MB]
    try:
        await MemoryWatch(packages, guards).look()
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    assert guards.available("rogue")
