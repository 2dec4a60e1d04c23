"""Who leaves tasks behind: those whose coroutine is a plugin's are counted every few seconds."""

import asyncio
import logging
from collections import Counter, deque
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from core.isolation.culprit import Packages, Place
from core.isolation.guards import Guards
from core.observe.spent import KERNEL

EVERY = 2.0
"""Seconds between two counts."""
GROWING = 30
"""Counts in a row, each above the one before, that show a leak before the bound is reached."""
PART = 4
"""A leak is told from a busy hour by its size: this part of the bound."""
log = logging.getLogger("core.isolation")


class TaskWatch:
    """One process's."""

    def __init__(self, packages: Packages, guards: Guards) -> None:
        self._packages, self._guards = packages, guards
        self._counts: dict[str, deque[int]] = {}
        self.running: Counter[str] = Counter()
        """Tasks by plugin at the last look; requests and deliveries are the kernel's."""
        self._older: WeakSet[asyncio.Task[Any]] = WeakSet()
        """Of another app: where one process runs several, as tests do, each has its own."""
        with suppress(RuntimeError):  # nothing runs yet
            self._older.update(asyncio.all_tasks())
        guards.on_change.append(self._changed)

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(EVERY)
            self.look()

    def look(self) -> None:
        """Count once; who has too many is quarantined."""
        counts: Counter[str] = Counter()
        places: dict[str, Counter[Place]] = {}
        tasks = self._mine()
        for task in tasks:
            if (place := self._packages.of_task(task)) is not None:
                counts[place.plugin] += 1
                places.setdefault(place.plugin, Counter())[place] += 1
        self.running = counts + Counter({KERNEL: len(tasks) - counts.total()})
        for plugin in self._counts.keys() - counts.keys():
            del self._counts[plugin]
        for plugin, count in counts.items():
            if why := self._leaks(plugin, count):
                (most, _), *_ = places[plugin].most_common(1)
                self._guards.quarantine(plugin, f"{why}, most at {most}")

    def _leaks(self, plugin: str, count: int) -> str:
        known, bound = self._counts.setdefault(plugin, deque(maxlen=GROWING)), self._guards.settings.tasks
        if known and count <= known[-1]:
            known.clear()
        known.append(count)
        if count > bound:
            return f"{count} tasks at once, {bound} are allowed"
        if len(known) == GROWING and count > bound / PART:
            return f"{count} tasks, more at each of {GROWING} looks"
        return ""

    def _mine(self) -> "set[asyncio.Task[Any]]":
        return asyncio.all_tasks() - set(self._older)

    def _changed(self, plugin: str) -> None:
        """End what is left of a plugin that is put aside."""
        if self._guards.available(plugin):
            return
        left = [task for task in self._mine() if (place := self._packages.of_task(task)) and place.plugin == plugin]
        current = asyncio.current_task()
        for task in left:
            if task is not current:
                task.cancel()
        if left:
            log.warning("plugin %s is put aside: %d tasks of its own are cancelled", plugin, len(left))
