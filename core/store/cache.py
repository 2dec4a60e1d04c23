"""Cache-aside: the process's own memory, then Redis, then the loader.

Values carry their own key, checked on read. One load per key and process at a time, lifetimes shortened by up to a
tenth at random, the old value served for 60 s more while a new one is fetched (RELIABILITY 4.8). `drop` makes changes
seen sooner; what is correct never depends on it.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from core.context import deadline, remaining
from core.errors import TIMEOUT, UNAVAILABLE, Problem
from core.store.redis import RedisDown, RedisRefused

if TYPE_CHECKING:
    from core.store.redis import Redis
    from core.tasks import Tasks

log = logging.getLogger("core.cache")
Load = Callable[[], Awaitable[bytes]]

STALE = 60.0
"""Seconds that a value outlives its time while it cannot or need not be had anew (RELIABILITY 2: never older)."""
LOAD = 2.0
"""Seconds a load may take: a read's deadline."""
PAUSE = 1.0
"""Seconds between attempts to refresh a value whose loader fails."""
CHANNEL = b"cache"
UNUSABLE = (RedisDown, RedisRefused)
"""A Redis that is away, or refuses us, as one with other rights or a proxy in front may: a cache does without it."""


@attrs.define
class _Entry:
    value: bytes
    fresh_until: float
    stale_until: float
    """On the clock of time.monotonic()."""


class Cache:
    """Byte values by name and key. `limit` is the number of values kept in the process."""

    def __init__(
        self,
        redis: "Redis",
        tasks: "Tasks",
        *,
        limit: int = 2_000,
        stale: float = STALE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis, self._tasks, self._limit, self._stale, self._clock = redis, tasks, limit, stale, clock
        self._local: dict[str, _Entry] = {}
        self._flights: dict[str, asyncio.Future[bytes]] = {}
        self.counts: Counter[str] = Counter()
        """`local`, `stale`, `shared`, `loaded`, `failed`: how often a value came from where."""
        redis.subscribe(CHANNEL, self._heard)

    async def get(self, name: str, key: str, ttl: float, load: Load) -> bytes:
        """The value, at most `ttl` seconds old, or older by less than 60 s where that saves a wait or a failure.

        Raises what `load` raises if no value is left to serve. `load` runs once for all who ask meanwhile, in a task
        of its own with a deadline of its own: a caller that goes away does not take it along.
        """
        full = f"{name}:{key}"
        entry, now = self._local.get(full), self._clock()
        if entry is not None and now < entry.fresh_until:
            self.counts["local"] += 1
            return entry.value
        flight = self._flights.get(full) or self._start(full, ttl, load)
        if entry is not None and now < entry.stale_until:
            self.counts["stale"] += 1
            return entry.value
        try:
            async with asyncio.timeout(remaining(LOAD)):
                return await asyncio.shield(flight)
        except TimeoutError as error:
            raise Problem(TIMEOUT) from error

    async def drop(self, name: str, key: str) -> None:
        """Forget a value here, in Redis, and in the other replicas that hear of it. Call it after the commit."""
        full = f"{name}:{key}"
        self._forget(full)
        try:
            delete = self._redis.call(b"DEL", self._redis.key(b"cache:", full))
            await asyncio.gather(delete, self._redis.publish(CHANNEL, full.encode()))
        except UNUSABLE:
            log.debug("a drop was not broadcast: lifetimes will do")

    def _heard(self, message: bytes) -> None:
        if message:
            self._forget(message.decode())
            return
        for entry in self._local.values():  # some drops were missed: fetch all anew, but serve meanwhile
            entry.fresh_until = 0.0

    def _forget(self, full: str) -> None:
        self._local.pop(full, None)
        self._flights.pop(full, None)  # what it loads may be old already: its callers get it, nobody later

    def _start(self, full: str, ttl: float, load: Load) -> "asyncio.Future[bytes]":
        flight: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._tasks.spawn(f"load {full.partition(':')[0]}", self._fly(flight, full, ttl, load))
        self._flights[full] = flight
        return flight

    async def _fly(self, flight: "asyncio.Future[bytes]", full: str, ttl: float, load: Load) -> None:
        deadline.set(time.monotonic() + LOAD)  # a task has a context of its own
        try:
            async with asyncio.timeout(LOAD):
                value = await self._fetch(flight, full, ttl, load)
        except BaseException as error:
            self._postpone(full)
            self.counts["failed"] += 1
            log.warning("loading %s failed: %s", full.partition(":")[0], type(error).__name__)
            flight.set_exception(error if isinstance(error, Exception) else Problem(UNAVAILABLE))
            flight.exception()  # seen: a refresh in the background has nobody who waits
            if not isinstance(error, Exception):
                raise
        else:
            flight.set_result(value)
        finally:
            if self._flights.get(full) is flight:
                del self._flights[full]

    async def _fetch(self, flight: "asyncio.Future[bytes]", full: str, ttl: float, load: Load) -> bytes:
        shared = await self._shared(full)
        if shared is not None and self._clock() < shared.fresh_until:
            self.counts["shared"] += 1
            self._keep(flight, full, shared)
            return shared.value
        try:
            value = await load()
        except Exception:
            if shared is None:
                raise
            shared.fresh_until = min(self._clock() + PAUSE, shared.stale_until)
            self._keep(flight, full, shared)
            return shared.value
        self.counts["loaded"] += 1
        lifetime = ttl * random.uniform(0.9, 1)  # noqa: S311  so that values made together do not end together
        now = self._clock()
        if self._keep(flight, full, _Entry(value, now + lifetime, now + lifetime + self._stale)):
            await self._share(full, value, lifetime)
        return value

    def _keep(self, flight: "asyncio.Future[bytes]", full: str, entry: _Entry) -> bool:
        """Remember it, unless it was dropped while it was on its way."""
        if self._flights.get(full) is not flight:
            return False
        self._local.pop(full, None)  # so that the dict is in order of age
        while len(self._local) >= self._limit:
            del self._local[next(iter(self._local))]
        self._local[full] = entry
        return True

    def _postpone(self, full: str) -> None:
        entry = self._local.get(full)
        if entry is not None:
            entry.fresh_until = min(self._clock() + PAUSE, entry.stale_until)

    async def _shared(self, full: str) -> _Entry | None:
        """Redis's copy. How old it is, its remaining lifetime says: no clock but Redis's own is asked."""
        key, head = self._redis.key(b"cache:", full), full.encode() + b"\n"
        try:
            found, left = await asyncio.gather(self._redis.call(b"GET", key), self._redis.call(b"PTTL", key))
        except UNUSABLE:
            return None
        if found is None or left < 0 or not found.startswith(head):
            return None
        until = self._clock() + left / 1000
        return _Entry(found[len(head) :], until - self._stale, until)

    async def _share(self, full: str, value: bytes, lifetime: float) -> None:
        key, stored = self._redis.key(b"cache:", full), full.encode() + b"\n" + value
        try:
            await self._redis.call(b"SET", key, stored, b"PX", b"%d" % int((lifetime + self._stale) * 1000))
        except UNUSABLE:
            log.debug("a value was not shared")
