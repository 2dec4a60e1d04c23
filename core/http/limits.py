"""Token buckets per user and per address, in the process (RELIABILITY 4.9: never unlimited, never zero)."""

import time
from collections.abc import Callable

from core.errors import RATE_LIMITED, Problem

MOST = 100_000
"""Buckets kept; the idle ones go first."""
HEADERS = (
    b'RateLimit-Policy: "default";q=%d;w=1\r\nRateLimit: "default";r=0;t=1\r\n'
    b"X-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: 0\r\n"
)


class Limited(Problem):
    """Over a bucket's rate. `headers` say which: the RateLimit header fields draft and the older X- names.

    A domain's own 429 has none.
    """

    def __init__(self, headers: bytes) -> None:
        super().__init__(RATE_LIMITED, retry_after=1)
        self.headers = headers


class Buckets:
    """`rate` requests a second, and as many at once; never less than one."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = max(1.0, rate), clock
        self._headers = HEADERS % (self._rate, self._rate)
        self._buckets: dict[object, list[float]] = {}

    def take(self, key: object) -> None:
        """One token, or Limited."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MOST:
                self._forget(now)
            bucket = self._buckets[key] = [self._rate, now]
        tokens = min(self._rate, bucket[0] + (now - bucket[1]) * self._rate)
        bucket[1] = now
        if tokens < 1:
            bucket[0] = tokens
            raise Limited(self._headers + b"X-RateLimit-Reset: %d\r\n" % (time.time() + 1))
        bucket[0] = tokens - 1

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again; all of them if there is no such."""
        idle = now - 1.0  # by then any bucket is full
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket[1] > idle}
        if len(self._buckets) >= MOST:
            self._buckets.clear()
