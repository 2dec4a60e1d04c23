"""Adaptive load shedding: what cannot be served in time is refused at once, the least first (RELIABILITY 4.9).

    if not shedder.enter(route.rank):
        ...                        # 503 with Retry-After, before the body is read or anything is parsed
    ...                            # the work
    shedder.leave(seconds)         # always, with what it took

Hold a place only while working: one that waits for a slow client's body would take it from others.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from core.resilience.rank import Rank

SMALLEST, LARGEST, FIRST = 8, 256, 64
"""Requests in flight."""
LATE = 0.1
"""Seconds that requests may take on average, and that the loop may be late, before fewer are let in."""
SAMPLE = 32
"""Requests between two looks at how long they took."""
EVERY = 0.05
"""Seconds between two looks at the loop's lag."""
STALL = 20
"""Times `LATE` without a beat, after which no write is begun: a balancer has sent it to another replica by then."""
SHARES = {Rank.REPORTS: 0.5, Rank.CATALOGUE: 0.7, Rank.OWN: 0.8, Rank.CART: 0.9}
"""Of the limit, that requests of a rank and those below it may fill. What is vital is let in up to `LARGEST`."""
PATIENCE = {Rank.REPORTS: 1.0, Rank.CATALOGUE: 1.0, Rank.OWN: 1.5, Rank.CART: 2.0, Rank.VITAL: 5.0}
"""Times `LATE` that the loop may be late before a rank is refused."""
UNBOUNDED = 1 << 30


class Shedder:
    """One replica's. The limit grows by a tenth while it is used and latency is good, and shrinks by a fifth if not."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, late: float = LATE) -> None:
        self._clock, self._late = clock, late
        self.limit, self.inside, self.lag = FIRST, 0, 0.0
        self.refused: Counter[Rank] = Counter()
        self._rooms = [UNBOUNDED] * len(Rank)
        self._peak = self._left = 0
        self._seconds = 0.0
        self._beat = float("inf")
        self._arrange()

    def enter(self, rank: Rank) -> bool:
        """Whether a request may begin; it holds a place until `leave`."""
        if self.inside >= self._rooms[rank]:
            self.refused[rank] += 1
            return False
        self.inside += 1
        if self.inside > self._peak:  # noqa: PLR1730  max() costs more than all the rest here
            self._peak = self.inside
        return True

    def leave(self, seconds: float) -> None:
        """It ended, and took so long."""
        self.inside -= 1
        self._seconds += seconds
        self._left += 1
        if self._left >= SAMPLE:
            self._adapt()

    def lagged(self, seconds: float) -> None:
        """How late the loop, or a request that was just taken up, is."""
        if seconds != self.lag:
            self.lag = seconds
            self._arrange()

    @property
    def stalled(self) -> bool:
        """Whether the process stood still until now: whoever sent what it finds waiting may have given up on it."""
        return self._clock() - self._beat > STALL * self._late

    async def watch(self) -> None:
        """Measure the loop's lag for ever."""
        try:
            while True:
                self._beat = self._clock()
                due = self._beat + EVERY
                await asyncio.sleep(EVERY)
                self.lagged(max(0.0, self._clock() - due))
        finally:
            self._beat = float("inf")  # nobody knows any more

    def _adapt(self) -> None:
        mean = self._seconds / self._left
        if mean > self._late:
            self.limit = max(SMALLEST, self.limit * 4 // 5)
        elif self._peak >= SHARES[Rank.CATALOGUE] * self.limit:
            self.limit = min(LARGEST, self.limit + max(1, self.limit // 10))
        self._peak, self._left, self._seconds = self.inside, 0, 0.0
        self._arrange()

    def _arrange(self) -> None:
        for rank, patience in PATIENCE.items():
            room = int(self.limit * SHARES[rank]) if rank in SHARES else LARGEST
            self._rooms[rank] = 0 if self.lag > patience * self._late else room
