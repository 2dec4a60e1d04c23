import asyncio
import logging

import pytest

from core import tasks as module
from core.tasks import Tasks


async def test_a_failure_is_logged_with_the_name_of_the_task(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise ValueError("no")

    tasks = Tasks()
    tasks.spawn("the courier", fails())
    assert tasks.names == ["the courier"]
    await asyncio.sleep(0.01)
    assert tasks.names == []
    assert "the courier failed" in caplog.text
    assert caplog.records[0].name == "core.tasks"


async def test_a_loop_that_fails_or_returns_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    runs = 0
    settled = asyncio.Event()

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("no")
        if runs == 3:
            settled.set()
            await asyncio.Event().wait()

    tasks = Tasks(first_pause=0.001)
    tasks.forever("the relay", loop)
    await asyncio.wait_for(settled.wait(), 2)
    assert "the relay failed" in caplog.text
    assert "the relay returned" in caplog.text
    assert await tasks.stop(1) == []


async def test_a_loop_that_keeps_failing_is_reported_as_hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.001)
    hopeless = asyncio.Event()
    told: list[str] = []

    def on_hopeless(name: str) -> None:
        told.append(name)
        hopeless.set()

    runs = 0

    async def loop() -> None:
        nonlocal runs
        runs += 1
        raise ValueError("no")

    tasks = Tasks(on_hopeless, first_pause=0.0001)
    tasks.forever("the relay", loop)
    await asyncio.wait_for(hopeless.wait(), 2)
    await tasks.stop(1)
    assert runs >= module.MOST_RESTARTS + 1
    assert set(told) == {"the relay"}


async def test_failures_long_ago_are_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.001)
    monkeypatch.setattr(module, "CALM", 0.0)
    told: list[str] = []
    runs = 0

    async def loop() -> None:
        nonlocal runs
        runs += 1
        raise ValueError("no")

    tasks = Tasks(told.append, first_pause=0.0001)
    tasks.forever("the relay", loop)
    async with asyncio.timeout(5):
        while runs < 3 * module.MOST_RESTARTS:
            await asyncio.sleep(0.01)
    await tasks.stop(1)
    assert told == []


async def test_stopping_cancels_and_names_who_would_not_end(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def willing() -> None:
        await asyncio.Event().wait()

    tasks = Tasks()
    tasks.spawn("stubborn", stubborn())
    tasks.spawn("willing", willing())
    await asyncio.sleep(0)
    with caplog.at_level(logging.ERROR):
        assert await tasks.stop(0.05) == ["stubborn"]
    assert "not ended within 0.1 s: stubborn" in caplog.text or "not ended within 0.0 s: stubborn" in caplog.text
    release.set()
    await asyncio.sleep(0.01)
    assert tasks.names == []


async def test_nothing_is_started_once_the_tasks_are_being_stopped() -> None:
    async def work() -> None:
        raise AssertionError("never run")

    tasks = Tasks()
    assert await tasks.stop(0) == []
    with pytest.raises(RuntimeError, match="being stopped"):
        tasks.spawn("late", work())
