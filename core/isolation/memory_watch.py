"""Who makes the process grow: when its memory reaches a new height, allocations are traced for a moment (ADR 22)."""

import asyncio
import logging
import resource
import sys
from collections import Counter
from typing import TYPE_CHECKING

from core.isolation.culprit import Packages
from core.isolation.guards import Guards

if TYPE_CHECKING:
    import tracemalloc

EVERY = 2.0
"""Seconds between two looks at the process's size."""
FRAMES = 5
"""Of a trace: what a plugin calls allocates in the library's name."""
ENOUGH = 2 * 1024 * 1024
"""Bytes of growth while tracing that say who grows: it costs all others time, so no more is waited for."""
STEP = 0.25
LEAST = 512 * 1024
"""Bytes of growth while tracing, below which nobody grows."""
MB = 1024 * 1024
UNIT = 1 if sys.platform == "darwin" else 1024
log = logging.getLogger("core.isolation")


def height() -> int:
    """The largest size that this process had so far, in bytes: one system call, no file."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


class MemoryWatch:
    """One process's."""

    def __init__(self, packages: Packages, guards: Guards) -> None:
        self._packages, self._guards, self._settings = packages, guards, guards.settings
        self._base = 0

    async def run(self) -> None:
        """For ever."""
        self._base = height()
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def look(self) -> None:
        """Find out who grows if the process did."""
        now = height()
        if now - self._base < self._settings.memory * MB:
            return
        grown, self._base = (now - self._base) // MB, now
        by_plugin, total = await self._traced()
        log.warning("the process grew by %d MB; while traced by %d KB: %s", grown, total // 1024, dict(by_plugin))
        for plugin, size in by_plugin.most_common(1):
            if total >= LEAST and size >= self._settings.memory_share * total:
                reason = (
                    f"{size // 1024} KB of the {total // 1024} KB by which the process grew while watched are its own"
                )
                self._guards.quarantine(plugin, reason)
        self._base = height()

    async def _traced(self) -> tuple[Counter[str], int]:
        """Bytes by plugin, and all, that were allocated while traced and are still held."""
        import tracemalloc  # noqa: PLC0415  the start has no use for it

        if tracemalloc.is_tracing():  # somebody else is at it
            return Counter(), 0
        clock = asyncio.get_running_loop().time
        until = clock() + self._settings.memory_sample
        tracemalloc.start(FRAMES)
        try:
            while clock() < until and tracemalloc.get_traced_memory()[0] < ENOUGH:  # noqa: ASYNC110  nobody could tell
                await asyncio.sleep(STEP)
            snapshot = await asyncio.to_thread(tracemalloc.take_snapshot)
        finally:
            tracemalloc.stop()
        return await asyncio.to_thread(self._attributed, snapshot)

    def _attributed(self, snapshot: "tracemalloc.Snapshot") -> tuple[Counter[str], int]:
        by_plugin: Counter[str] = Counter()
        total = 0
        for trace in snapshot.traces:
            total += trace.size
            for frame in reversed(trace.traceback):  # the innermost is last
                if (plugin := self._packages.of_file(frame.filename)) is not None:
                    by_plugin[plugin] += trace.size
                    break
        return by_plugin, total
