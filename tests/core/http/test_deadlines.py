"""One clock for the deadlines of all requests: late ones are cancelled, and a cancellation by others stays one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from core.context import AFTER, deadline, prolong
from core.errors import Problem
from core.http.deadlines import TICK, Deadlines
from core.store.db import Db


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


async def command(db: Db) -> None:
    await db.command("SELECT 1")


async def transaction(db: Db) -> None:
    async with db.transaction() as tx:
        await tx.fetchval("SELECT 1")


async def undone(db: Db) -> None:
    with pytest.raises(LookupError):
        async with db.transaction():
            raise LookupError


async def followed(work: Callable[[Db], Awaitable[None]], db: Db, more: float) -> str:
    """What becomes of a request that has 0.3 s for `work` and what follows it."""
    deadlines, until = Deadlines(), time.monotonic() + 0.3
    task = asyncio.current_task()
    assert task is not None
    deadline.set(until)
    prolong.set(deadlines.extend)
    deadlines.begin(task, until)
    try:
        await work(db)
        await asyncio.sleep(more)
    except asyncio.CancelledError:
        if deadlines.was_late(task):
            return "late"
        raise
    finally:
        deadlines.end(task)
    return "done"


@pytest.mark.parametrize(("work", "said"), [(command, "done"), (transaction, "done"), (undone, "late")])
async def test_what_follows_a_commit_may_be_done_after_the_deadline(
    kernel_db: Db, work: Callable[[Db], Awaitable[None]], said: str
) -> None:
    assert await asyncio.create_task(followed(work, kernel_db, 0.5)) == said


async def test_committing_again_and_again_does_not_put_the_deadline_off_for_ever(kernel_db: Db) -> None:
    async def again_and_again(db: Db) -> None:
        while True:
            with suppress(Problem):  # in the last moments before the deadline no statement has time
                await command(db)
            await asyncio.sleep(TICK)

    began = time.monotonic()
    assert await asyncio.create_task(followed(again_and_again, kernel_db, 0)) == "late"
    assert time.monotonic() - began < 0.3 + AFTER + 0.3
