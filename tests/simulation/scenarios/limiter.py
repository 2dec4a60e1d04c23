"""Rate limits: a client without manners, several replicas, a Redis that adds up what they counted (RELIABILITY 4.9).

While Redis is away all replicas together let through at most half as much again as the rate; never nothing, never all.
Who keeps to the rate is never refused for what others do.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from core.http.limits import Buckets, Limited
from core.resilience import shares
from core.resilience.shares import Shares
from core.store.redis import RedisDown
from tests.simulation.loop import Process
from tests.simulation.world import World

if TYPE_CHECKING:
    from core.store.redis import Redis

RATE = 100.0
LENGTH = 30.0
AWAY = 1.5
"""Times the rate, in total, that may pass without Redis."""
SETTLE = 4.0
"""Seconds until replicas agree on who serves and what was spent."""
TTL = 3.0
EDGE = 1e-6


class MemoryRedis:
    """What the two scripts do, on a server that comes and goes. Each call takes a moment."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.away = False
        self._buckets: dict[bytes, tuple[float, float]] = {}
        self._seen: dict[bytes, float] = {}

    def key(self, *parts: object) -> bytes:
        return b"".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)

    def script(self, lua: bytes) -> "MemoryScript":
        return MemoryScript(self, {shares.ADD: self._add, shares.COUNT: self._count}[lua])

    async def pass_time(self) -> None:
        """One way over the network. Raises RedisDown."""
        await asyncio.sleep(self._world.rng.uniform(0, 0.002))
        if self.away:
            await asyncio.sleep(0.05 * self._world.chance(0.2))
            raise RedisDown("away")

    def emptied(self) -> None:
        """It lost everything."""
        self._buckets.clear()
        self._seen.clear()

    def _add(self, keys: Sequence[bytes], args: Sequence[bytes]) -> list[bytes]:
        now, rate, left = self._world.now, float(args[0]), []
        for key, spent in zip(keys, args[1:], strict=True):
            tokens, at = self._buckets.get(key, (rate, now))
            if now - at > TTL:
                tokens, at = rate, now
            tokens = max(min(rate, tokens + (now - at) * rate) - float(spent), -rate)
            self._buckets[key] = tokens, now
            left.append(b"%.3f" % tokens)
        return left

    def _count(self, keys: Sequence[bytes], args: Sequence[bytes]) -> int:
        now = int(self._world.now)
        self._seen[args[0]] = now
        self._seen = {who: at for who, at in self._seen.items() if at > now - TTL}
        return len(self._seen)


class MemoryScript:
    """One of them."""

    def __init__(self, redis: MemoryRedis, work: Callable[[Sequence[bytes], Sequence[bytes]], object]) -> None:
        self._redis, self._work = redis, work

    async def __call__(self, keys: Sequence[bytes], args: Sequence[bytes] = ()) -> object:
        await self._redis.pass_time()
        result = self._work(keys, args)
        await self._redis.pass_time()
        return result


class Place:
    """One replica's buckets."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.name = world, f"replica {number}"
        self.process: Process
        self.buckets: Buckets
        self.shares: Shares

    def start(self, redis: MemoryRedis) -> None:
        """A new process: it knows nothing of what the last one counted."""
        self.process = self.world.process(self.name)
        self.buckets = Buckets(RATE, self.world.loop.time)
        self.shares = Shares(cast("Redis", redis), [self.buckets])
        self.world.spawn(self.process, self.shares.run())


class Crowd:
    """The scenario."""

    def __init__(self, world: World) -> None:
        self.world, rng = world, world.rng
        self.redis = MemoryRedis(world)
        self.places = [Place(world, number) for number in range(rng.choice((1, 2, 3)))]
        self._passed: dict[str, deque[float]] = {"greedy": deque(), "fair": deque()}
        self._since = 0.0
        """Redis came or went, or a replica did: until replicas agree again, less is promised."""
        self._greed = rng.choice((150.0, 250.0))
        self._one_sided = rng.choice((True, False))
        """Whether the greedy one asks a single replica."""

    def disturbed(self) -> None:
        """Something changed."""
        self._since = self.world.now

    async def weather(self) -> None:
        """Redis goes, comes back, forgets; replicas die."""
        world, rng = self.world, self.world.rng
        troubles = [each for each in ("away", "away", "emptied", "killed") if world.chance(0.6)]
        while troubles and world.now < LENGTH:
            await asyncio.sleep(rng.expovariate(1 / 12))
            trouble = rng.choice(troubles)
            world.note(f"redis {trouble}" if trouble != "killed" else trouble)
            self.disturbed()
            if trouble == "away":
                self.redis.away = True
                await asyncio.sleep(rng.expovariate(1 / 8))
                self.redis.away = False
                self.disturbed()
            elif trouble == "emptied":
                self.redis.emptied()
            else:
                place = rng.choice(self.places)
                world.kill(place.process)
                await asyncio.sleep(rng.uniform(0, 2))
                place.start(self.redis)
                self.disturbed()

    async def client(self, name: str, rate: float) -> None:
        """Requests at this rate, in small bursts, to one replica or to any."""
        rng = self.world.rng
        await asyncio.sleep(SETTLE)
        while self.world.now < LENGTH:
            burst = rng.choice((1, 5, 20)) if name == "greedy" else 1
            await asyncio.sleep(burst / rate)
            for _ in range(burst):
                place = self.places[0] if self._one_sided and name == "greedy" else rng.choice(self.places)
                if place.process.alive:
                    self._ask(place, name)

    def _ask(self, place: Place, name: str) -> None:
        try:
            place.buckets.take(name)
        except Limited:
            self.world.count(f"{name} refused")
            self.world.check(name == "greedy", "who keeps to the rate is not refused")
            return
        now, passed = self.world.now, self._passed[name]
        self.world.count(f"{name} passed")
        passed.append(now)
        while passed[0] < now - SETTLE:
            passed.popleft()
        self._never_unlimited(passed)

    def _never_unlimited(self, passed: Sequence[float]) -> None:
        """In four seconds: as many as the rate gives, or one and a half times that without Redis, and the bursts."""
        world, count = self.world, len(self.places)
        calm = world.now - self._since > 2 * SETTLE
        if calm and self.redis.away:
            burst = max(1.0, min(RATE, RATE * AWAY / count)) * count
            world.check(
                len(passed) <= RATE * AWAY * SETTLE + burst + count, "without redis at most 150/s pass in total"
            )
        elif calm:
            late = RATE * (shares.EVERY + 0.1) * count  # what replicas let through before they hear of each other
            most = RATE * SETTLE + RATE + late + count  # each rounds by less than one
            world.check(len(passed) <= most, f"together replicas keep to the rate: {len(passed)} in {SETTLE:g} s")
        world.check(len(passed) <= (RATE * SETTLE + RATE) * (count + 1), "whatever happens, there is a limit")

    async def never_nothing(self) -> None:
        """Even the greedy one gets something in every two seconds, wherever it asks."""
        world = self.world
        await asyncio.sleep(SETTLE + 2)
        while world.now < LENGTH - 1:
            before = world.seen.get("greedy passed", 0)
            killed = self.places[0].process.alive
            await asyncio.sleep(2)
            alive = killed and self.places[0].process.alive
            passed = world.seen.get("greedy passed", 0) - before
            world.check(passed >= RATE / len(self.places) / 2 or not alive, f"a limit is not a wall: {passed} in 2 s")


async def limiter(world: World) -> None:
    """One greedy client, one fair one."""
    crowd, home = Crowd(world), world.loop.world
    for place in crowd.places:
        place.start(crowd.redis)
    world.spawn(home, crowd.weather())
    world.spawn(home, crowd.client("greedy", crowd._greed))
    world.spawn(home, crowd.client("fair", RATE / 10))
    world.spawn(home, crowd.never_nothing())
    await asyncio.sleep(LENGTH + 1)
