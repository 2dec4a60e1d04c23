"""PostgreSQL as services see it: a read, a command, or a transaction that carries its events.

`Tx.emit` is the only way to emit. SQL is a constant beside the method that runs it, typed LiteralString so that no
f-string gets in.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, LiteralString

import asyncpg
import orjson

from core.context import remaining
from core.errors import IN_PROGRESS, KEY_REUSED, SESSION_EXPIRED, UNAVAILABLE, Problem
from core.events.model import Event
from core.events.record import INSERT_EVENTS, encode
from core.store.pool import Connection, Pool, PoolTimeout

log = logging.getLogger("core.db")
Row = asyncpg.Record
READ = 1.5
WRITE = 3.0
"""Seconds a statement may take (RELIABILITY 3)."""
ROLLBACK = 0.2
"""Seconds for a ROLLBACK; a connection without its answer is cut, which rolls back too."""

BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidCachedStatementError,
)
"""Errors that end a connection's use: 08*, 53*, 57*, 25006, 28*, 3D*, and plans that a migration outdated."""
UNREACHABLE = (
    *BROKEN,
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a backend that was shut down said so before it was asked anything
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""What means that the database, not the request, is at fault: answered 503, never 500 or 401."""


REFUSAL = "VK000"
"""SQLSTATE with which our own SQL functions refuse; MESSAGE is the reason, DETAIL its JSON."""
KERNEL_REFUSALS = {"KEY_REUSED": KEY_REUSED, "IN_PROGRESS": IN_PROGRESS, "SESSION_ENDED": SESSION_EXPIRED}


class Refused(Exception):
    """An SQL function of ours refused; nothing was changed. The service maps `reason` to its own error."""

    def __init__(self, reason: str, detail: Any) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class NotReached(Problem):
    """No connection was to be had: nothing was asked of the database."""


class Tx:
    """One open transaction and the events that its commit will announce."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.events: list[Event] = []
        self.callbacks: list[Callable[[], Awaitable[None]]] = []
        self.failed = False
        """A statement failed: PostgreSQL will roll back whatever the block does next."""

    async def fetch(self, sql: LiteralString, *args: object) -> list[Row]:
        """All rows."""
        with self._watched():
            return await (await self._connection.statement(sql)).fetch(*args, timeout=remaining(WRITE))

    async def fetchrow(self, sql: LiteralString, *args: object) -> Row | None:
        """The first row."""
        with self._watched():
            return await (await self._connection.statement(sql)).fetchrow(*args, timeout=remaining(WRITE))

    async def fetchval(self, sql: LiteralString, *args: object) -> Any:
        """The first column of the first row."""
        with self._watched():
            return await (await self._connection.statement(sql)).fetchval(*args, timeout=remaining(WRITE))

    async def execute(self, sql: LiteralString, *args: object) -> int:
        """Run it; the number of rows it touched."""
        with self._watched():
            statement = await self._connection.statement(sql)
            await statement.fetch(*args, timeout=remaining(WRITE))
            words = (statement.get_statusmsg() or "").split()
        return int(words[-1]) if words and words[-1].isdigit() else 0

    async def executemany(self, sql: LiteralString, args: Iterable[tuple[object, ...]]) -> None:
        """Run it once per tuple, in one round trip."""
        with self._watched():
            await (await self._connection.statement(sql)).executemany(args, timeout=remaining(WRITE))

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except BaseException:  # also a time-out or a cancellation: whoever swallows it must not commit half the work
            self.failed = True
            raise

    def emit(self, event: Event) -> None:
        """Announce an event: its outbox row is written by this commit, or not at all."""
        self.events.append(event)

    def after_commit(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Do something once the commit is certain, before the caller goes on. What must happen is an event instead."""
        self.callbacks.append(callback)


class Db:
    """The pool, as an object that services hold before it is open."""

    def __init__(self, pool: Pool, *, acquire: float = 0.3) -> None:
        self.pool, self._acquire = pool, acquire
        self.on_events: Callable[[], None] = lambda: None
        """Called after a commit that wrote events: the relay's wake-up."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of one's own, for the kernel's workers and migrations. Services use the methods below."""
        try:
            connection = await self.pool.acquire(self._acquire)
        except UNREACHABLE as error:
            raise NotReached(UNAVAILABLE) from error
        broken = True
        try:
            yield connection
            broken = False
        except asyncpg.PostgresError as error:
            broken = connection.is_in_transaction() or isinstance(error, BROKEN)
            raise _translated(error) from error
        except UNREACHABLE as error:
            raise Problem(UNAVAILABLE) from error
        except Exception:  # the block's own: the connection is sound once its transaction was rolled back
            broken = connection.is_in_transaction()
            raise
        finally:
            self.pool.release(connection, broken=broken)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """READ COMMITTED. Commits at the end of the block, events included; any exception rolls all of it back."""
        async with self.connection() as connection:
            tx = Tx(connection)
            async with _committed(connection):
                yield tx
                if tx.failed:  # its COMMIT would be a silent ROLLBACK
                    raise RuntimeError("the block went on after a failed statement")
                if tx.events:
                    await tx.fetchval(INSERT_EVENTS, *encode(tx.events))
        if tx.events:
            self.on_events()
        for callback in tx.callbacks:
            try:
                await callback()
            except Exception:
                log.exception("a callback after a commit failed")

    async def fetch(self, sql: LiteralString, *args: object) -> list[Row]:
        """All rows of one read."""
        async with self.connection() as connection:
            return await (await connection.statement(sql)).fetch(*args, timeout=remaining(READ))

    async def fetchrow(self, sql: LiteralString, *args: object) -> Row | None:
        """The first row of one read."""
        async with self.connection() as connection:
            return await (await connection.statement(sql)).fetchrow(*args, timeout=remaining(READ))

    async def fetchval(self, sql: LiteralString, *args: object) -> Any:
        """One value of one read."""
        async with self.connection() as connection:
            return await (await connection.statement(sql)).fetchval(*args, timeout=remaining(READ))

    async def command(self, sql: LiteralString, *args: object, emits: bool = False) -> Row | None:
        """One SQL function that changes things: one round trip, one transaction.

        `emits` when it writes outbox rows, to wake the relay.
        """
        async with self.connection() as connection:
            row = await (await connection.statement(sql)).fetchrow(*args, timeout=remaining(WRITE))
        if emits:
            self.on_events()
        return row

    async def reachable(self) -> bool:
        """Whether a query is answered within 200 ms."""
        try:
            async with asyncio.timeout(0.2):
                return bool(await self.fetchval("SELECT true"))
        except (Problem, TimeoutError):
            return False


@asynccontextmanager
async def _committed(connection: Connection) -> AsyncIterator[None]:
    """BEGIN and COMMIT, each within a statement's time; a ROLLBACK that is not answered at once is left to the server.

    asyncpg's own block would wait for it without end, and with it the caller whose statement was late.
    """
    transaction = connection.transaction()
    async with asyncio.timeout(remaining(WRITE)):
        await transaction.start()
    try:
        yield
    except BaseException:
        with suppress(Exception):
            async with asyncio.timeout(ROLLBACK):
                await transaction.rollback()
        raise
    async with asyncio.timeout(remaining(WRITE)):
        await transaction.commit()


def _translated(error: asyncpg.PostgresError) -> Exception:
    """A database error as services know it."""
    if getattr(error, "sqlstate", None) == REFUSAL:
        reason, detail = str(error.args[0]), getattr(error, "detail", None)
        if reason in KERNEL_REFUSALS:
            return Problem(KERNEL_REFUSALS[reason])
        return Refused(reason, orjson.loads(detail) if detail else {})
    return Problem(UNAVAILABLE) if isinstance(error, UNREACHABLE) else error
