"""Rate limits that replicas share: their buckets decide alone, and Redis adds them up a few times a second.

No request waits for Redis. While it is away each replica keeps to its part, by the number of replicas last heard of
(RELIABILITY 4.9): all together let through at most one and a half times the rate.
"""

import asyncio
import itertools
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from core.store.redis import RedisDown, RedisRefused
from core.types import uuid7

if TYPE_CHECKING:
    from core.http.limits import Buckets
    from core.store.redis import Redis

log = logging.getLogger("core.limits")

EVERY = 0.2
"""Seconds between two sums."""
BATCH = 200
"""Buckets in one call: it must end well within the 50 ms of a command."""
LIFE = 3.0
"""Seconds for which a replica counts that is not seen again."""
UNKNOWN = 3
"""Replicas assumed by one that never heard of any."""
# The buckets as all replicas together see them. By Redis's own clock; a bucket that was not touched for 3 s is full.
ADD = b"""
local time = redis.call('TIME')
local now, rate, left = time[1] * 1000 + time[2] / 1000, tonumber(ARGV[1]), {}
for i, key in ipairs(KEYS) do
    local tokens, at = string.match(redis.call('GET', key) or '', '(%S+) (%S+)')
    tokens = math.min(rate, (tokens or rate) + (now - (at or now)) * rate / 1000) - ARGV[i + 1]
    tokens = math.max(tokens, -rate)
    redis.call('SET', key, string.format('%.3f %.3f', tokens, now), 'PX', 3000)
    left[i] = string.format('%.3f', tokens)
end
return left
"""
# Who serves: seen within the last 3 s.
COUNT = b"""
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] - 3)
redis.call('EXPIRE', KEYS[1], 10)
return redis.call('ZCARD', KEYS[1])
"""


class Shares:
    """Adds the buckets of one replica to those of the others."""

    def __init__(self, redis: "Redis", buckets: Iterable["Buckets"], *, every: float = EVERY) -> None:
        self._redis, self._buckets, self._every = redis, tuple(buckets), every
        self._add, self._count = redis.script(ADD), redis.script(COUNT)
        self._me = uuid7().hex.encode()
        self.replicas = UNKNOWN
        """As last heard."""
        self.shared = True
        self._least, self._until = 1, 0.0
        """After an outage the others are not in the sum yet: until then no fewer are believed than before it."""

    async def run(self) -> None:
        """Share for ever."""
        while True:
            await self.sync()
            await asyncio.sleep(self._every)

    async def sync(self) -> None:
        """Count the replicas, tell and hear what was spent; or fall back to this replica's own part."""
        try:
            counted = await self._count([self._redis.key(b"replicas")], [self._me])
            self.replicas = max(counted, self._known())
            for buckets in self._buckets:
                buckets.spread(self.replicas, shared=True)
                await self._sum(buckets)
        except (RedisDown, RedisRefused) as error:
            if self.shared:
                log.warning("limits are this replica's own, one of %d: %s", self.replicas, error)
            self.shared = False
            self._least = self.replicas
            for buckets in self._buckets:
                buckets.spread(self.replicas, shared=False)
        else:
            self.shared = True

    def _known(self) -> int:
        """How many there are at least."""
        now = asyncio.get_running_loop().time()
        if not self.shared:
            self._until = now + LIFE
        return self._least if now < self._until else 1

    async def _sum(self, buckets: "Buckets") -> None:
        told = iter(buckets.spent().items())
        while batch := list(itertools.islice(told, BATCH)):
            left = await self._add(self._keys(buckets, batch), [b"%f" % buckets.rate, *(b"%f" % n for _, n in batch)])
            for (key, _), tokens in zip(batch, left, strict=True):
                buckets.left(key, float(tokens))

    def _keys(self, buckets: "Buckets", batch: Sequence[tuple[object, float]]) -> list[bytes]:
        return [self._redis.key(b"rate:", buckets.name, b":", key) for key, _ in batch]
