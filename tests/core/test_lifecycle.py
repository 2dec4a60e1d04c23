"""Start in order, stop in reverse, name what does not end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from core import lifecycle
from core.lifecycle import Lifecycle


def step(told: list[str], name: str, fail: str = "") -> Callable[[], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def context() -> AsyncIterator[None]:
        if fail == "start":
            raise RuntimeError(name)
        told.append(f"+{name}")
        yield
        if fail == "hang":
            await asyncio.sleep(60)
        told.append(f"-{name}")
        if fail == "stop":
            raise RuntimeError(name)

    return context


async def test_steps_are_left_in_reverse() -> None:
    told: list[str] = []
    life = Lifecycle()
    for name in "abc":
        life.add(name, step(told, name))
    await life.start()
    await life.stop()
    await life.stop()
    assert told == ["+a", "+b", "+c", "-c", "-b", "-a"]


async def test_a_failing_start_leaves_what_was_entered() -> None:
    told: list[str] = []
    life = Lifecycle()
    life.add("a", step(told, "a"))
    life.add("b", step(told, "b", "start"))
    with pytest.raises(RuntimeError, match="b"):
        await life.start()
    assert told == ["+a", "-a"]


async def test_stragglers_are_named_and_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lifecycle, "STEP_BUDGET", 0.05)
    told: list[str] = []
    life = Lifecycle()
    for name, fail in (("a", ""), ("slow one", "hang"), ("bad one", "stop")):
        life.add(name, step(told, name, fail))
    await life.start()
    with caplog.at_level(logging.ERROR):
        await life.stop()
    assert told[-1] == "-a"
    assert "stopping slow one took more than" in caplog.text
    assert "stopping bad one failed" in caplog.text


async def test_a_slow_start_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(lifecycle, "SLOW_START", -1.0)
    life = Lifecycle()
    life.add("a", step([], "a"))
    await life.start()
    await life.stop()
    assert "starting a took" in caplog.text


async def test_all_together_end_within_a_budget(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    life = Lifecycle()
    life.add("a", step(told, "a"))
    for name in ("slow one", "slow two", "slow three"):
        life.add(name, step(told, name, "hang"))
    await life.start()
    began = asyncio.get_running_loop().time()
    await life.stop(0.2)
    assert asyncio.get_running_loop().time() - began < 2.0
    assert told[-1] == "-a"
    assert caplog.text.count("left behind") == 3
