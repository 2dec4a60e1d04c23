"""Asks PostgreSQL four times a second, on a connection of its own, whether it lives (RELIABILITY 3).

Two times without an answer open the breaker and cut every connection, so that nobody waits out a time of their own for
a server that hangs. It sees a server return as soon, and keeps the pool's warm connections open.
"""

import asyncio
import logging
import time
from contextlib import suppress

import asyncpg

from core.resilience.breaker import Breaker, State
from core.store.connection import STAGGER, Connection
from core.store.faults import UNREACHABLE
from core.store.pool import Pool

EVERY, LIMIT = 0.25, 0.25
"""Seconds between questions, and for an answer or a connection."""
MISSES = 2
LAG = 0.1
"""Seconds by which our own loop may be late before its verdict on others is void."""
ASK = "SELECT current_setting('transaction_read_only') = 'on'"
log = logging.getLogger("core.db")


class Watch:
    """One replica's."""

    def __init__(self, pool: Pool, breaker: Breaker, *, every: float = EVERY, limit: float = LIMIT) -> None:
        self._pool, self._breaker, self._every, self._limit = pool, breaker, every, limit
        self._connection: Connection | None = None
        self._misses = 0
        self._read_only = False

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                await self.look()
                if not self._misses and self._breaker.state is State.CLOSED:
                    await self._fill()
                trying = self._breaker.state is State.HALF_OPEN and self._breaker.seen
                if self._misses != 1 and not trying:
                    await asyncio.sleep(self._every)
        finally:
            self._leave()

    async def look(self) -> None:
        """Ask once, and tell the breaker and the pool."""
        began = time.monotonic()
        alive = await self._ask()
        if alive is None:
            return
        if not alive and self._breaker.heard > began:  # others got their answers meanwhile
            self._misses = 0
            return
        self._misses = 0 if alive else self._misses + 1
        was = self._breaker.state
        self._breaker.probed(ok=alive)
        if self._misses >= MISSES and was is State.CLOSED:
            log.error("the database does not answer")
            self._breaker.trip()
        now = self._breaker.state
        if now is State.OPEN and not alive:
            self._pool.cut()
        elif now is State.CLOSED and was is not now:
            self._pool.resume()

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
