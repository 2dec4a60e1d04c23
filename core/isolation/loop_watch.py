"""Who holds up the loop: a thread looks at the stack of a main thread that does not answer (ADR 22).

The thread asks the loop for a sign of life ten times a second. While none comes it looks at what runs: the plugin found
in most of the looks is the one that holds the loop up. What runs during a mere overload is somebody else at each look.
"""

import asyncio
import logging
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs

from core.isolation.culprit import Packages, Place
from core.isolation.guards import Guards

LATE = 3.0
"""Times its pause: a thread that wakes so late was kept from running, by code that never lets go of the interpreter's
lock or, when the process used hardly any of that time, because all of it was stopped."""
BUSY = 0.2
"""The share of that time for which the process must have run: it shares its processors with others."""
MOST = 0.5
"""The share of looks in which a plugin must be found."""
log = logging.getLogger("core.isolation")


@attrs.define
class _Block:
    """One time for which the loop did not answer."""

    asked: float
    looks: int = 0
    void: bool = False
    reported: bool = False
    found: Counter[str] = attrs.field(factory=Counter)
    places: dict[str, Place] = attrs.field(factory=dict)

    def culprit(self) -> Place | None:
        """Who was found in most of the looks, and where last."""
        if self.void or not self.found:
            return None
        (plugin, times), *_ = self.found.most_common(1)
        return self.places[plugin] if times > MOST * self.looks else None


class LoopWatch:
    """One process's."""

    def __init__(
        self, packages: Packages, guards: Guards, urgent: Callable[[str, str], None] = lambda _plugin, _reason: None
    ) -> None:
        """`urgent` is called in the thread, with plugin and reason, when a block lasts: the loop may never be back."""
        self._packages, self._guards, self._urgent = packages, guards, urgent
        self._settings = guards.settings
        self._blocks: dict[str, deque[float]] = {}
        self._stop = threading.Event()
        self._pending: _Block | None = None
        self._main = 0
        guards.on_change.append(self._forget)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the loop that this runs on while the block runs."""
        loop, self._main = asyncio.get_running_loop(), threading.get_ident()
        self._stop.clear()
        thread = threading.Thread(target=self._run, args=(loop,), name="loop watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            while thread.is_alive():  # noqa: ASYNC110  it has no loop to tell, and ends at once
                await asyncio.sleep(0.001)

    # -- in the thread

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        pause = self._settings.stall
        last, used = time.monotonic(), time.process_time()
        while not self._stop.wait(pause):
            now = time.monotonic()
            late = now - last > LATE * pause
            stopped = late and time.process_time() - used < BUSY * (now - last)
            block = self._pending
            if block is None:
                self._pending = block = _Block(last if late else now)
                loop.call_soon_threadsafe(self._answered, block)
            elif not late:
                self._look(block, now)
            if late:
                block.void |= stopped
                self._look(block, now)
            pause = self._settings.stall if not block.looks else self._settings.stall / 2
            last, used = time.monotonic(), time.process_time()

    def _look(self, block: _Block, now: float) -> None:
        block.looks += 1
        place = self._packages.of_frame(sys._current_frames().get(self._main))  # noqa: SLF001  its documented name
        if place is not None:
            block.found[place.plugin] += 1
            block.places[place.plugin] = place
        if now - block.asked > self._settings.longest_block and not block.reported:
            if (culprit := block.culprit()) is None:
                return
            block.reported = True
            log.critical("plugin %s holds the loop up for %.1f s: %s", culprit.plugin, now - block.asked, culprit)
            if culprit.plugin in self._guards.optional:
                self._urgent(culprit.plugin, _reason(culprit, now - block.asked))

    # -- on the loop

    def _forget(self, plugin: str) -> None:
        self._blocks.pop(plugin, None)

    def _answered(self, block: _Block) -> None:
        self._pending = None
        seconds = time.monotonic() - block.asked
        if block.looks and seconds >= self._settings.stall and (culprit := block.culprit()) is not None:
            level = logging.WARNING if seconds >= self._settings.block else logging.INFO
            log.log(level, "plugin %s held the loop up for %.2f s: %s", culprit.plugin, seconds, culprit)
            self._judge(culprit, seconds)

    def _judge(self, culprit: Place, seconds: float) -> None:
        if seconds < self._settings.block:
            return
        now = time.monotonic()
        times = self._blocks.setdefault(culprit.plugin, deque())
        times.append(now)
        while times[0] < now - self._settings.window:
            times.popleft()
        if seconds > self._settings.longest_block:
            self._guards.quarantine(culprit.plugin, _reason(culprit, seconds))
        elif len(times) >= self._settings.blocks:
            self._guards.quarantine(culprit.plugin, f"{_reason(culprit, seconds)}, for the {len(times)}. time")


def _reason(culprit: Place, seconds: float) -> str:
    return f"held the loop up for {seconds:.2f} s: {culprit}"
