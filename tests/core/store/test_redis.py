import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from core.resilience.breaker import State
from core.store.pipe import pack
from core.store.redis import Redis, RedisDown, RedisRefused
from tests.core.valkey import Valkey


@pytest.fixture
async def redis(server: Valkey) -> AsyncIterator[Redis]:
    """One that bears with a busy machine."""
    server.start()
    made = Redis(server.url, prefix=b"t:", probe=0.1, connect=1.0, command=1.0)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def strict(server: Valkey) -> AsyncIterator[Redis]:
    """One with the promised 50 ms."""
    server.start()
    made = Redis(server.url, prefix=b"t:", probe=0.1, connect=1.0)
    await made.open()
    yield made
    await made.close()


async def until(holds: Callable[[], bool], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.01)


async def refused(redis: Redis, *args: bytes) -> float:
    """The seconds it took to be told that Redis is down."""
    began = time.monotonic()
    with pytest.raises(RedisDown):
        await redis.call(*args)
    return time.monotonic() - began


async def test_replies_go_to_their_callers_in_order(redis: Redis) -> None:
    numbers = [b"%d" % n for n in range(500)]
    assert await asyncio.gather(*(redis.call(b"ECHO", n) for n in numbers)) == numbers


async def test_concurrent_callers_share_a_write(redis: Redis) -> None:
    async def reads() -> int:
        info = (await redis.call(b"INFO", b"stats")).decode()
        return int(next(line for line in info.splitlines() if line.startswith("total_reads_processed")).split(":")[1])

    before = await reads()
    await asyncio.gather(*(redis.call(b"PING") for _ in range(200)))
    assert await reads() - before <= 4


async def test_a_binary_value_comes_back_as_it_was_and_a_missing_one_as_none(redis: Redis) -> None:
    key, value = redis.key(b"thing:", 7), bytes(range(256)) * 400
    await redis.call(b"SET", key, value)
    assert key == b"t:thing:7"
    assert await redis.call(b"GET", key) == value
    assert await redis.call(b"GET", redis.key("nothing")) is None


async def test_a_refused_command_is_the_callers_error_and_harms_nobody_else(redis: Redis) -> None:
    calls = [redis.call(b"ECHO", b"1"), redis.call(b"NO-SUCH-COMMAND"), redis.call(b"ECHO", b"2")]
    good, bad, also = await asyncio.gather(*calls, return_exceptions=True)
    assert (good, also) == (b"1", b"2")
    assert isinstance(bad, RedisRefused)
    assert redis.connected


async def test_a_server_without_memory_counts_as_down(redis: Redis) -> None:
    await redis.call(b"CONFIG", b"SET", b"maxmemory", b"1")
    await refused(redis, b"SET", redis.key("a"), b"1")
    await redis.call(b"CONFIG", b"SET", b"maxmemory", b"0")
    assert await redis.call(b"SET", redis.key("a"), b"1") == b"OK"


async def test_a_server_that_became_a_replica_is_left_and_tried_again(redis: Redis) -> None:
    await redis.call(b"REPLICAOF", b"127.0.0.1", b"1")
    await refused(redis, b"SET", redis.key("a"), b"1")
    await until(lambda: redis.connected)
    await redis.call(b"REPLICAOF", b"NO", b"ONE")
    assert await redis.call(b"SET", redis.key("a"), b"1") == b"OK"


async def test_a_cancelled_caller_does_not_shift_the_replies_of_others(redis: Redis) -> None:
    first = asyncio.ensure_future(redis.call(b"ECHO", b"first"))
    second = asyncio.ensure_future(redis.call(b"ECHO", b"second"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == b"second"
    assert await redis.call(b"ECHO", b"third") == b"third"


async def test_a_hung_server_costs_the_first_callers_55_ms_and_nobody_after_them(strict: Redis, server: Valkey) -> None:
    await strict.call(b"PING")
    server.freeze()
    try:
        waits = await asyncio.gather(*(refused(strict, b"PING") for _ in range(50)))
        assert 0.045 < max(waits) <= 0.055 * 3  # a busy machine's, not the promise's
        assert strict.breaker.state is State.OPEN
        for _ in range(40):
            assert await refused(strict, b"PING") < 0.005
            await asyncio.sleep(
                0.01
            )  # long enough for several probes, which a stopped server takes but does not answer
    finally:
        server.thaw()
    await until(lambda: strict.connected)
    assert await strict.call(b"ECHO", b"back") == b"back"


async def test_a_server_that_answers_probes_but_no_commands_costs_its_time_once_a_breaker_period(
    strict: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    periods: list[float] = []
    for expected in (1.0, 2.0):
        began = time.monotonic()
        assert await refused(strict, b"BLPOP", b"nothing", b"0.4") > 0.045
        assert strict.breaker.state is State.OPEN
        while not strict.connected:
            assert await refused(strict, b"PING") < 0.02
            await asyncio.sleep(0.01)
        periods.append(time.monotonic() - began)
        assert 0.8 * expected <= periods[-1] < 0.8 * expected + 1.5
    assert strict.breaker.state is State.CLOSED
    assert await strict.call(b"ECHO", b"back") == b"back"


async def test_a_loop_that_was_late_does_not_blame_redis(strict: Redis) -> None:
    reply = asyncio.ensure_future(strict.call(b"ECHO", b"here"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(0.12)
    assert await reply == b"here"
    assert strict.connected


async def test_a_killed_server_fails_who_waits_and_is_found_again(redis: Redis, server: Valkey) -> None:
    await redis.call(b"SET", redis.key("a"), b"1")
    server.freeze()
    waiting = asyncio.ensure_future(refused(redis, b"PING"))
    await asyncio.sleep(0)
    server.kill()
    assert await waiting < 0.05
    assert await refused(redis, b"PING") < 0.005
    server.start()
    await until(lambda: redis.connected)
    assert await redis.call(b"GET", redis.key("a")) is None


async def test_an_absent_server_does_not_fail_the_start(server: Valkey) -> None:
    redis = Redis(server.url, probe=0.05)
    began = time.monotonic()
    await redis.open()
    assert time.monotonic() - began < 0.2
    assert await refused(redis, b"PING") < 0.005
    server.start()
    await until(lambda: redis.connected)
    assert await redis.call(b"PING") == b"PONG"
    await redis.close()
    assert await refused(redis, b"PING") < 0.005


async def test_more_waiting_commands_than_allowed_are_refused_at_once(server: Valkey) -> None:
    server.start()
    redis = Redis(server.url, most_waiting=10, connect=1.0, command=1.0)
    await redis.open()
    results = await asyncio.gather(*(redis.call(b"PING") for _ in range(12)), return_exceptions=True)
    assert [type(r) for r in results].count(RedisDown) == 2
    assert await redis.call(b"PING") == b"PONG"
    await redis.close()


async def test_a_script_is_loaded_again_when_the_server_forgot_it(redis: Redis) -> None:
    script = redis.script(b"return {KEYS[1], ARGV[1]}")
    assert await script([b"k"], [b"v"]) == [b"k", b"v"]
    await redis.call(b"SCRIPT", b"FLUSH")
    assert await script([b"k"], [b"w"]) == [b"k", b"w"]
    assert await script([b"k"], [b"x"]) == [b"k", b"x"]


async def test_a_message_reaches_every_handler_of_its_channel_even_past_one_that_fails(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[bytes] = []

    def fails(_: bytes) -> None:
        raise ValueError("no")

    redis.subscribe(b"news", fails)
    redis.subscribe(b"news", heard.append)
    await until(lambda: b"" in heard)
    await redis.publish(b"news", b"hello")
    await redis.publish(b"other", b"not for us")
    await until(lambda: b"hello" in heard)
    assert heard[-1] == b"hello"
    assert "a handler of t:news failed" in caplog.text


@pytest.mark.parametrize("fault", ["restart", "client kill", "hang"])
async def test_after_a_break_handlers_are_told_to_look_again(redis: Redis, server: Valkey, fault: str) -> None:
    heard: list[bytes] = []
    redis.subscribe(b"news", heard.append)
    await until(lambda: heard == [b""])
    if fault == "restart":
        server.kill()
        server.start()
    elif fault == "hang":
        server.freeze()
        await asyncio.sleep(2.5)
        server.thaw()
    else:
        await redis.call(b"CLIENT", b"KILL", b"TYPE", b"pubsub")
    await until(lambda: heard == [b"", b""])
    await until(lambda: redis.connected)
    await redis.publish(b"news", b"again")
    await until(lambda: heard[-1] == b"again")


async def test_a_quiet_channel_keeps_its_connection(redis: Redis) -> None:
    heard: list[bytes] = []
    redis.subscribe(b"news", heard.append)
    await until(lambda: heard == [b""])
    await asyncio.sleep(2.3)
    await redis.publish(b"news", b"still here")
    await until(lambda: heard == [b"", b"still here"])


def test_a_command_is_packed_as_redis_reads_it() -> None:
    assert pack(b"GET", b"a b") == b"*2\r\n$3\r\nGET\r\n$3\r\na b\r\n"
