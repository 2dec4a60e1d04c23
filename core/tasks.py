"""Background tasks that have an owner: named, strongly referenced, their failures logged, stopped within a budget."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

log = logging.getLogger("core.tasks")

LONGEST_PAUSE = 5.0
CALM = 300.0
MOST_RESTARTS = 10
"""More restarts than this within `CALM` seconds and the process had better end (RELIABILITY 4.10)."""


class Tasks:
    """The tasks of one process. `on_hopeless` is told the name of a loop that keeps failing."""

    def __init__(self, on_hopeless: Callable[[str], None] = lambda _: None, *, first_pause: float = 0.1) -> None:
        """`first_pause` in seconds, before a loop that ended is started again: doubled each time up to 5."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_hopeless, self._first_pause = on_hopeless, first_pause
        self._stopping = False

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run it once. A failure is logged. Raises RuntimeError once the tasks are being stopped."""
        if self._stopping:
            work.close()
            raise RuntimeError(f"{name}: the tasks are being stopped")
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def forever(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Keep a loop running: it is started again, after a pause, whenever it fails or returns."""
        self.spawn(name, self._keep(name, loop))

    async def _keep(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        clock = asyncio.get_running_loop().time
        restarts: deque[float] = deque()
        while True:
            try:
                await loop()
                log.error("%s returned, but should run for ever", name)
            except Exception:
                log.exception("%s failed", name)
            now = clock()
            while restarts and restarts[0] < now - CALM:
                restarts.popleft()
            restarts.append(now)
            if len(restarts) > MOST_RESTARTS:
                log.critical("%s failed %d times in %d s", name, len(restarts), CALM)
                self._on_hopeless(name)
            pause = min(LONGEST_PAUSE, self._first_pause * 2 ** (len(restarts) - 1))
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  jitter, not a secret

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)

    @property
    def names(self) -> list[str]:
        """What runs now."""
        return sorted(task.get_name() for task in self._tasks)

    async def stop(self, budget: float) -> list[str]:
        """Cancel all and wait at most `budget` seconds; the names of those that would not end, logged too."""
        self._stopping = True
        mine = self._tasks - {asyncio.current_task()}
        for task in mine:
            task.cancel()
        late = (await asyncio.wait(mine, timeout=budget))[1] if mine else set()
        names = sorted(task.get_name() for task in late)
        if names:
            log.error("not ended within %.1f s: %s", budget, ", ".join(names))
        return names
