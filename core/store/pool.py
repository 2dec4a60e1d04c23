"""A bounded pool of asyncpg connections that hold their prepared statements.

asyncpg's own pool resets each connection on release and wraps each acquire in a task; measured, that costs three times
the query itself (ADR 4). This one forbids session state instead, so nothing needs a reset.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import NoReturn

from core.context import remaining
from core.resilience.rank import Rank, rank
from core.store.connection import Connection, Dialler

__all__ = ["Connection", "Pool", "PoolTimeout"]

GOODBYE = 1.0
"""Seconds that a connection has to close politely."""
PAUSE = 1.0
"""Seconds after a connect that failed in which nobody tries another: with the server away, all but one fail at once."""
IDLE = 60.0
"""Seconds after which a connection that nobody needed is closed, while there are more than should be warm."""
VITAL_ACQUIRE = 0.5
"""Seconds that vital work waits for a connection (RELIABILITY 3)."""
Turn = asyncio.Future[Connection | None]


class PoolTimeout(Exception):
    """No connection became free in time."""


class Pool:
    """At most `size` connections, last used first, so that a warm backend answers.

    `opened` counts slots: connections that are free, in use or being made. Who waits is handed a connection, or a slot
    that stays counted on the way, so that nobody who comes later takes it and the bound holds.
    """

    def __init__(
        self, dsn: str, *, size: int, warm: int, connect: float, server: Mapping[str, str], reserve: int = 0
    ) -> None:
        """`connect` is in seconds; `server` are settings that each session starts with.

        Vital work finds `reserve` connections that others leave alone, open or still to be opened.
        """
        self.size, self._warm, self._connect = size, warm, connect
        self._dialler = Dialler(dsn, server)
        self._reserve, self._scarce = reserve, False
        self._free: deque[Connection] = deque()
        self._all: set[Connection] = set()
        self._waiting: deque[Turn] = deque()
        self._urgent: deque[Turn] = deque()
        self._least = self._spare = 0
        """Fewest that were free in this span of IDLE seconds; and how many of those of the last one may go."""
        self._span = time.monotonic()
        self._era = 0
        self.opened = 0
        self._closed = False
        self._pause_until = float("-inf")

    @property
    def dsn(self) -> str:
        """Where the server is, or several of which one takes writes."""
        return self._dialler.dsn

    @dsn.setter
    def dsn(self, dsn: str) -> None:
        self._dialler = Dialler(dsn, self._dialler.server)

    @property
    def hosts(self) -> int:
        """How many hosts the URL names."""
        return len(self._dialler.hosts)

    async def dial(self, seconds: float) -> Connection:
        """A connection beside the pool's, for who watches the server."""
        return await self._dialler.dial(seconds)

    async def open(self) -> None:
        """Open the connections that should be warm; raises if there is no server, and then leaves none open."""
        self._closed = False
        try:
            await self.fill(self._warm)
        except BaseException:
            self.renew()
            raise

    async def fill(self, count: int | None = None) -> None:
        """Have so many connections, by default those that should be warm and the reserve; raises without a server."""
        while self.opened < min(self._warm + self._reserve if count is None else count, self.size) and not self._closed:
            self.opened += 1
            self.release(await self._new())

    async def shrink(self, seconds: float) -> None:
        """Close one that nobody has needed for long, within `seconds`. To be called often: a rush leaves many."""
        now = time.monotonic()
        if now - self._span >= IDLE:
            self._span, self._spare, self._least = now, self._least, len(self._free)
        if min(self._spare, len(self._free), self.opened - self._warm - self._reserve) <= 0:
            return
        self._spare -= 1
        idle = self._free.popleft()  # used longest ago
        try:
            await asyncio.gather(idle.close(timeout=seconds), return_exceptions=True)
        finally:
            self._drop(idle)

    async def _new(self) -> Connection:
        """A connection for a slot that the caller holds."""
        limit, era = remaining(self._connect), self._era
        try:
            made = await self._dialler.dial(limit)
        except BaseException as error:
            hurried = limit < self._connect  # the caller's haste says nothing of the server
            if isinstance(error, Exception) and not (hurried and isinstance(error, TimeoutError)):
                self._pause_until = time.monotonic() + PAUSE
                self._scarce = True
            self._free_slot()
            raise
        made.era = era
        self._all.add(made)
        self._scarce = False
        if self._closed:
            self.release(made)
            raise PoolTimeout("the pool is closed")
        return made

    def take(self) -> Connection | None:
        """A free connection that this caller may have, if there is one."""
        if len(self._free) <= self._reserve and not self._may_empty():
            return None
        while self._free:
            connection = self._free.pop()
            self._least = min(self._least, len(self._free))
            if not connection.is_closed():
                return connection
            self._drop(connection)
        return None

    def _may_empty(self) -> bool:
        """Whether the reserve is for this caller: vital work, or the only one while no more are to be had."""
        return rank.get() >= Rank.VITAL or (self._scarce and self.opened == len(self._free))

    async def acquire(self, timeout: float) -> Connection:  # noqa: ASYNC109  the pool's own bound: every acquire has one
        """A connection, waited for at most `timeout` seconds and what it takes to connect, or PoolTimeout."""
        connection = self.take()
        if connection is not None:
            return connection
        if self._closed:
            raise PoolTimeout("the pool is closed")
        vital = rank.get() >= Rank.VITAL
        missing = 0 if vital else max(0, self._reserve - len(self._free))
        if self.opened + missing < self.size and not self._pausing():
            self.opened += 1
            return await self._new()
        given = await self._turn(timeout, vital=vital) if self.opened else self._refuse()
        if given is not None:
            return given
        if self._pausing():
            self._free_slot()
            self._refuse()
        return await self._new()

    def _pausing(self) -> bool:
        return time.monotonic() < self._pause_until

    @staticmethod
    def _refuse() -> NoReturn:
        raise PoolTimeout("the database took no connection a moment ago")

    async def _turn(self, timeout: float, *, vital: bool) -> Connection | None:  # noqa: ASYNC109  as above
        """Wait in line: a connection, or a slot (None)."""
        loop = asyncio.get_running_loop()
        turn: Turn = loop.create_future()
        line = self._urgent if vital else self._waiting
        line.append(turn)
        timer = loop.call_later(remaining(max(timeout, VITAL_ACQUIRE) if vital else timeout), self._expire, turn, line)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # given in the same moment
                self._return(turn.result())
            raise
        finally:
            timer.cancel()

    @staticmethod
    def _expire(turn: Turn, line: deque[Turn]) -> None:
        if not turn.done():
            turn.set_exception(PoolTimeout("no database connection became free in time"))
        while line and line[0].done():  # else they would pile up while no connection comes back
            del line[0]

    def release(self, connection: Connection, *, broken: bool = False) -> None:
        """Give a connection back. One that failed, timed out or is inside a transaction is cut, not closed politely."""
        if (
            broken
            or self._closed
            or connection.era != self._era
            or connection.is_closed()
            or connection.is_in_transaction()
        ):
            connection.terminate()
            self._drop(connection)
        elif not ((self._waiting or self._urgent) and self._pass_on(connection)):
            self._free.append(connection)

    def _return(self, given: Connection | None) -> None:
        if given is None:
            self._free_slot()
        else:
            self.release(given)

    def _drop(self, connection: Connection) -> None:
        self._all.discard(connection)
        self._free_slot()

    def _free_slot(self) -> None:
        if not self._pass_on(None):
            self.opened -= 1

    def _pass_on(self, given: Connection | None) -> bool:
        """Give a connection, or a slot to open one in, to who has waited longest; what is vital comes first."""
        if given is None:
            common = self.opened + max(0, self._reserve - len(self._free)) <= self.size
        else:
            common = len(self._free) >= self._reserve or (self._scarce and self.opened == len(self._free) + 1)
        for line in (self._urgent, self._waiting) if common else (self._urgent,):
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_result(given)
                    return True
        return False

    def renew(self) -> None:
        """Leave every connection that there is: a free one now, one in use when it comes back."""
        self._era += 1
        while self._free:
            self.release(self._free.pop())

    def cut(self) -> None:
        """End every connection, also those in use, and turn away who waits: the server says nothing any more."""
        self.renew()
        for connection in tuple(self._all):
            connection.terminate()
        self._turn_away("the database does not answer")

    def resume(self) -> None:
        """The server answers: connect again."""
        self._pause_until = float("-inf")

    async def close(self) -> None:
        """Turn away who waits and close what is free; what is in use is cut on its release."""
        self._closed = True
        self._turn_away("the pool is closed")
        idle = list(self._free)
        self._free.clear()
        self.opened -= len(idle)
        self._all.difference_update(idle)
        # A connection that cannot say goodbye is cut by asyncpg: nothing is left to do about it.
        await asyncio.gather(*(connection.close(timeout=GOODBYE) for connection in idle), return_exceptions=True)

    def _turn_away(self, why: str) -> None:
        for line in (self._urgent, self._waiting):
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_exception(PoolTimeout(why))

    @property
    def waiting(self) -> int:
        """Callers in line for a connection."""
        return len(self._waiting) + len(self._urgent)

    @property
    def free(self) -> int:
        """Connections that nobody uses."""
        return len(self._free)
