"""A replica among the others: its row in the database, its news over Redis, and what it hears of its peers.

Each store carries the news of the other's absence: who is cut off from one hears of its peers by the other.
"""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import asyncpg
import attrs
import orjson

from core.agreement import Code, disagreement
from core.http.health import PROBE_EVERY, Health, HealthCheck
from core.isolation.migrations import put_aside
from core.kernel import Kernel
from core.presence_rows import BEAT, JOIN, LEAVE, LIVE, LOOK, peer
from core.store import migrate
from core.store.connection import Connection
from core.store.redis import RedisDown, RedisRefused
from core.store.schema import Migration, unfit
from core.tasks import SILENCE, Tasks
from core.types import uuid7

NEWS = b"replicas"
"""The channel on which replicas tell each other what they reach."""
BEAT_EVERY = 2.0
FRESH = 4.0
"""Seconds that news of a peer counts for: less than `health.CUT_OFF_AFTER`, else news from before a cut would count."""
START_WAIT = 0.5
"""Seconds between looks at a database that is away or not migrated yet, and at replicas that disagree."""
BEAT_LIMIT = 0.5
UNWRITABLE = (asyncpg.ReadOnlySQLTransactionError, asyncpg.DiskFullError)
log = logging.getLogger("core.presence")


@attrs.frozen
class _News:
    """What a peer said last, and when, by our own monotonic clock."""

    at: float
    ready: bool
    up: frozenset[str]


class Presence:
    """Probes what the replica leans on, tells the others, and asks them before it serves."""

    def __init__(
        self, kernel: Kernel, code: Code, migrations: Sequence[Migration], checks: Iterable[HealthCheck] = ()
    ) -> None:
        """`checks` are the plugins'."""
        self.me, self.code = uuid7(), code
        self._pool, self._redis, self._migrations = kernel.db.pool, kernel.redis, migrations
        self._optional = kernel.guards.optional
        own = HealthCheck(name="postgres", check=self._look, vital=True, limit=kernel.settings.postgres.connect)
        redis = HealthCheck(name="redis", check=partial(kernel.redis.call, b"PING"), vital=True)
        self.health = Health([own, redis, *checks], code.version, self._elsewhere)
        self._who = (self.me, socket.gethostname(), os.getpid(), orjson.dumps(attrs.asdict(code)).decode())
        self._connection: Connection | None = None
        """The replica's own, so that no request waits for a probe and no probe for a request."""
        self._turn = asyncio.Lock()
        self._news: dict[str, _News] = {}
        self._rows = -1
        """Of kernel.migrations, when the schema was judged; -1 before."""
        self._told: tuple[object, ...] = ()
        self._next_beat = 0.0

    @asynccontextmanager
    async def opened(self, tasks: Tasks) -> AsyncIterator[None]:
        """Probe and tell while the block runs; then take the row away."""
        self._redis.subscribe(NEWS, self._hear)
        tasks.forever("presence", self._run, silence=SILENCE)
        try:
            yield
        finally:
            await tasks.stop(1.0)
            await self._leave()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await self.health.probe()
            await self._tell()
            await asyncio.sleep(max(0.1, PROBE_EVERY - (clock() - began)))

    # -- asking to serve

    async def admitted(self, then: Callable[[], Awaitable[None]]) -> None:
        """Wait, unready, until the database is there and migrated far enough and the others agree; then do `then`."""
        while why := await self._refusal(then):
            if self.health.because("start", why):
                log.warning("waiting to serve: %s", why)
            await asyncio.sleep(START_WAIT)
        self.health.because("start")

    async def _refusal(self, then: Callable[[], Awaitable[None]]) -> str:
        try:
            async with asyncio.timeout(migrate.CONNECT), self._asking() as connection:
                why = await self._schema(connection) or await self._join(connection)
            if not why:
                await then()
        except migrate.UNREACHABLE:
            why = "schema: not reachable"
        return why

    async def _schema(self, connection: Connection) -> str:
        applied = await migrate.applied_to(connection)
        aside = await put_aside(connection, self._optional)
        self._rows, why = len(applied), unfit(applied, [one for one in self._migrations if one.owner not in aside])
        return f"schema: {why}" if why else ""

    async def _join(self, connection: Connection) -> str:
        try:
            (row,) = await (await connection.statement(JOIN)).fetch(*self._who, sorted(self.health.reasons), LIVE)
        except UNWRITABLE:  # then nobody can be asked, and reads can be served all the same
            return ""
        me, *others = [peer(one) for one in orjson.loads(row["peers"])]
        why = disagreement(me, others)
        return f"agreement: {why}" if why else ""

    # -- while serving

    async def _look(self) -> None:
        """The health check of the database; also the clock, a schema that went on, and what peers say there."""
        async with self._asking() as connection:
            try:
                (row,) = await (await connection.statement(LOOK)).fetch(self.me, LIVE)
            except asyncpg.UndefinedTableError:  # there, but not migrated yet
                return
            self.health.skew(time.time() - row["now"])
            if self._rows not in (-1, row["rows"]) and "starting" not in self.health.reasons:
                why = await self._schema(connection)
                if self.health.because("schema", why):
                    log.error("this code no longer suits the %s", why) if why else None
        for one in orjson.loads(row["news"]):
            self._learn(one, one["age"])

    async def _tell(self) -> None:
        health = self.health
        up = sorted(name for name, outcome in health.outcomes.items() if outcome.up)
        state = (health.ready, sorted(health.reasons), up)
        with suppress(RedisDown, RedisRefused):
            await self._redis.publish(NEWS, orjson.dumps({"id": self.me, "ready": health.ready, "up": up}))
        now = time.monotonic()
        if self._rows < 0 or "postgres" not in up or (state == self._told and now < self._next_beat):
            return
        with suppress(*migrate.UNREACHABLE):
            async with asyncio.timeout(BEAT_LIMIT), self._asking() as connection:
                await (await connection.statement(BEAT)).fetch(*self._who, *state)
            self._told, self._next_beat = state, now + BEAT_EVERY

    def _hear(self, message: bytes) -> None:
        with suppress(ValueError, LookupError, TypeError):  # an empty one, or of a version that says it differently
            self._learn(orjson.loads(message), 0.0)

    def _learn(self, said: Any, age: float) -> None:
        now = time.monotonic()
        news = _News(now - age, said["ready"] is True, frozenset(said["up"]))
        known = self._news.get(said["id"])
        if said["id"] != str(self.me) and (known is None or news.at > known.at):
            self._news = {peer: one for peer, one in self._news.items() if now - one.at <= FRESH}
            self._news[said["id"]] = news

    def _elsewhere(self, name: str) -> bool:
        """Whether a peer that serves reaches this dependency."""
        oldest = time.monotonic() - FRESH
        return any(news.ready and name in news.up for news in self._news.values() if news.at >= oldest)

    # -- the connection

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[Connection]:
        """The connection, made anew where there is none; cut when anything goes wrong on it."""
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._pool.dial(migrate.CONNECT)
            try:
                yield self._connection
            except BaseException:
                connection, self._connection = self._connection, None
                connection.terminate()
                raise

    async def _leave(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            with suppress(*migrate.UNREACHABLE):
                async with asyncio.timeout(BEAT_LIMIT), self._asking() as connection:
                    await connection.execute(LEAVE, self.me)
                    await connection.close()
