"""PostgreSQL as services see it: a read, a command, or a transaction that carries its events.

SQL is a constant beside the method that runs it, typed LiteralString so that no f-string gets in. Two breakers keep an
outage short for who asks: one of the server, one of its writes, which a full disk or a demotion ends while reads go on.
A read is asked once more when its connection broke; what PostgreSQL undid is tried up to three times (RELIABILITY 3).
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString, TypeVar

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from core import faultpoints
from core.context import deadline, leave_time, remaining
from core.errors import UNAVAILABLE, Problem
from core.observe import tracing, tracing_kinds
from core.observe.spent import Spending
from core.resilience.breaker import Breaker, Open
from core.resilience.retry import RetryBudget, pause
from core.store.faults import BROKEN, OUTDATED, UNREACHABLE, UNWRITABLE, Lost, NotReached, Refused, RolledBack, counts
from core.store.faults import translated as told
from core.store.pool import Connection, Pool, PoolTimeout
from core.store.standby import Standby
from core.store.tx import LAG, TELLING, WRITE, Row, Tx, committed, tells
from core.store.watch import Watch

__all__ = ["UNREACHABLE", "Connection", "Db", "Lost", "NotReached", "Refused", "RolledBack", "Row", "Tx"]

T = TypeVar("T")
READ = 1.5
"""Seconds a read may take (RELIABILITY 3)."""
SLOW = 1.0
"""Seconds from which a call is a slow one to the breaker."""
LONGEST = 2.0
"""Seconds that a breaker of PostgreSQL stays open at most."""
TRIES = 3
"""Of a transaction that PostgreSQL keeps undoing."""
ROOM = 0.2
"""Seconds of the deadline that must be left for another try."""
RENEW = 1.0
"""Seconds between two times that all connections are left: a server that stays read-only gains nothing by it."""
log = logging.getLogger("core.db")


class Db:
    """The pool, as an object that services hold before it is open."""

    def __init__(self, pool: Pool, *, acquire: float = 0.3, standby: Standby | None = None) -> None:
        self.pool, self._acquire, self.standby = pool, acquire, standby
        self.breaker = Breaker("postgres", slow=SLOW, longest=LONGEST)
        self.writes = Breaker("postgres writes", slow=float("inf"), longest=LONGEST)
        self.watch = Watch(pool, self.breaker, standby.hear if standby else None)
        """To be kept running while the process serves."""
        self._budget = RetryBudget(lambda: self.breaker.counts[0])
        self._renewed = float("-inf")
        self.spending = Spending()
        self.on_events: Callable[[], None] = lambda: None
        """Called after a commit that wrote events: the relay's wake-up."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of one's own, for the kernel's workers and migrations. Services use the methods below."""
        began = self._enter(self.breaker)
        connection = self.pool.take() or await self._wait(began)
        try:
            yield connection
        except Exception as error:
            answer = self._failed(connection, began, error)
            if answer is error:
                raise
            try:
                raise answer from error
            finally:
                del answer  # its traceback has this frame: a circle, which would wait for the collector
        except BaseException:
            self._cancelled(connection, began)
            raise
        self.breaker.succeeded(began)
        self.pool.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """READ COMMITTED. Commits at the end of the block, events included; any exception rolls all of it back."""
        began = self._enter(self.writes)
        try:
            async with self.connection() as connection:
                tx = Tx(connection, self.spending)
                async with committed(connection, self.spending):
                    yield tx
                    await tx.flush()
                    if faultpoints.armed:
                        await faultpoints.reach("db.before_commit", tx.about())
                if faultpoints.armed:
                    await faultpoints.reach("db.after_commit", tx.about())
        except BaseException as error:
            self._unwritten(began, error)
            raise
        self.writes.succeeded(began)
        if tx.events:
            self.on_events()
        for callback in tx.callbacks:
            try:
                await callback()
            except Exception:
                log.exception("a callback after a commit failed")

    async def run(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """`work` in a transaction; from its beginning, in another, when PostgreSQL undid it for somebody else's sake.

        So `work` must not change anything but the database, or change it to the same again.
        """
        left = TRIES
        while True:
            try:
                async with self.transaction() as tx:
                    return await work(tx)
            except RolledBack:
                left -= 1
                if not await self._again(left):
                    raise

    async def fetch(self, sql: LiteralString, *args: object) -> list[Row]:
        """All rows of one read."""
        rows: list[Row] = await self._read(PreparedStatement.fetch, sql, args)
        return rows

    async def fetchrow(self, sql: LiteralString, *args: object) -> Row | None:
        """The first row of one read."""
        row: Row | None = await self._read(PreparedStatement.fetchrow, sql, args)
        return row

    async def fetchval(self, sql: LiteralString, *args: object) -> Any:
        """One value of one read."""
        return await self._read(PreparedStatement.fetchval, sql, args)

    async def command(self, sql: LiteralString, *args: object, emits: bool = False) -> Row | None:
        """One SQL function that changes things: one round trip, one transaction, tried again if PostgreSQL undid it.

        `emits` when it writes outbox rows, to wake the relay.
        """
        rows = await self.commands(sql, *args, emits=emits)
        return rows[0] if rows else None

    async def commands(self, sql: LiteralString, *args: object, emits: bool = False) -> list[Row]:
        """The same for several things at once, all of them done or none: a row for each."""
        left = TRIES
        rows: list[Row] = []
        while True:
            began = self._enter(self.writes)
            try:
                rows = await self._ask(PreparedStatement.fetch, sql, args, WRITE)
            except RolledBack as error:
                self._unwritten(began, error)
                left -= 1
                if not await self._again(left):
                    raise
            except BaseException as error:
                self._unwritten(began, error)
                raise
            else:
                break
        leave_time()
        self.writes.succeeded(began)
        if emits:
            self.on_events()
        return rows

    async def close(self) -> None:
        """Leave the server, and the standby."""
        await self.pool.close()
        if self.standby is not None:
            await self.standby.pool.close()

    async def reachable(self) -> bool:
        """Whether a query is answered within 200 ms."""
        try:
            async with asyncio.timeout(0.2):
                return bool(await self.fetchval("SELECT true"))
        except (Problem, TimeoutError):
            return False

    async def _read(self, ask: Callable[..., Awaitable[Any]], sql: str, args: tuple[object, ...]) -> Any:
        standby = self.standby
        if standby is None or not standby.serves():
            return await self._repeatedly(ask, sql, args)
        try:
            return await standby.unless_silent(self._repeatedly(ask, sql, args))
        except Problem as problem:  # UNAVAILABLE, or a refusal, which is an answer
            if problem.code is UNAVAILABLE:
                with suppress(Exception):
                    return await standby.read(ask, sql, args, self.spending)
            raise

    async def _repeatedly(self, ask: Callable[..., Awaitable[Any]], sql: str, args: tuple[object, ...]) -> Any:
        try:
            return await self._ask(ask, sql, args, READ)
        except (Lost, RolledBack):
            if not self._budget.take():
                raise
        return await self._ask(ask, sql, args, READ)

    async def _ask(self, ask: Callable[..., Awaitable[Any]], sql: str, args: tuple[object, ...], cap: float) -> Any:
        """One statement on a connection of its own, committed by itself."""
        began = self._enter(self.breaker)
        connection = self.pool.take() or await self._wait(began)
        limit, sent = remaining(cap), time.monotonic()
        try:
            if faultpoints.armed:
                await faultpoints.reach("db.before_statement", sql)
            asked = ask(connection.held.get(sql) or await connection.statement(sql, limit), *args, timeout=limit)
            got = await (asked if tracing.armed is None else tracing_kinds.query(sql, asked))
            if faultpoints.armed:
                await faultpoints.reach("db.after_statement", sql)
        except Exception as error:
            connection.late = isinstance(error, TimeoutError) and tells(limit, sent)
            answer = self._failed(connection, began, error)
            if answer is error:
                raise
            try:
                raise answer from error
            finally:
                del answer  # its traceback has this frame: a circle, which would wait for the collector
        except BaseException:
            self._cancelled(connection, began)
            raise
        finally:
            self.spending.add(sent)
        self.breaker.succeeded(began)
        self.pool.release(connection)
        return got

    @staticmethod
    def _enter(breaker: Breaker) -> float:
        try:
            return breaker.enter()
        except Open as error:
            raise NotReached(UNAVAILABLE) from error

    async def _wait(self, began: float) -> Connection:
        asked = time.monotonic()
        try:
            return await self.pool.acquire(self._acquire)
        except BaseException as error:
            late = time.monotonic() - asked > self._acquire + LAG
            if self.pool.opened or late or isinstance(error, PoolTimeout) or not self._tells(error):
                self.breaker.ignored(began)
            else:
                self.breaker.failed(began)
            if isinstance(error, UNREACHABLE):
                raise NotReached(UNAVAILABLE) from error
            raise

    @staticmethod
    def _tells(error: BaseException) -> bool:
        """Whether a connect failed for the server's reasons, not for its caller's haste."""
        hurried = isinstance(error, TimeoutError) and remaining(TELLING) < TELLING
        return isinstance(error, UNREACHABLE) and not hurried

    def _failed(self, connection: Connection, began: float, error: Exception) -> Exception:
        """Release the connection, tell the breaker; what the caller is told."""
        closed = connection.is_closed()
        if isinstance(error, TimeoutError) and not connection.late:
            self.breaker.ignored(began)
        elif connection.late or counts(error, closed=closed):
            self.breaker.failed(began)
        else:
            self.breaker.succeeded(began)
        broken = closed or connection.is_in_transaction() or isinstance(error, BROKEN)
        if isinstance(error, UNREACHABLE) and not isinstance(error, asyncpg.PostgresError):
            broken = True
        self.pool.release(connection, broken=broken)
        if isinstance(error, OUTDATED) and time.monotonic() > self._renewed + RENEW:
            self._renewed = time.monotonic()
            self.pool.renew()
        return told(error, closed=closed)

    def _cancelled(self, connection: Connection, began: float) -> None:
        """What the connection was in the middle of, nobody knows."""
        self.breaker.ignored(began)
        self.pool.release(connection, broken=True)

    def _unwritten(self, began: float, error: BaseException) -> None:
        """Tell the breaker of writes."""
        if isinstance(error.__cause__, UNWRITABLE):
            self.writes.failed(began)
        else:
            self.writes.ignored(began)

    async def _again(self, left: int) -> bool:
        """Whether there may be another try; if so, after a pause."""
        wait = pause()
        if not left or deadline.get() - time.monotonic() < wait + ROOM or not self._budget.take():
            return False
        await asyncio.sleep(wait)
        return True
