"""Deadlines of requests, kept by one clock: a timer of its own would cost each of them more than a cached answer."""

import asyncio
import time
from typing import Any

TICK = 0.02
"""Seconds between looks; nothing is looked at while no request is under way."""
Task = asyncio.Task[Any]


class Deadlines:
    """Cancels tasks that are late, at most `TICK` after their time."""

    def __init__(self) -> None:
        self._due: dict[Task, float] = {}
        self._late: set[Task] = set()
        self._ticking = False

    def begin(self, task: Task, at: float) -> None:
        """Cancel the task at `at`, on the clock of time.monotonic(), unless `end` comes first."""
        self._due[task] = at
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK, self._tick)

    def extend(self, at: float) -> None:
        """Let the current task, if its time is kept, go on until `at`."""
        task = asyncio.current_task()
        if task in self._due:
            self._due[task] = max(self._due[task], at)

    def end(self, task: Task) -> None:
        """The task needs no watching any more. Call it whatever happened."""
        self._due.pop(task, None)
        self._late.discard(task)

    def was_late(self, task: Task) -> bool:
        """Whether a cancellation that the task has just met was the deadline's alone; if so, it is taken back."""
        if task not in self._late:
            return False
        self._late.discard(task)
        return task.uncancel() == 0

    def _tick(self) -> None:
        now = time.monotonic()
        for task in [task for task, at in self._due.items() if at <= now]:
            del self._due[task]
            self._late.add(task)
            task.cancel()
        self._ticking = bool(self._due)
        if self._ticking:
            asyncio.get_running_loop().call_later(TICK, self._tick)
