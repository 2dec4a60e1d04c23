"""Token buckets per user and per address, in the process (RELIABILITY 4.9: never unlimited, never zero)."""

import time
from collections.abc import Callable

from core.errors import RATE_LIMITED, Problem

MOST = 100_000
"""Buckets kept; the idle ones go first."""


class Buckets:
    """`rate` requests a second, and as many at once."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self._clock = rate, clock
        self._buckets: dict[object, list[float]] = {}

    def take(self, key: object) -> None:
        """One token, or Problem(RATE_LIMITED)."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MOST:
                self._forget(now)
            bucket = self._buckets[key] = [self.rate, now]
        tokens = min(self.rate, bucket[0] + (now - bucket[1]) * self.rate)
        bucket[1] = now
        if tokens < 1:
            bucket[0] = tokens
            raise Problem(RATE_LIMITED, retry_after=1)
        bucket[0] = tokens - 1

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again; all of them if there is no such."""
        idle = now - 2.0
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket[1] > idle}
        if len(self._buckets) >= MOST:
            self._buckets.clear()

    def policy(self) -> bytes:
        """Headers for a 429 (RateLimit header fields draft)."""
        return b'RateLimit-Policy: "default";q=%d;w=1\r\nRateLimit: "default";r=0;t=1\r\n' % self.rate
