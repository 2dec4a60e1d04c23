import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from core.errors import Problem
from core.store import cache as module
from core.store.cache import Cache
from core.store.redis import Redis
from core.tasks import Tasks
from tests.core.valkey import Valkey

TTL = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Loader:
    """Counts its calls; waits for `gate` if there is one, fails while `error` is set."""

    def __init__(self, value: bytes = b"value") -> None:
        self.value, self.calls = value, 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> bytes:
        self.calls += 1
        value = self.value
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return value


MakeCache = Callable[..., Awaitable[Cache]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make(server: Valkey, clock: Clock) -> AsyncIterator[MakeCache]:
    """Makes replicas: each with a connection of its own to one Redis, all on one clock."""
    opened: list[tuple[Redis, Tasks]] = []

    async def one(**more: int) -> Cache:
        redis, tasks = Redis(server.url, probe=0.05, connect=1.0, command=1.0), Tasks()
        cache = Cache(redis, tasks, clock=clock, **more)
        await redis.open()
        opened.append((redis, tasks))
        return cache

    yield one
    for redis, tasks in opened:
        await tasks.stop(1)
        await redis.close()


@pytest.fixture
async def cache(server: Valkey, make: MakeCache) -> Cache:
    server.start()
    return await make()


async def settle() -> None:
    await asyncio.sleep(0.05)


async def test_a_value_is_loaded_once_and_then_remembered(cache: Cache) -> None:
    load = Loader()
    assert [await cache.get("c", "k", TTL, load) for _ in range(3)] == [b"value"] * 3
    assert load.calls == 1
    assert cache.counts == {"loaded": 1, "local": 2}


async def test_names_and_keys_are_apart(cache: Cache) -> None:
    assert await cache.get("c", "1", TTL, Loader(b"one")) == b"one"
    assert await cache.get("c", "2", TTL, Loader(b"two")) == b"two"
    assert await cache.get("d", "1", TTL, Loader(b"three")) == b"three"


async def test_many_who_ask_at_once_share_one_load(cache: Cache) -> None:
    load = Loader()
    assert await asyncio.gather(*(cache.get("c", "k", TTL, load) for _ in range(50))) == [b"value"] * 50
    assert load.calls == 1


async def test_a_caller_that_goes_away_does_not_take_the_load_along(cache: Cache) -> None:
    load = Loader()
    load.gate = asyncio.Event()
    first = asyncio.ensure_future(cache.get("c", "k", TTL, load))
    second = asyncio.ensure_future(cache.get("c", "k", TTL, load))
    await settle()
    first.cancel()
    await settle()
    load.gate.set()
    assert await second == b"value"
    assert load.calls == 1


async def test_another_replica_reads_what_one_has_shared(cache: Cache, make: MakeCache) -> None:
    await cache.get("c", "k", TTL, Loader())
    other, unused = await make(), Loader(b"other")
    assert await other.get("c", "k", TTL, unused) == b"value"
    assert unused.calls == 0
    assert other.counts == {"shared": 1}


async def test_a_shared_value_that_is_not_the_keys_own_is_not_believed(cache: Cache) -> None:
    redis = cache._redis
    await redis.call(b"SET", redis.key(b"cache:", "c:k"), b"c:other\nwrong", b"PX", b"100000")
    assert await cache.get("c", "k", TTL, Loader()) == b"value"


async def test_an_old_value_is_served_while_a_new_one_is_fetched(cache: Cache, clock: Clock) -> None:
    load = Loader(b"old")
    await cache.get("c", "k", TTL, load)
    clock.now += TTL
    await cache._redis.call(b"FLUSHALL")
    load.value = b"new"
    assert await cache.get("c", "k", TTL, load) == b"old"
    await settle()
    assert await cache.get("c", "k", TTL, load) == b"new"
    assert load.calls == 2


async def test_a_value_older_than_a_minute_past_its_time_is_never_served(cache: Cache, clock: Clock) -> None:
    load = Loader(b"old")
    await cache.get("c", "k", TTL, load)
    clock.now += TTL + 60
    await cache._redis.call(b"FLUSHALL")
    load.error = ValueError("the database is away")
    with pytest.raises(ValueError, match="away"):
        await cache.get("c", "k", TTL, load)


async def test_a_failing_loader_leaves_the_old_value_and_is_asked_once_a_second(cache: Cache, clock: Clock) -> None:
    load = Loader(b"old")
    await cache.get("c", "k", TTL, load)
    clock.now += TTL
    await cache._redis.call(b"FLUSHALL")
    load.error = ValueError("no")
    for _ in range(5):
        assert await cache.get("c", "k", TTL, load) == b"old"
        await settle()
    assert load.calls == 2
    clock.now += module.PAUSE
    assert await cache.get("c", "k", TTL, load) == b"old"
    await settle()
    assert load.calls == 3


async def test_a_failing_loader_is_answered_from_the_old_copy_in_redis(cache: Cache, make: MakeCache) -> None:
    redis = cache._redis
    await redis.call(b"SET", redis.key(b"cache:", "c:k"), b"c:k\nold", b"PX", b"30000")  # stale: half a minute left
    load = Loader()
    load.error = ValueError("no")
    other = await make()
    assert [await other.get("c", "k", TTL, load) for _ in range(3)] == [b"old"] * 3
    assert load.calls == 1


async def test_an_error_reaches_all_who_wait_and_is_not_remembered(cache: Cache) -> None:
    load = Loader()
    load.error = ValueError("no")
    results = await asyncio.gather(*(cache.get("c", "k", TTL, load) for _ in range(3)), return_exceptions=True)
    assert [type(r) for r in results] == [ValueError] * 3
    assert load.calls == 1
    load.error = None
    assert await cache.get("c", "k", TTL, load) == b"value"


async def test_a_loader_that_hangs_ends_in_a_timeout(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOAD", 0.05)
    load = Loader()
    load.gate = asyncio.Event()
    with pytest.raises(Problem) as refused:
        await cache.get("c", "k", TTL, load)
    assert refused.value.code.status == 504


async def test_a_dropped_value_is_forgotten_by_every_replica(cache: Cache, make: MakeCache) -> None:
    other = await make()
    await settle()
    old, new = Loader(b"old"), Loader(b"new")
    assert await cache.get("c", "k", TTL, old) == await other.get("c", "k", TTL, old) == b"old"
    await cache.drop("c", "k")
    assert await cache.get("c", "k", TTL, new) == b"new"
    await settle()
    assert await other.get("c", "k", TTL, new) == b"new"


async def test_what_was_being_loaded_when_it_was_dropped_is_not_kept(cache: Cache) -> None:
    load = Loader(b"old")
    load.gate = asyncio.Event()
    early = asyncio.ensure_future(cache.get("c", "k", TTL, load))
    await settle()
    await cache.drop("c", "k")
    load.gate.set()
    assert await early == b"old"
    assert await cache.get("c", "k", TTL, Loader(b"new")) == b"new"


async def test_without_redis_values_are_remembered_here_and_loaded(server: Valkey, make: MakeCache) -> None:
    cache, load = await make(), Loader()
    assert [await cache.get("c", "k", TTL, load) for _ in range(3)] == [b"value"] * 3
    assert load.calls == 1
    await cache.drop("c", "k")
    await cache.get("c", "k", TTL, load)
    assert load.calls == 2


async def test_a_redis_that_refuses_fails_nobody(cache: Cache, make: MakeCache) -> None:
    redis, load = cache._redis, Loader()
    await redis.call(b"HSET", redis.key(b"cache:", "c:k"), b"of", b"another kind")
    assert await cache.get("c", "k", TTL, load) == b"value"  # WRONGTYPE, which its own SET then ends
    await redis.call(b"ACL", b"SETUSER", b"default", b"-@all", b"+ping", b"+acl")
    try:
        await cache.drop("c", "k")
        other = await make()
        assert [await each.get("c", "k", TTL, load) for each in (cache, other)] == [b"value"] * 2
    finally:
        await redis.call(b"ACL", b"SETUSER", b"default", b"+@all")
    assert load.calls == 3


async def test_a_hung_redis_does_not_fail_a_read(cache: Cache, server: Valkey) -> None:
    server.freeze()
    try:
        assert await cache.get("c", "k", TTL, Loader()) == b"value"
    finally:
        server.thaw()


async def test_after_a_gap_in_the_broadcasts_every_value_is_fetched_anew(cache: Cache, server: Valkey) -> None:
    load = Loader(b"old")
    await cache.get("c", "k", TTL, load)
    server.kill()
    server.start()
    for _ in range(200):
        await asyncio.sleep(0.02)
        if cache._local["c:k"].fresh_until == 0:
            break
    load.value = b"new"
    assert await cache.get("c", "k", TTL, load) == b"old"
    await asyncio.sleep(0.2)
    assert await cache.get("c", "k", TTL, load) == b"new"


async def test_no_more_values_are_kept_than_the_limit(server: Valkey, make: MakeCache) -> None:
    cache = await make(limit=3)
    for key in "abcde":
        await cache.get("c", key, TTL, Loader())
    assert list(cache._local) == ["c:c", "c:d", "c:e"]


async def test_lifetimes_are_shortened_by_up_to_a_tenth(cache: Cache, clock: Clock) -> None:
    for n in range(50):
        await cache.get("c", str(n), 100, Loader())
    left = [entry.fresh_until - clock.now for entry in cache._local.values()]
    assert 90 <= min(left) < max(left) <= 100
    redis = cache._redis
    assert 149_000 < await redis.call(b"PTTL", redis.key(b"cache:", "c:0")) <= 160_000


async def test_a_load_cut_short_by_the_end_of_the_process_is_unavailable(cache: Cache) -> None:
    load = Loader()
    load.gate = asyncio.Event()
    waiting = asyncio.ensure_future(cache.get("c", "k", TTL, load))
    await settle()
    await cache._tasks.stop(1)
    with pytest.raises(Problem):
        await waiting
