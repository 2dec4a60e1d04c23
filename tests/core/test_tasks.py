import asyncio
import logging
import sys
import time

import pytest

from core import tasks as module
from core.tasks import Silent, Tasks, contained, lively, no_stray


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


async def test_a_loop_that_hangs_is_started_again_and_one_that_moves_is_not(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[str] = []
    rounds = 0
    again = asyncio.Event()

    async def hangs() -> None:
        runs.append("hangs")
        if len(runs) > 2:
            again.set()
        await asyncio.Event().wait()

    async def moves() -> None:
        nonlocal rounds
        runs.append("moves")
        while True:
            rounds += 1
            await asyncio.sleep(0.02)

    tasks = Tasks(first_pause=0.001)
    tasks.forever("the hung one", hangs, silence=0.2)
    tasks.forever("the quick one", moves, silence=0.2)
    await asyncio.wait_for(again.wait(), 5)
    assert await tasks.stop(1) == []
    assert "the hung one stood still for 0.2 s: it is started again" in caplog.text
    assert runs.count("moves") == 1
    assert rounds > 5


async def test_work_that_will_not_be_cancelled_is_asked_again() -> None:
    asked = 0

    async def stubborn() -> None:
        nonlocal asked
        while asked < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked += 1
        await asyncio.Event().wait()

    with pytest.raises(Silent, match=r"stood still for 0\.02 s"):
        await lively(stubborn(), 0.02)
    task = asyncio.current_task()
    assert task is not None
    assert (asked, task.cancelling()) == (2, 0)


async def test_whoever_else_cancels_is_obeyed() -> None:
    async def patient() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)

    async def both() -> None:
        await lively(patient(), 0.02)

    task = asyncio.ensure_future(both())
    await asyncio.sleep(0.04)  # by now it was found silent and is on its way out
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_keeps_its_value_its_failure_and_its_own_timeouts() -> None:
    async def late() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    async def caught() -> None:
        with pytest.raises(TimeoutError):
            await late()

    with pytest.raises(TimeoutError):
        await lively(late(), 1)
    await lively(caught(), 1)


async def test_a_process_that_was_stopped_finds_nobody_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATE", 0.1)
    done = asyncio.Event()

    async def waits() -> None:
        await asyncio.sleep(0.3)
        done.set()

    work = asyncio.ensure_future(lively(waits(), 0.1))
    await asyncio.sleep(0.01)
    time.sleep(0.25)  # nobody's loop ran: the look is late
    await work
    assert done.is_set()


async def test_a_loop_that_a_library_cancels_from_within_is_started_again(caplog: pytest.LogCaptureFixture) -> None:
    given_up = asyncio.get_running_loop().create_future()
    given_up.cancel()
    again = asyncio.Event()
    runs = 0

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            await given_up
        again.set()
        await asyncio.Event().wait()

    tasks = Tasks(first_pause=0.001)
    tasks.forever("the intake", loop)
    await asyncio.wait_for(again.wait(), 2)
    assert "the intake failed" in caplog.text
    assert "Stray" in caplog.text
    assert await tasks.stop(1) == []


async def test_a_cancellation_that_was_asked_for_is_no_stray() -> None:
    async def work() -> None:
        with no_stray():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_would_end_the_process_only_fails(caplog: pytest.LogCaptureFixture) -> None:
    runs = 0
    again = asyncio.Event()

    async def once() -> None:
        sys.exit(3)

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise BaseExceptionGroup("several", [SystemExit(4)])
        again.set()
        await asyncio.Event().wait()

    tasks = Tasks(first_pause=0.001)
    tasks.spawn("the courier", once())
    tasks.forever("the relay", loop)
    await asyncio.wait_for(again.wait(), 2)
    assert "the courier failed" in caplog.text
    assert "Exited: SystemExit 3" in caplog.text
    assert "the relay failed" in caplog.text
    assert await tasks.stop(1) == []


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, GeneratorExit, ValueError])
def test_what_says_something_else_is_passed_on(error: type[BaseException]) -> None:
    with pytest.raises(error), contained:
        raise error


async def test_tasks_that_were_stopped_can_be_renewed() -> None:
    tasks, done = Tasks(), asyncio.Event()

    async def work() -> None:
        done.set()

    tasks.spawn("never begun", work())
    assert await tasks.stop(1) == []
    tasks.renew()
    assert not done.is_set()
    tasks.spawn("begun", work())
    await asyncio.wait_for(done.wait(), 2)
