"""One clock for the deadlines of all requests: late ones are cancelled, and a cancellation by others stays one."""

import asyncio
import time

import pytest

from core.http.deadlines import TICK, Deadlines


async def late_or(deadlines: Deadlines, seconds: float, work: float) -> str:
    task = asyncio.current_task()
    assert task is not None
    deadlines.begin(task, time.monotonic() + seconds)
    try:
        await asyncio.sleep(work)
    except asyncio.CancelledError:
        if deadlines.was_late(task):
            return "late"
        raise
    finally:
        deadlines.end(task)
    return "done"


async def test_each_is_late_by_its_own_time() -> None:
    deadlines = Deadlines()
    found = await asyncio.gather(*(late_or(deadlines, seconds, 0.2) for seconds in (0.05, 5, 0, 5)))
    assert found == ["late", "done", "late", "done"]


async def test_what_was_late_may_go_on_and_be_late_again() -> None:
    deadlines = Deadlines()
    assert await late_or(deadlines, 0.01, 1) == "late"
    await asyncio.sleep(0)
    assert await late_or(deadlines, 5, TICK * 3) == "done"
    assert await late_or(deadlines, 0.01, 1) == "late"


async def test_a_cancellation_by_another_is_passed_on() -> None:
    deadlines = Deadlines()
    one = asyncio.create_task(late_or(deadlines, 5, 5))
    both = asyncio.create_task(late_or(deadlines, 0, 5))
    await asyncio.sleep(0)
    deadlines._tick()
    for task in (one, both):  # in the same turn of the loop as the deadline's
        task.cancel()
    for task in (one, both):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_clock_rests_while_nobody_is_under_way() -> None:
    deadlines = Deadlines()
    assert await late_or(deadlines, 5, 0) == "done"
    await asyncio.sleep(TICK * 3)
    assert not deadlines._ticking
