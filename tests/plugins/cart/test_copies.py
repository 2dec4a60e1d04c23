import time
from datetime import UTC, datetime
from typing import Any

import pytest

from core.store.redis import Redis, RedisDown
from core.types import UserId, uuid7
from plugins.cart import copies as module
from plugins.cart.copies import GONE_FOR, LIFETIME, Copies
from plugins.cart.models import Cart


class Unsteady(Redis):
    """The real one, with a switch that takes it away."""

    def __init__(self, redis: Redis) -> None:
        self._real, self.prefix, self.away = redis, redis.prefix, False

    async def call(self, *args: bytes) -> Any:
        if self.away:
            raise RedisDown("switched off")
        return await self._real.call(*args)


@pytest.fixture
def unsteady(redis: Redis) -> Unsteady:
    return Unsteady(redis)


@pytest.fixture
def copies(unsteady: Unsteady) -> Copies:
    return Copies(unsteady)


@pytest.fixture
def user_id() -> UserId:
    return UserId(uuid7())


def cart(version: int, *, read_at: float | None = None) -> Cart:
    return Cart(version=version, lines={}, updated_at=datetime.now(UTC), read_at=read_at or time.time())


async def test_a_copy_comes_back_as_it_was_stored(copies: Copies, user_id: UserId) -> None:
    await copies.put(user_id, cart(5), b'{"a":1}', b"17")
    found = await copies.get(user_id)
    assert found is not None
    assert (found.version, found.revision, found.json, found.trusted) == (5, b"17", b'{"a":1}', True)


async def test_an_older_version_never_replaces_a_newer_one(copies: Copies, user_id: UserId) -> None:
    newer, older = 1_795_338_702_305_861, 1_795_338_702_305_860
    await copies.put(user_id, cart(newer), b"newer", b"1")
    await copies.put(user_id, cart(older), b"older", b"2")
    found = await copies.get(user_id)
    assert found is not None
    assert found.json == b"newer"


async def test_the_same_version_at_another_revision_replaces_it(copies: Copies, user_id: UserId) -> None:
    await copies.put(user_id, cart(5), b"old price", b"1")
    await copies.put(user_id, cart(5), b"new price", b"2")
    found = await copies.get(user_id)
    assert found is not None
    assert found.json == b"new price"


async def test_a_copy_lives_seven_days(copies: Copies, redis: Redis, user_id: UserId) -> None:
    await copies.put(user_id, cart(5), b"{}", b"1")
    assert LIFETIME - 5 < await redis.call(b"TTL", redis.key(b"cart:", user_id)) <= LIFETIME


async def test_after_a_minute_a_copy_must_be_confirmed(copies: Copies, user_id: UserId) -> None:
    await copies.put(user_id, cart(5, read_at=time.time() - 61), b"{}", b"1")
    found = await copies.get(user_id)
    assert found is not None
    assert not found.trusted


async def test_a_dropped_copy_is_not_brought_back_by_an_answer_under_way(
    copies: Copies, redis: Redis, user_id: UserId
) -> None:
    await copies.put(user_id, cart(5), b"{}", b"1")
    await copies.drop(user_id)
    await copies.put(user_id, cart(6), b"{}", b"1")
    assert await copies.get(user_id) is None
    assert 0 < await redis.call(b"TTL", redis.key(b"cart:", user_id)) <= GONE_FOR


@pytest.mark.parametrize("value", [b"", b"{}", b"cart:somebody-else 1 1 1.0\n{}", b"a b c d\n{}"])
async def test_a_value_that_is_not_the_users_own_copy_does_not_count(
    copies: Copies, redis: Redis, user_id: UserId, value: bytes
) -> None:
    await redis.call(b"SET", redis.key(b"cart:", user_id), value)
    assert await copies.get(user_id) is None


async def test_a_key_of_another_type_does_not_count_either(copies: Copies, redis: Redis, user_id: UserId) -> None:
    await redis.call(b"LPUSH", redis.key(b"cart:", user_id), b"1")
    assert await copies.get(user_id) is None


async def test_with_redis_away_nothing_is_found_and_nothing_fails(
    copies: Copies, unsteady: Unsteady, user_id: UserId
) -> None:
    unsteady.away = True
    await copies.put(user_id, cart(5), b"{}", b"1")
    await copies.drop(user_id)
    assert await copies.get(user_id) is None


async def test_a_copy_that_redis_did_not_take_is_dropped_once_it_is_back(
    copies: Copies, unsteady: Unsteady, user_id: UserId
) -> None:
    await copies.put(user_id, cart(5), b"old", b"1")
    unsteady.away = True
    await copies.put(user_id, cart(6), b"new", b"1")
    unsteady.away = False
    assert await copies.get(user_id) is None, "the old one is there again, and must not be believed"
    await copies.make_good()
    other = Copies(unsteady)
    assert await other.get(user_id) is None, "nor by another replica"


async def test_making_good_waits_for_redis(copies: Copies, unsteady: Unsteady, user_id: UserId) -> None:
    await copies.put(user_id, cart(5), b"old", b"1")
    unsteady.away = True
    await copies.put(user_id, cart(6), b"new", b"1")
    await copies.make_good()
    unsteady.away = False
    assert await copies.get(user_id) is None


async def test_after_a_minute_an_unwritten_copy_is_not_kept_in_mind(
    copies: Copies, unsteady: Unsteady, user_id: UserId, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsteady.away = True
    await copies.put(user_id, cart(6), b"new", b"1")
    monkeypatch.setattr(module, "TRUSTED", -GONE_FOR - 1)
    await copies.make_good()
    unsteady.away = False
    await copies.put(user_id, cart(6), b"new", b"1")
    assert await copies.get(user_id) is not None
