"""Token buckets per user and per address, in the process (RELIABILITY 4.9: never unlimited, never zero).

A bucket decides alone and at once. What busy ones spent is told to the other replicas behind the requests' back, and
what those spent is taken off here: `core.resilience.shares` carries it.
"""

import time
from collections.abc import Callable, Mapping

from core.errors import RATE_LIMITED, Problem

MOST, FEW = 100_000, 1_000
"""Buckets kept; the idle ones go first, and whenever there are twice as many as were in use, once there are a few."""
HEADERS = (
    b'RateLimit-Policy: "%b";q=%d;w=1\r\nRateLimit: "%b";r=0;t=1\r\n'
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

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic, *, name: str = "default") -> None:
        self.rate = self._most = max(1.0, rate)
        self.name, self._clock = name, clock
        self._headers = HEADERS % (name.encode(), self.rate, name.encode(), self.rate)
        self._buckets: dict[object, list[float]] = {}
        self._room = FEW
        self._part = self.rate
        """What a client may spend here in a second, and at once, before the others are told."""
        self._spent: dict[object, float] = {}
        """What the others must hear of, by bucket: tokens taken since they last did."""

    def take(self, key: object) -> None:
        """One token, or Limited."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= min(self._room, MOST):
                self._forget(now)
            bucket = self._buckets[key] = [self._most, now, self._part]
        tokens, unnoticed = bucket[0] + (now - bucket[1]) * self._most, bucket[2] + (now - bucket[1]) * self._part
        tokens, bucket[1], bucket[2] = min(self._most, tokens), now, min(self._part, unnoticed) - 1
        if tokens < 1:
            bucket[0] = tokens
            raise Limited(self._headers + b"X-RateLimit-Reset: %d\r\n" % (time.time() + 1))
        bucket[0] = tokens - 1
        if bucket[2] < 0 or key in self._spent:
            bucket[2] = 0.0
            self._spent[key] = self._spent.get(key, self._part) + 1

    def spread(self, replicas: int, *, shared: bool) -> None:
        """How many replicas serve, and whether they hear of each other's counts.

        A client that spends less than a replica's part of the rate here cannot be over it anywhere, so only busier ones
        are shared. Where nothing is, each replica lets through its part of one and a half times the rate.
        """
        self._most = self.rate if shared else max(1.0, min(self.rate, self.rate * 1.5 / replicas))
        self._part = self.rate / replicas if shared else self.rate
        if not shared:
            self._spent.clear()

    def spent(self) -> Mapping[object, float]:
        """What to tell the others. What is spent from now on is told next time."""
        told = dict(self._spent)
        self._spent = dict.fromkeys(told, 0.0)
        return told

    def left(self, key: object, tokens: float) -> None:
        """What all replicas together left in a bucket; one that is full again is shared no more."""
        since = self._spent.get(key, 0.0)
        self._buckets[key] = [min(self._most, tokens - since), self._clock(), 0.0]
        if tokens >= self.rate - 0.5 and not since:
            self._spent.pop(key, None)

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again; all of them if there is no such."""
        idle = now - 1.0  # by then any bucket is full
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket[1] > idle}
        if len(self._buckets) >= MOST:
            self._buckets.clear()
        self._room = max(FEW, 2 * len(self._buckets))
