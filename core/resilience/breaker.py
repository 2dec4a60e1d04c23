"""Circuit breakers, one per dependency and replica (RELIABILITY 3).

    began = breaker.enter()      # raises Open
    ...                          # the call
    breaker.succeeded(began)     # or failed(began), or ignored(began): one of the three, always

Closed, the pair costs well under a microsecond and keeps nothing per call.
"""

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import Enum

log = logging.getLogger("core.breaker")

WINDOW = 10
"""Seconds that count, in cells of one second."""
STREAK = 5
FEWEST = 10
FAILING, SLOW = 0.5, 0.8
"""It opens on `STREAK` failures in a row, or on these shares of at least `FEWEST` calls."""
SUCCESSES = 3
"""Successes, one at a time, that close it again."""
PROBE_EVERY = 0.5
"""Seconds between a dependency's background probes."""
PROBE_TRUST = 4 * PROBE_EVERY
"""Seconds for which the word of a probe that saw the outage spares calls the trial."""


class State(Enum):
    """Closed lets calls through, open refuses them, half open tries them one at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Open(Exception):
    """The dependency is not asked now."""


class Breaker:
    """A dependency's breaker. Bad input, constraint errors and cancellations are `ignored`: they say nothing of it."""

    def __init__(
        self,
        name: str,
        *,
        slow: float,
        first: float = 1.0,
        longest: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """In seconds: a call of `slow` is a slow one; it stays open for `first`, doubled each time up to `longest`."""
        self.name, self.state = name, State.CLOSED
        self._slow, self._first, self._longest = slow, first, longest
        self._clock, self._uniform = clock, uniform
        self._since = self._until = self._probed = float("-inf")
        self._turn = 0.0
        self._period = first
        self._trial: float | None = None
        self._successes = self._streak = 0
        self.seen = False
        """A probe, not only calls, saw the outage: so a probe may say that it is over."""
        self.heard = float("-inf")
        """When a call last succeeded."""
        self.trips = 0
        """How often it opened."""
        self._clear(clock())

    def enter(self) -> float:
        """The moment at which a call begins; give it back with the verdict. Raises Open."""
        now = self._clock()
        if self.state is not State.CLOSED:
            self._admit(now)
        return now

    def succeeded(self, began: float) -> None:
        """The dependency did what it was asked, or said why not."""
        now = self._clock()
        if self.state is not State.CLOSED:
            self._tried(began, now, ok=True)
            return
        if now >= self._turn:
            self._rotate(now)
        self.heard = now
        self._streak = 0
        self._cell[0] += 1
        if now - began >= self._slow:
            self._cell[2] += 1
            self._judge(now)

    def failed(self, began: float) -> None:
        """The dependency was away, late or unable."""
        now = self._clock()
        if self.state is not State.CLOSED:
            self._tried(began, now, ok=False)
        elif began >= self._since:  # else it tells of an outage that is over
            if now >= self._turn:
                self._rotate(now)
            self._streak += 1
            self._cell[0] += 1
            self._cell[1] += 1
            self._judge(now)

    def ignored(self, began: float) -> None:
        """The call says nothing of the dependency."""
        if began == self._trial:
            self._trial = None

    def probed(self, *, ok: bool) -> None:
        """What a background probe found. One that saw the outage may end it; what it cannot see only calls can try."""
        if self.state is State.CLOSED:
            return
        self._probed = now = self._clock()
        if not ok:
            self.seen = True
            if self.state is State.HALF_OPEN:
                self._open(now)
        elif self.seen:
            if self.state is State.OPEN:
                self._half_open(now)
            self._count(now)

    def trip(self, *, seen: bool = True) -> None:
        """Open at once: the dependency is known to be away. `seen`: a probe knows, and so may say when that is over."""
        now = self._clock()
        if seen:
            self.seen, self._probed = True, now
        if self.state is not State.OPEN:
            self._open(now)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Calls, failed ones and slow ones within the window."""
        now = self._clock()
        if now >= self._turn:
            self._rotate(now)
        calls, failed, slow = map(sum, zip(*self._cells, strict=True))
        return calls, failed, slow

    @property
    def retry_in(self) -> float:
        """Seconds until calls are tried again, if it is open."""
        return max(0.0, self._until - self._clock()) if self.state is State.OPEN else 0.0

    def _admit(self, now: float) -> None:
        if self.state is State.OPEN:
            if now < self._until or (self.seen and now - self._probed < PROBE_TRUST):
                raise Open(self.name)
            self._half_open(now)
        elif self._trial is not None and now - self._trial < self._longest:  # a verdict that never came must not bar it
            raise Open(self.name)
        self._trial = now

    def _tried(self, began: float, now: float, *, ok: bool) -> None:
        """The verdict of a trial; one from before it opened says nothing new."""
        if began != self._trial or self.state is not State.HALF_OPEN:
            return
        self._trial = None
        if ok:
            self._count(now)
        else:
            self._open(now)

    def _count(self, now: float) -> None:
        self._successes += 1
        if self._successes >= SUCCESSES:
            self.state, self._since, self.seen = State.CLOSED, now, False
            self._clear(now)
            log.warning("the breaker of %s closed", self.name)

    def _half_open(self, now: float) -> None:
        self.state, self._since, self._successes, self._trial = State.HALF_OPEN, now, 0, None

    def _open(self, now: float) -> None:
        calm = self.state is State.CLOSED and now - self._since >= WINDOW
        self._period = self._first if calm else min(self._longest, self._period * 2)
        self._until = now + self._period * self._uniform(0.8, 1)
        if self.state is State.CLOSED:
            log.warning("the breaker of %s opened", self.name)
        self.state, self._since, self._trial = State.OPEN, now, None
        self.trips += 1

    def _judge(self, now: float) -> None:
        calls, failed, slow = map(sum, zip(*self._cells, strict=True))
        shares = calls >= FEWEST and (failed >= FAILING * calls or slow >= SLOW * calls)
        if shares or self._streak >= STREAK:
            self._open(now)

    def _rotate(self, now: float) -> None:
        """Begin as many cells as seconds went by."""
        gone = int(now - self._turn) + 1
        if gone > 0:
            self._cells.extend([0, 0, 0] for _ in range(min(gone, WINDOW)))
            self._cell = self._cells[-1]
            self._turn += gone

    def _clear(self, now: float) -> None:
        self._cells = deque(([0, 0, 0] for _ in range(WINDOW)), maxlen=WINDOW)
        self._cell, self._turn, self._streak = self._cells[-1], now + 1, 0


class Breakers:
    """A replica's breakers by name, for whoever operates it."""

    def __init__(self, *breakers: Breaker) -> None:
        self._breakers = {breaker.name: breaker for breaker in breakers}

    def add(self, breaker: Breaker) -> Breaker:
        """Make it known. Raises ValueError for a name that is taken."""
        if self._breakers.setdefault(breaker.name, breaker) is not breaker:
            raise ValueError(f"there is a breaker {breaker.name} already")
        return breaker

    @property
    def states(self) -> Mapping[str, State]:
        """The state of each."""
        return {name: breaker.state for name, breaker in self._breakers.items()}

    def __iter__(self) -> Iterator[Breaker]:
        return iter(self._breakers.values())
