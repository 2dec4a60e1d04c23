"""Limits of several replicas over one Redis that comes and goes."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from core.http.limits import Buckets, Limited
from core.resilience.shares import UNKNOWN, Shares
from core.store.redis import Redis
from tests.core.valkey import Valkey


class Replica:
    """What of a replica limits requests."""

    def __init__(self, redis: Redis, rate: float) -> None:
        self.redis, self.users, self.addresses = redis, Buckets(rate, name="user"), Buckets(rate / 2, name="address")
        self.shares = Shares(redis, [self.users, self.addresses])


@asynccontextmanager
async def replicas(url: str, count: int, *, rate: float = 100) -> AsyncIterator[Sequence[Replica]]:
    async with AsyncExitStack() as stack:
        made = []
        for _ in range(count):
            redis = Redis(url, prefix=b"t:", connect=1.0, command=1.0, probe=0.1)
            await redis.open()
            stack.push_async_callback(redis.close)
            made.append(Replica(redis, rate))
        yield made


async def sync(several: Sequence[Replica]) -> None:
    await asyncio.gather(*(replica.shares.sync() for replica in several))


def take(buckets: Buckets, key: str, times: int) -> int:
    """All at one moment: hundreds take a busy machine long enough for a token to come back."""
    now = time.monotonic()
    buckets._clock = lambda: now
    passed = 0
    for _ in range(times):
        try:
            buckets.take(key)
        except Limited:
            continue
        passed += 1
    buckets._clock = time.monotonic
    return passed


async def test_a_client_that_is_spread_evenly_is_over_its_rate_all_the_same(server: Valkey) -> None:
    server.start()
    async with replicas(server.url, 3) as several:
        await sync(several)
        await sync(several)
        passed, began = 0, time.monotonic()
        while time.monotonic() < began + 4:
            passed += sum(take(replica.users, "spread", 30) for replica in several)
            await asyncio.sleep(0.2)
            await sync(several)
        allowed = 100 * (time.monotonic() - began)
        assert allowed * 0.9 <= passed <= allowed + 250  # the burst, and what passes between two sums


async def test_replicas_count_each_other(server: Valkey) -> None:
    server.start()
    async with replicas(server.url, 3) as several:
        assert several[0].shares.replicas == UNKNOWN
        await sync(several)
        await sync(several)
        assert [replica.shares.replicas for replica in several] == [3] * 3
        await asyncio.sleep(4.1)
        await sync(several[:2])
        await sync(several[:2])
        assert several[0].shares.replicas == 2


async def test_a_user_who_spreads_over_replicas_gets_the_rate_of_one(server: Valkey) -> None:
    server.start()
    async with replicas(server.url, 3) as several:
        await sync(several)
        await sync(several)
        running = [asyncio.ensure_future(replica.shares.run()) for replica in several]
        passed, began = 0, time.monotonic()
        while time.monotonic() - began < 3:
            passed += sum(take(replica.users, "u", 10) for replica in several)
            await asyncio.sleep(0.02)
        seconds = time.monotonic() - began
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        # Three full buckets before the first sum; what was too much is paid back, but for one bucket's depth.
        assert 100 * seconds <= passed <= 100 * (seconds + 1) + 200
        await sync(several)
        later = sum(take(replica.users, "other", 5) for replica in several)
        assert later == 15


async def test_many_busy_users_are_summed_in_batches(server: Valkey) -> None:
    server.start()
    async with replicas(server.url, 2, rate=10) as (one, other):
        await sync([one, other])
        await sync([one, other])
        began = time.monotonic()
        for user in range(450):
            assert take(one.users, f"u{user}", 8) == 8
        assert take(other.users, "u449", 7) == 7
        await sync([one])
        await sync([other])
        await sync([one])
        left = take(other.users, "u449", 20)
        assert left <= max(0, 10 + 10 * (time.monotonic() - began) - 15)
        assert take(one.users, "u0", 20) >= 2


async def test_without_redis_each_keeps_to_its_part_and_nobody_gets_nothing(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    server.start()
    async with replicas(server.url, 3) as several:
        await sync(several)
        await sync(several)
        server.kill()
        await asyncio.sleep(0.05)
        await sync(several)
        await sync(several)
        assert [record.message for record in caplog.records].count(
            "limits are this replica's own, one of 3: not connected"
        ) <= 3
        assert [take(replica.users, "u", 500) for replica in several] == [50] * 3
        assert [take(replica.addresses, "a", 500) for replica in several] == [25] * 3
        server.start()
        async with asyncio.timeout(10):
            while not all(replica.shares.shared for replica in several):
                await asyncio.sleep(0.05)
                await sync(several)
        await asyncio.sleep(1)
        assert take(several[0].users, "v", 500) == 100


async def test_a_replica_that_never_heard_of_another_assumes_three(server: Valkey) -> None:
    async with replicas(server.url, 1) as (alone,):
        await alone.shares.sync()
        assert take(alone.users, "u", 500) == 50


async def test_no_request_waits_for_a_hung_redis(server: Valkey) -> None:
    server.start()
    redis = Redis(server.url, prefix=b"t:", probe=0.1, connect=1.0)
    await redis.open()
    replica = Replica(redis, 100)
    await replica.shares.sync()
    server.freeze()
    try:
        syncing = asyncio.ensure_future(replica.shares.sync())
        await asyncio.sleep(0)
        began = time.monotonic()
        assert take(replica.users, "u", 500) == 100
        assert time.monotonic() - began < 0.05
        await syncing
        assert not replica.shares.shared
    finally:
        server.thaw()
    await redis.close()
