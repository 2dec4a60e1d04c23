"""Who uses the loop: from time to time a signal interrupts it, and what it was at is written down (ADR 31).

The system sends the signal for each bit of processor time that the process has used (SIGPROF), never while it waits.
What the main thread has used since the last one, which is known exactly, counts for the code that is interrupted. So
single figures are rough, but right on average, and all together they are what the loop has used.
"""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

import attrs

from core.http.compile import Endpoint
from core.isolation.culprit import Packages, Place
from core.observe.spent import KERNEL, MOST, OTHER

EVERY = 0.025
"""Seconds of processor time between two signals: at most forty a second."""
SERVE = Endpoint.serve.__code__
NAMELESS = "Task-"
"""How asyncio begins the name of a task that was given none."""


@attrs.frozen
class Work:
    """What the loop was seen at."""

    plugin: str
    """Whose the innermost code is, else whose route is served."""
    what: str
    """The route's name, else the task's; empty for what is neither."""
    place: Place | None
    """The innermost line of a plugin."""


class Sampler:
    """One process's."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        self._seconds: dict[tuple[str, str], float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._used = 0.0

    @contextmanager
    def sampling(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Add up while the block runs, on the loop's own thread. Elsewhere than in the main thread nothing is seen."""
        self._loop, self._used = loop, time.thread_time()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGPROF, self._interrupted)
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _interrupted(self, _signal: int, frame: FrameType | None) -> None:
        with suppress(Exception):  # it would be raised in the middle of whatever was interrupted
            used = time.thread_time()
            work = self.at_work(frame)
            self.add(work.plugin, work.what, used - self._used)
            self._used = used

    def add(self, plugin: str, what: str, seconds: float) -> None:
        """The loop was held by it for so long."""
        key = (plugin, what)
        if key not in self._seconds and len(self._seconds) >= MOST:
            key = (plugin, OTHER)
        self._seconds[key] = self._seconds.get(key, 0.0) + seconds

    def at_work(self, frame: FrameType | None) -> Work:
        """Whose code that is, and at what."""
        place = endpoint = None
        while frame is not None and endpoint is None:
            if place is None and (plugin := self._packages.of_file(frame.f_code.co_filename)) is not None:
                place = Place.at(plugin, frame)
            if frame.f_code is SERVE:
                endpoint = frame.f_locals["self"]
            frame = frame.f_back
        if endpoint is not None:
            return Work(place.plugin if place else endpoint.plugin, endpoint.name, place)
        return Work(place.plugin if place else KERNEL, self._task(), place)

    def _task(self) -> str:
        task = asyncio.current_task(self._loop)
        name = "" if task is None else task.get_name()
        return "" if name.startswith(NAMELESS) else name

    def by_work(self) -> Mapping[tuple[str, str], float]:
        """Seconds of the loop since the start, by plugin and what it did."""
        return dict(self._seconds)


def beneath(frame: FrameType | None) -> FrameType | None:
    """What a thread is at, or was when the sampler interrupted it."""
    inner = frame
    while inner is not None:
        if inner.f_code is INTERRUPTED:
            return inner.f_back
        inner = inner.f_back
    return frame


INTERRUPTED = Sampler._interrupted.__code__  # noqa: SLF001  our own
