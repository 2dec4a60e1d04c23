"""Group commit: what is asked for while a transaction is under way goes together in the next one (ADR 27)."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import attrs

from core.context import deadline
from core.errors import Problem
from core.store.db import RolledBack
from core.tasks import Stray, Tasks, no_stray

T = TypeVar("T")
R = TypeVar("R")
STUCK = 0.05
"""Seconds after which a transaction under way is no longer waited for: those who come later get another beside it."""
LANES = 2
"""Transactions under way at once, at most."""
MOST = 32
"""Items of one transaction: each holds its locks until all are done."""


@attrs.frozen
class _Asked(Generic[T, R]):
    item: T
    until: float
    answer: "asyncio.Future[R | None]"


class GroupCommit(Generic[T, R]):
    """Collects items while a transaction is under way. Nobody waits for company: when none is, an item goes at once."""

    def __init__(self, together: Callable[[Sequence[T]], Awaitable[Sequence[R | None]]]) -> None:
        """`together` is one transaction; it answers a result for each item, or None for one that it left untouched.

        It leaves none untouched that is its only one.
        """
        self._together, self._tasks = together, Tasks()
        self._waiting: deque[_Asked[T, R]] = deque()
        self._lanes, self._began = 0, 0.0

    async def ask(self, item: T) -> R:
        """The item's result. Raises what its transaction raised, unless that was undone: then it gets one of its own.

        Whoever is cancelled takes nothing from the others, and no part in a transaction that has not begun.
        """
        answer: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(item, deadline.get(), answer))
        if not self._lanes or (self._lanes < LANES and time.monotonic() - self._began > STUCK):
            self._lanes += 1
            self._tasks.spawn("user.group_commit", self._lane())
        result = await answer
        if result is None:
            (result,) = await self._together([item])
        assert result is not None  # noqa: S101  the only item of its transaction
        return result

    async def _lane(self) -> None:
        try:
            while asked := self._next():
                await self._run(asked)
        finally:
            self._lanes -= 1

    def _next(self) -> list[_Asked[T, R]]:
        asked: list[_Asked[T, R]] = []
        while self._waiting and len(asked) < MOST:
            one = self._waiting.popleft()
            if not one.answer.done():
                asked.append(one)
        return asked

    async def _run(self, asked: Sequence[_Asked[T, R]]) -> None:
        self._began = time.monotonic()
        deadline.set(max(one.until for one in asked))
        try:
            with no_stray():
                results = await self._together([one.item for one in asked])
        except Exception as error:  # noqa: BLE001  each caller's to deal with
            # What is no Problem was refused for one item's sake: whose, shows when each is asked by itself.
            undone = isinstance(error, RolledBack) or not isinstance(error, Problem | Stray)
            for one in asked:
                if one.answer.done():
                    continue
                if undone and len(asked) > 1:
                    one.answer.set_result(None)
                else:
                    one.answer.set_exception(error)
            return
        for one, result in zip(asked, results, strict=True):
            if not one.answer.done():
                one.answer.set_result(result)
