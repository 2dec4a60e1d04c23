"""Asks PostgreSQL ten times a second, on a connection of its own, whether it lives (RELIABILITY 3).

While an answer is overdue, reads that a standby can answer are called away to it. Two times without an answer open the
breaker and cut every connection, so that nobody waits out a time of their own for a server that hangs. It sees a server
return as soon, keeps the pool's warm connections open, and closes those that a rush left behind.
"""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Protocol

import asyncpg

from core.resilience.breaker import Breaker, State
from core.store.connection import STAGGER, Connection
from core.store.faults import UNREACHABLE
from core.store.pool import Pool
from core.store.tx import LAG

EVERY, LIMIT = 0.1, 0.25
"""Seconds between questions, and for an answer or a connection."""
OVERDUE = 0.15
"""Seconds without an answer, to this question or to anybody, after which the server counts as silent."""
MISSES = 2
ASK = "SELECT current_setting('transaction_read_only') = 'on'"
log = logging.getLogger("core.db")


class Hears(Protocol):
    """Told whether the server answers anybody."""

    def __call__(self, *, primary: bool) -> None:
        """Called for every question."""


class Watch:
    """One replica's."""

    def __init__(
        self, pool: Pool, breaker: Breaker, hears: Hears | None = None, *, every: float = EVERY, limit: float = LIMIT
    ) -> None:
        """`hears` is told after each question whether the server answers, and when an answer is overdue."""
        self._pool, self._breaker, self._every, self._limit = pool, breaker, every, limit
        self._hears = hears
        self._connection: Connection | None = None
        self._misses = 0
        self._read_only = False
        self._why = ""
        """What the last question met in place of an answer."""

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                await self.look()
                if not self._misses and self._breaker.state is State.CLOSED:
                    await self._fill()
                    await self._pool.shrink(self._limit)
                trying = self._breaker.state is State.HALF_OPEN and self._breaker.seen
                if self._misses != 1 and not trying:
                    await asyncio.sleep(self._every)
        finally:
            self._leave()

    async def look(self) -> None:
        """Ask once, and tell the breaker and the pool."""
        began = time.monotonic()
        overdue = asyncio.get_running_loop().call_later(OVERDUE, self._tell, began)
        try:
            alive = await self._ask()
        finally:
            overdue.cancel()
        if alive is None:
            return
        alive_to_others = self._breaker.heard > began
        if self._hears is not None:
            self._hears(primary=alive or alive_to_others)
        if not alive and alive_to_others:
            self._misses = 0
            return
        self._misses = 0 if alive else self._misses + 1
        was = self._breaker.state
        self._breaker.probed(ok=alive)
        if self._misses >= MISSES and was is State.CLOSED:
            log.error("the database does not answer: %s", self._why)
            self._breaker.trip()
        now = self._breaker.state
        if now is State.OPEN and not alive:
            self._pool.cut()
        elif now is State.CLOSED and was is not now:
            self._pool.resume()

    def _tell(self, began: float) -> None:
        """The answer to the question asked at `began` is overdue."""
        if self._hears is not None and self._breaker.heard <= began:
            self._hears(primary=False)

    async def _ask(self) -> bool | None:
        """Whether there was an answer; None when we cannot tell."""
        began = time.monotonic()
        limit = self._limit + STAGGER * (self._pool.hosts - 1)
        try:
            async with asyncio.timeout(limit):
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._pool.dial(limit)
                read_only = await (await self._connection.statement(ASK)).fetchval()
        except asyncpg.TooManyConnectionsError:
            return True  # it says no, but it says so
        except UNREACHABLE as error:
            late = time.monotonic() - began > limit + LAG
            self._why = (str(error) if isinstance(error, OSError) else "") or type(error).__name__
            self._leave()
            return None if late and isinstance(error, TimeoutError) else False
        self._note(read_only=read_only)
        return True

    def _note(self, *, read_only: bool) -> None:
        """A primary that was demoted is left, with every connection to it."""
        if read_only and not self._read_only:
            log.warning("the database takes no writes")
            self._pool.renew()
            self._leave()
        self._read_only = read_only

    async def _fill(self) -> None:
        """Replace what broke: vital work finds its connections open."""
        with suppress(*UNREACHABLE):
            await self._pool.fill()

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
