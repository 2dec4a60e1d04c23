"""How often, and after what pause, a call may be made again (RELIABILITY 3)."""

import random
import time
from collections import deque
from collections.abc import Callable

WINDOW = 10.0
SHARE = 0.2
QUIET = 10
"""Repeats in a window that are always allowed: a fifth of a quiet replica's calls is none (ADR 15)."""
SHORTEST, LONGEST = 0.01, 0.1
"""Seconds of pause."""


class RetryBudget:
    """Keeps repeats to a fifth of the calls of the last ten seconds, so that they never become the load."""

    def __init__(self, calls: Callable[[], int], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`calls` tells how many there were in the window, repeats included: a breaker's count."""
        self._calls, self._clock = calls, clock
        self._repeats: deque[float] = deque()

    def take(self) -> bool:
        """Whether one more repeat is allowed; if so, it is counted."""
        now = self._clock()
        while self._repeats and self._repeats[0] <= now - WINDOW:
            self._repeats.popleft()
        made = len(self._repeats)
        if made >= max(QUIET, SHARE * (self._calls() - made)):
            return False
        self._repeats.append(now)
        return True


def pause() -> float:
    """Seconds before a repeat: full jitter, so that those who collided do not meet again."""
    return random.uniform(SHORTEST, LONGEST)  # noqa: S311  jitter, not a secret
