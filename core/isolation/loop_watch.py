"""Who holds up the loop: a thread looks at the stack of a main thread that does not answer (ADR 22, ADR 31).

Twenty times a second the thread asks a loop that is at work for a sign of life. While none comes it looks at what runs:
the plugin found in most of the looks is the one that holds the loop up. What runs during a mere overload is somebody
else at each look. A block that lasted is written down with its stack; what it slept of it, the sampler could not see.
"""

import asyncio
import logging
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType

import attrs

from core.isolation.culprit import Packages, Place, waiting
from core.isolation.guards import Guards
from core.observe.processor import awake
from core.observe.sampler import Sampler, Work, beneath
from core.observe.slow import SlowCalls, Stack, stack_of
from core.observe.spent import KERNEL

LOOK = 0.05
"""Seconds between two looks, or less where a shorter stall counts."""
LATE = 3.0
"""Times a stall: a thread that wakes so late was kept from running, by code that never lets go of the interpreter's
lock or, when the process used hardly any of that time, because all of it was stopped."""
BUSY = 0.2
"""The share of that time for which the process must have run: it shares its processors with others."""
MOST = 0.5
"""The share of looks in which a plugin must be found."""
STACKS = 200
"""Kept of one block."""
log = logging.getLogger("core.isolation")


@attrs.define
class _Block:
    """One time for which the loop did not answer."""

    asked: float
    ran: float
    """Processor time of the process by then."""
    looks: int = 0
    void: bool = False
    reported: bool = False
    found: Counter[str] = attrs.field(factory=Counter)
    places: dict[str, Place] = attrs.field(factory=dict)
    stacks: Counter[tuple[str, str, Stack]] = attrs.field(factory=Counter)
    """By plugin and what it did."""
    slept: float = 0.0
    """Seconds, since the first look, in which the thread waited for something else than a processor."""
    _last: tuple[float, float] | None = None

    def saw(self, work: Work, stack: Stack) -> None:
        """Somebody was at work."""
        if work.place is not None:
            self.found[work.place.plugin] += 1
            self.places[work.place.plugin] = work.place
        if len(self.stacks) < STACKS:
            self.stacks[work.plugin, work.what, stack] += 1

    def measure(self, now: float, awake: float | None) -> None:
        """How much of its time it slept, as far as the system tells."""
        if self._last is not None and awake is not None:
            passed, worked = now - self._last[0], awake - self._last[1]
            self.slept += passed - worked if worked < passed / 2 else 0.0  # less is spent on the interpreter's lock
        self._last = None if awake is None else (now, awake)

    def culprit(self) -> Place | None:
        """Who was found in most of the looks, and where last."""
        if self.void or not self.found:
            return None
        (plugin, times), *_ = self.found.most_common(1)
        return self.places[plugin] if times > MOST * self.looks else None

    def worst(self) -> tuple[str, str, Stack] | None:
        """Whose it was and at what; the kernel's at nothing when nobody was at it in most of the looks."""
        if self.void or not self.stacks:
            return None
        times = Counter[str]()
        for (plugin, _, _), seen in self.stacks.items():
            times[plugin] += seen
        (most, looks), *_ = times.most_common(1)
        plugin, what, stack = next(one for one, _ in self.stacks.most_common() if one[0] == most)
        return (plugin, what, stack) if looks > MOST * self.looks else (KERNEL, "", stack)


class LoopWatch:
    """One process's."""

    def __init__(
        self, packages: Packages, guards: Guards, urgent: Callable[[str, str], None] = lambda _plugin, _reason: None
    ) -> None:
        """`urgent` is called in the thread, with plugin and reason, when a block lasts: the loop may never be back."""
        self._guards, self._urgent = guards, urgent
        self._settings = guards.settings
        self.sampler, self.slow = Sampler(packages), SlowCalls()
        self._blocks: dict[str, deque[float]] = {}
        self._stop = threading.Event()
        self._pending: _Block | None = None
        self._main = self._native = 0
        guards.on_change.append(self._forget)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch the loop that this runs on while the block runs."""
        loop = asyncio.get_running_loop()
        self._main, self._native = threading.get_ident(), threading.get_native_id()
        self._stop.clear()
        thread = threading.Thread(target=self._run, args=(loop,), name="loop watch", daemon=True)
        with self.sampler.sampling(loop):
            thread.start()  # it asks the sampler
            try:
                yield
            finally:
                self._stop.set()
                while thread.is_alive():  # noqa: ASYNC110  it has no loop to tell, and ends at once
                    await asyncio.sleep(0.001)

    # -- in the thread

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        stall = self._settings.stall
        last, ran = time.monotonic(), time.process_time()
        while not self._stop.wait(min(LOOK, stall)):
            asked, late = time.monotonic(), time.monotonic() - last > LATE * stall
            try:
                self._once(loop, last if late else asked, ran if late else time.process_time(), late=late)
            except Exception:  # else nobody would ever look again
                log.exception("the loop could not be looked at")
            last, ran = time.monotonic(), time.process_time()

    def _once(self, loop: asyncio.AbstractEventLoop, asked: float, ran: float, *, late: bool) -> None:
        block = self._pending
        if block is None and (late or not waiting(self._frame())):
            self._pending = new = _Block(asked, ran)
            loop.call_soon_threadsafe(self._answered, new)
            block = new if late else None
        if block is not None:
            if late:
                block.void = time.process_time() - block.ran < BUSY * (time.monotonic() - block.asked)
            self._look(block)

    def _frame(self) -> FrameType | None:
        return beneath(sys._current_frames().get(self._main))  # noqa: SLF001  its documented name

    def _look(self, block: _Block) -> None:
        frame = self._frame()
        block.looks += 1
        block.measure(time.monotonic(), awake(self._native))
        if not waiting(frame):
            block.saw(self.sampler.at_work(frame), stack_of(frame))
        seconds = time.monotonic() - block.asked
        if seconds > self._settings.longest_block and not block.reported:
            if (culprit := block.culprit()) is None:
                return
            block.reported = True
            log.critical("plugin %s holds the loop up for %.1f s: %s", culprit.plugin, seconds, culprit)
            if culprit.plugin in self._guards.optional:
                self._urgent(culprit.plugin, _reason(culprit, seconds))

    # -- on the loop

    def _forget(self, plugin: str) -> None:
        self._blocks.pop(plugin, None)

    def _answered(self, block: _Block) -> None:
        self._pending = None
        seconds = time.monotonic() - block.asked
        if seconds >= self._settings.stall and (worst := block.worst()) is not None:
            plugin, what, stack = worst
            self.slow.note(plugin, what, seconds, stack)
            self.sampler.add(plugin, what, block.slept)
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
