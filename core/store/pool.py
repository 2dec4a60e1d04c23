"""A bounded pool of asyncpg connections that hold their prepared statements.

asyncpg's own pool resets each connection on release and wraps each acquire in a task; measured, that costs three times
the query itself (ADR 4). This one forbids session state instead, so nothing needs a reset.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

import asyncpg

from core.context import remaining

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    Base = asyncpg.Connection[Any]
else:
    Base = asyncpg.Connection  # generic in its stubs only

MAX_HELD = 200
"""Prepared statements a connection keeps; the code has fewer constants than this."""
GOODBYE = 1.0
"""Seconds that a connection has to close politely."""
PAUSE = 1.0
"""Seconds after a connect that failed in which nobody tries another: with the server away, all but one fail at once."""


class Connection(Base):
    """A connection with the statements that were prepared on it, by their SQL."""

    __slots__ = ("_names", "held")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held: dict[str, PreparedStatement[Any]] = {}
        self._names = count()

    async def statement(self, sql: str) -> "PreparedStatement[Any]":
        """The prepared form of a SQL constant, made at its first use here."""
        found = self.held.get(sql)
        if found is None:
            # With asyncpg's own cache off a statement without a name is the unnamed one: parsed again at every use.
            found = await self.prepare(sql, name=f"held_{next(self._names)}", timeout=remaining(1.0))
            if len(self.held) >= MAX_HELD:
                self.held.clear()
            self.held[sql] = found
        return found


class PoolTimeout(Exception):
    """No connection became free in time."""


class Pool:
    """At most `size` connections, last used first, so that a warm backend answers.

    `opened` counts slots: connections that are free, in use or being made. Who waits is handed a connection, or a slot
    that stays counted on the way, so that nobody who comes later takes it and the bound holds.
    """

    def __init__(self, dsn: str, *, size: int, warm: int, connect: float, server: Mapping[str, str]) -> None:
        """`connect` is in seconds; `server` are settings that each session starts with."""
        self.dsn, self.size, self._warm, self._connect, self._server = dsn, size, warm, connect, dict(server)
        self._free: deque[Connection] = deque()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self.opened = 0
        self._closed = False
        self._pause_until = float("-inf")

    async def open(self) -> None:
        """Open the connections that should be warm; raises if there is no server, and then leaves none open."""
        self._closed = False
        try:
            while self.opened < min(self._warm, self.size):
                self.opened += 1
                self._free.append(await self._new())
        except BaseException:
            while self._free:
                self.release(self._free.pop(), broken=True)
            raise

    async def _new(self) -> Connection:
        """A connection for a slot that the caller holds."""
        limit = remaining(self._connect)
        try:
            made: Connection = await asyncpg.connect(
                self.dsn,
                connection_class=Connection,
                timeout=limit,
                server_settings=self._server,
                statement_cache_size=0,
            )
        except BaseException as error:
            hurried = limit < self._connect  # the caller's haste says nothing of the server
            if isinstance(error, Exception) and not (hurried and isinstance(error, TimeoutError)):
                self._pause_until = time.monotonic() + PAUSE
            self._free_slot()
            raise
        if self._closed:
            self.release(made)
            raise PoolTimeout("the pool is closed")
        return made

    async def acquire(self, timeout: float) -> Connection:  # noqa: ASYNC109  the pool's own bound: every acquire has one
        """A connection, waited for at most `timeout` seconds and what it takes to connect, or PoolTimeout."""
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
            self._free_slot()
        if self._closed:
            raise PoolTimeout("the pool is closed")
        if self.opened < self.size and not self._pausing():
            self.opened += 1
            return await self._new()
        given = await self._turn(timeout) if self.opened else self._refuse()
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

    async def _turn(self, timeout: float) -> Connection | None:  # noqa: ASYNC109  as above
        """Wait in line: a connection, or a slot (None)."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(remaining(timeout), self._expire, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # given in the same moment
                self._return(turn.result())
            raise
        finally:
            timer.cancel()

    def _expire(self, turn: "asyncio.Future[Connection | None]") -> None:
        if not turn.done():
            turn.set_exception(PoolTimeout("no database connection became free in time"))
        while self._waiting and self._waiting[0].done():  # else they would pile up while no connection comes back
            del self._waiting[0]

    def release(self, connection: Connection, *, broken: bool = False) -> None:
        """Give a connection back. One that failed, timed out or is inside a transaction is cut, not closed politely."""
        if broken or self._closed or connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
            self._free_slot()
        elif not self._pass_on(connection):
            self._free.append(connection)

    def _return(self, given: Connection | None) -> None:
        if given is None:
            self._free_slot()
        else:
            self.release(given)

    def _free_slot(self) -> None:
        if not self._pass_on(None):
            self.opened -= 1

    def _pass_on(self, given: Connection | None) -> bool:
        """Give a connection, or a slot to open one in, to who has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(given)
                return True
        return False

    async def close(self) -> None:
        """Turn away who waits and close what is free; what is in use is cut on its release."""
        self._closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(PoolTimeout("the pool is closed"))
        idle = list(self._free)
        self._free.clear()
        self.opened -= len(idle)
        # A connection that cannot say goodbye is cut by asyncpg: nothing is left to do about it.
        await asyncio.gather(*(connection.close(timeout=GOODBYE) for connection in idle), return_exceptions=True)

    @property
    def free(self) -> int:
        """Connections that nobody uses."""
        return len(self._free)
