"""A rotation while people work: two replicas on one database, and not one refused request."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from core import keys, keys_book
from core.app import App
from core.auth import TokenIssuer
from core.keys_book import KeyBook
from core.store.db import READ, Db
from core.store.pool import Pool
from core.testing import Person
from tests.conftest import NewDatabase
from tests.core.harness import Probe, running, settings_of
from tests.core.http.probe import ProbePlugin

POLL, SETTLE = 0.05, 1.5
SECRET = {"auth": {"secret": "r" * 40}}


class Crowd:
    """People who sign in on one replica and ask another, all the time, with new tokens and old ones."""

    def __init__(self, replicas: list[Probe]) -> None:
        self.replicas = replicas
        self.statuses: dict[int, int] = {}
        self.tokens: list[Person] = []
        self.busy = True

    async def work(self, turn: int) -> None:
        while self.busy:
            home, away = self.replicas[turn % 2], self.replicas[(turn + 1) % 2]
            person = home.person()
            self.tokens.append(person)
            for replica, token in ((away, person), (home, person), (away, self.tokens[len(self.tokens) // 2])):
                answer = await replica.get("/probe/mine", as_=token)
                self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            turn += 1


async def until_refused(replica: Probe, person: Person) -> float:
    began = time.monotonic()
    while (await replica.get("/probe/mine", as_=person)).status != 401:
        assert time.monotonic() - began < 10, "revoked <= 10 s"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def test_keys_rotate_under_load_without_a_401_and_a_revoked_one_ends_everywhere(
    new_database: NewDatabase, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "POLL", POLL)
    monkeypatch.setattr(keys_book, "SETTLE", SETTLE)
    settings = settings_of(await new_database(), redis_url, tmp_path, **SECRET)
    async with AsyncExitStack() as stack:
        replicas = []
        for _ in range(2):
            plugin = ProbePlugin()
            app = App(settings, [plugin])
            replicas.append(await stack.enter_async_context(running(app, plugin)))
        crowd = Crowd(replicas)
        first = replicas[0].person()
        people = [asyncio.create_task(crowd.work(turn)) for turn in range(4)]
        book = KeyBook(replicas[0].db, replicas[0].kernel.tokens, f"test:{uuid4()}")
        signed_with = []
        for algorithm in ("HS256", "HS512"):
            kid = await book.add(algorithm)
            await asyncio.sleep(SETTLE + 0.1)
            signed_with.append(await book.activate(kid))
        await asyncio.sleep(10 * POLL)
        crowd.busy = False
        await asyncio.gather(*people)
        assert set(crowd.statuses) == {200}
        assert crowd.statuses[200] > 50
        assert [key.state for key in await book.all()] == ["retired", "retired", "active"]

        last = replicas[1].person()
        for replica in replicas:
            assert (await replica.get("/probe/mine", as_=first)).status == 200, "its key is retired twice over"
        await book.revoke(signed_with[0])
        for replica in replicas:
            await until_refused(replica, first)
            assert (await replica.get("/probe/mine", as_=last)).status == 200


@pytest.mark.parametrize(("ago", "stale"), [(1.0, False), (5.0, True)])
async def test_a_ring_that_cannot_be_read_is_doubted_before_a_key_it_lacks_may_sign(*, ago: float, stale: bool) -> None:
    away = Db(Pool("postgresql://nobody@127.0.0.1:1/none", size=1, warm=0, connect=0.2, server={}), acquire=0.2)
    tokens = TokenIssuer("s" * 40, [], issuer="vurksha", audience="app", minutes=15)
    ring = keys.KeyRing(away, tokens)
    ring._read_at = time.monotonic() - ago
    await ring._refresh()
    assert tokens.stale is stale
    fails = 2 * (0.3 + READ)  # a connection is waited for, and a reading is tried twice
    assert keys.DOUBT + keys.POLL + fails < keys.SETTLE, "the next look may be as late as that"
