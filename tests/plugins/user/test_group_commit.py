"""Group commit without a database: what goes together, and what becomes of one when others fail."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from core.context import deadline
from core.errors import UNAVAILABLE, Problem
from core.store.db import Lost, RolledBack
from plugins.user.group_commit import LANES, MOST, STUCK, GroupCommit


class Ledger:
    """Doubles numbers. Each transaction waits until it is let go; `failures` is what the next ones raise."""

    def __init__(self) -> None:
        self.begun: list[list[int]] = []
        self.failures: dict[int, Exception] = {}
        self.alone: set[int] = set()
        """What is left untouched unless it comes alone."""
        self.until = 0.0
        self._go = asyncio.Event()

    async def together(self, numbers: Sequence[int]) -> list[int | None]:
        """One transaction."""
        self.begun.append(list(numbers))
        self.until = deadline.get()
        await self._go.wait()
        for number in numbers:
            if number in self.failures:
                raise self.failures[number]
        return [None if n in self.alone and len(numbers) > 1 else 2 * n for n in numbers]

    def go(self) -> None:
        """Let all go on."""
        self._go.set()


async def settle() -> None:
    """Let tasks come as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def ledger() -> Ledger:
    """Nothing in it."""
    return Ledger()


@pytest.fixture
def group(ledger: Ledger) -> GroupCommit[int, int]:
    """On that ledger."""
    return GroupCommit(ledger.together)


async def busy(group: GroupCommit[int, int]) -> list[asyncio.Task[int]]:
    """Callers that take all lanes, each alone."""
    tasks = []
    for number in range(LANES):
        tasks.append(asyncio.create_task(group.ask(-number - 1)))
        await asyncio.sleep(STUCK * 1.2)  # then another may begin beside it
    return tasks


async def answers(*tasks: asyncio.Task[int]) -> list[int | BaseException]:
    """What each got, in their order."""
    return await asyncio.gather(*tasks, return_exceptions=True)


def asking(group: GroupCommit[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    """Callers at once."""
    return [asyncio.create_task(group.ask(number)) for number in numbers]


async def test_the_first_goes_at_once_and_who_comes_meanwhile_goes_together(
    ledger: Ledger, group: GroupCommit[int, int]
) -> None:
    first = await busy(group)
    assert ledger.begun == [[-1], [-2]]
    rest = asking(group, 1, 2, 3)
    await settle()
    assert len(ledger.begun) == LANES, "no lane is free"
    ledger.go()
    assert await answers(*first, *rest) == [-2, -4, 2, 4, 6]
    assert ledger.begun == [[-1], [-2], [1, 2, 3]]


async def test_nothing_begins_beside_a_transaction_that_is_not_stuck(
    ledger: Ledger, group: GroupCommit[int, int]
) -> None:
    first = asking(group, 1)
    await settle()
    rest = asking(group, 2)
    await settle()
    assert ledger.begun == [[1]]
    ledger.go()
    assert await answers(*first, *rest) == [2, 4]


async def test_a_transaction_has_its_bound(ledger: Ledger, group: GroupCommit[int, int]) -> None:
    many = asking(group, *range(2 * MOST + 1))
    await settle()
    ledger.go()
    assert await answers(*many) == [2 * n for n in range(2 * MOST + 1)]
    assert [len(numbers) for numbers in ledger.begun] == [MOST, MOST, 1]


async def test_who_gave_up_before_has_no_part_in_it(ledger: Ledger, group: GroupCommit[int, int]) -> None:
    first, rest = await busy(group), asking(group, 1, 2)
    await settle()
    rest[0].cancel()
    await settle()
    ledger.go()
    assert (await answers(*first, *rest))[-1] == 4
    assert ledger.begun[-1] == [2]


async def test_who_gives_up_amid_it_takes_nothing_from_the_others(ledger: Ledger, group: GroupCommit[int, int]) -> None:
    tasks = asking(group, 1, 2)
    await settle()
    tasks[0].cancel()
    assert isinstance((await answers(tasks[0]))[0], asyncio.CancelledError), "nobody waits for the lane"
    ledger.go()
    assert await answers(tasks[1]) == [4]
    assert ledger.begun == [[1, 2]]


@pytest.mark.parametrize("error", [RolledBack(UNAVAILABLE), ValueError("a bad value")], ids=["undone", "refused"])
async def test_who_spoils_a_transaction_spoils_only_their_own(
    ledger: Ledger, group: GroupCommit[int, int], error: Exception
) -> None:
    ledger.failures[2] = error
    ledger.go()
    assert await answers(*asking(group, 1, 2, 3)) == [2, error, 6]
    assert ledger.begun == [[1, 2, 3], [1], [2], [3]]


async def test_what_is_undone_alone_is_not_tried_again(ledger: Ledger, group: GroupCommit[int, int]) -> None:
    ledger.failures[1] = RolledBack(UNAVAILABLE)
    ledger.go()
    with pytest.raises(RolledBack):
        await group.ask(1)
    assert ledger.begun == [[1]]


@pytest.mark.parametrize("error", [Lost(UNAVAILABLE), Problem(UNAVAILABLE)], ids=["lost", "late"])
async def test_what_may_have_been_done_is_not_done_again(
    ledger: Ledger, group: GroupCommit[int, int], error: Problem
) -> None:
    ledger.failures[2] = error
    leaver, *others = asking(group, 1, 2, 3)
    await settle()
    leaver.cancel()
    ledger.go()
    assert (await answers(leaver, *others))[1:] == [error, error]
    assert ledger.begun == [[1, 2, 3]]


async def test_what_was_left_untouched_gets_a_transaction_of_its_own(
    ledger: Ledger, group: GroupCommit[int, int]
) -> None:
    ledger.alone.add(2)
    ledger.go()
    assert await answers(*asking(group, 1, 2, 3)) == [2, 4, 6]
    assert ledger.begun == [[1, 2, 3], [2]]


async def test_the_most_patient_sets_the_deadline(ledger: Ledger, group: GroupCommit[int, int]) -> None:
    now = time.monotonic()

    async def patient(number: int, seconds: float) -> int:
        deadline.set(now + seconds)
        return await group.ask(number)

    ledger.go()
    await asyncio.gather(patient(1, 2), patient(2, 4), patient(3, 1))
    assert (ledger.begun, ledger.until) == ([[1, 2, 3]], now + 4)
    assert deadline.get() == float("inf"), "nobody else's"
