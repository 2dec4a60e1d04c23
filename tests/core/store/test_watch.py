"""What the watch makes of what it sees; tests of real outages are in test_faults."""

import asyncio
import time
from typing import Any, cast

import asyncpg
import pytest

from core.resilience.breaker import Breaker, State
from core.store.pool import Pool
from core.store.watch import OVERDUE, Watch


class Server:
    """A pool and its server, as the watch sees them."""

    hosts = 1

    def __init__(self) -> None:
        self.answers: Any = False
        self.said: list[str] = []
        self.asked = 0

    async def dial(self, seconds: float) -> "Server":
        self.asked += 1
        if callable(self.answers):
            await self.answers()
        if isinstance(self.answers, Exception):
            raise self.answers
        return self

    async def statement(self, sql: str) -> "Server":
        return self

    async def fetchval(self) -> bool:
        if isinstance(self.answers, Exception):
            raise self.answers
        return bool(self.answers is True)

    def is_closed(self) -> bool:
        return False

    async def fill(self) -> None:
        self.said.append("fill")

    def __getattr__(self, name: str) -> Any:
        return lambda: self.said.append(name)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def breaker() -> Breaker:
    return Breaker("thing", slow=1, longest=2)


@pytest.fixture
def watch(server: Server, breaker: Breaker) -> Watch:
    return Watch(cast("Pool", server), breaker, every=0.01, limit=0.02)


async def test_two_misses_open_the_breaker_and_cut_the_pool_and_three_answers_close_it(
    server: Server, breaker: Breaker, watch: Watch
) -> None:
    await watch.look()
    server.answers = ConnectionResetError()
    await watch.look()
    assert breaker.state is State.CLOSED
    await watch.look()
    assert (breaker.state, server.said) == (State.OPEN, ["terminate", "cut"])
    server.answers = False
    for _ in range(3):
        await watch.look()
    assert (breaker.state, server.said[-1]) == (State.CLOSED, "resume")


async def test_a_miss_is_void_when_others_got_their_answers(server: Server, breaker: Breaker, watch: Watch) -> None:
    async def others() -> None:
        breaker.succeeded(breaker.enter())
        raise ConnectionResetError

    server.answers = others
    for _ in range(5):
        await watch.look()
    assert breaker.state is State.CLOSED


async def test_a_miss_is_void_when_the_loop_itself_was_late(server: Server, breaker: Breaker, watch: Watch) -> None:
    async def late() -> None:
        until = time.monotonic() + 0.15
        while time.monotonic() < until:
            pass
        raise TimeoutError

    server.answers = late
    for _ in range(5):
        await watch.look()
    assert breaker.state is State.CLOSED


async def test_a_server_that_is_full_lives(server: Server, breaker: Breaker, watch: Watch) -> None:
    server.answers = asyncpg.TooManyConnectionsError("sorry")
    for _ in range(5):
        await watch.look()
    assert breaker.state is State.CLOSED


async def test_a_demoted_primary_is_left_once(server: Server, watch: Watch) -> None:
    server.answers = True
    for _ in range(3):
        await watch.look()
    assert server.said == ["renew", "terminate"]


async def test_a_breaker_that_calls_must_try_does_not_make_the_watch_ask_without_rest(
    server: Server, breaker: Breaker, watch: Watch
) -> None:
    for _ in range(5):
        breaker.failed(breaker.enter())
    breaker._half_open(0.0)
    assert breaker.state is State.HALF_OPEN
    running = asyncio.ensure_future(watch.run())
    server.answers = asyncpg.TooManyConnectionsError("sorry")
    await asyncio.sleep(0.2)
    running.cancel()
    await asyncio.wait([running])
    assert 1 <= server.asked <= 25


async def test_while_all_is_well_the_pool_is_kept_filled(server: Server, watch: Watch) -> None:
    running = asyncio.ensure_future(watch.run())
    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.wait([running])
    assert set(server.said[:-1]) == {"fill"}
    assert server.said[-1] == "terminate"


async def test_an_overdue_answer_is_told_at_once_and_the_next_one_too(server: Server, breaker: Breaker) -> None:
    told: list[bool] = []

    def hears(*, primary: bool) -> None:
        told.append(primary)

    watch = Watch(cast("Pool", server), breaker, hears, limit=OVERDUE + 0.1)

    async def hang() -> None:
        await asyncio.sleep(5)

    server.answers = hang
    asking = asyncio.create_task(watch.look())
    await asyncio.sleep(OVERDUE + 0.05)
    assert (told, asking.done()) == ([False], False)
    await asking
    assert told == [False, False]
    server.answers = False
    await watch.look()
    assert told == [False, False, True]


async def test_an_overdue_answer_is_no_news_while_others_get_theirs(server: Server, breaker: Breaker) -> None:
    told: list[bool] = []

    def hears(*, primary: bool) -> None:
        told.append(primary)

    async def others() -> None:
        breaker.succeeded(breaker.enter())
        await asyncio.sleep(5)

    server.answers = others
    await Watch(cast("Pool", server), breaker, hears, limit=OVERDUE + 0.1).look()
    assert told == [True]
