"""One open transaction. `Tx.emit` is the only way to emit an event."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from core.context import leave_time, remaining
from core.errors import UNAVAILABLE
from core.events.model import Event
from core.events.record import INSERT_EVENTS, encode
from core.observe import tracing, tracing_kinds
from core.observe.spent import Spending
from core.store.connection import Connection
from core.store.faults import RolledBack

Row = asyncpg.Record
WRITE = 3.0
"""Seconds a statement of a transaction may take (RELIABILITY 3)."""
COMMIT = 1.0
"""Seconds for a COMMIT. Without its answer nobody knows what became of it."""
ENOUGH = 0.1
"""Seconds of these that the deadline must leave. With less it is not sent: what was late is certainly not applied."""
ROLLBACK = 0.2
"""Seconds for a ROLLBACK; a connection without its answer is cut, which rolls back too."""
TELLING = 0.75
"""A wait that was allowed fewer seconds than this says nothing of the server when it ends: its caller had no time."""
LAG = 0.1
"""Seconds by which our own loop may be late before its verdict on others is void: the answer may lie there unread."""


def tells(limit: float, began: float) -> bool:
    """Whether a wait of at most `limit` seconds, which has just run out, says something of the server."""
    return limit >= TELLING and time.monotonic() - began <= limit + LAG


class Tx:
    """One open transaction and the events that its commit will announce."""

    def __init__(self, connection: Connection, spending: Spending | None = None) -> None:
        self._connection, self._spending = connection, spending or Spending()
        self.events: list[Event] = []
        self.callbacks: list[Callable[[], Awaitable[None]]] = []
        self.failed = False
        """A statement failed: PostgreSQL will roll back whatever the block does next."""

    async def fetch(self, sql: LiteralString, *args: object) -> list[Row]:
        """All rows."""
        rows: list[Row] = await self._run(PreparedStatement.fetch, sql, args)
        return rows

    async def fetchrow(self, sql: LiteralString, *args: object) -> Row | None:
        """The first row."""
        row: Row | None = await self._run(PreparedStatement.fetchrow, sql, args)
        return row

    async def fetchval(self, sql: LiteralString, *args: object) -> Any:
        """The first column of the first row."""
        return await self._run(PreparedStatement.fetchval, sql, args)

    async def execute(self, sql: LiteralString, *args: object) -> int:
        """Run it; the number of rows it touched."""
        words: list[str] = (await self._run(_status, sql, args)).split()
        return int(words[-1]) if words and words[-1].isdigit() else 0

    async def executemany(self, sql: LiteralString, args: Iterable[tuple[object, ...]]) -> None:
        """Run it once per tuple, in one round trip."""
        await self._run(PreparedStatement.executemany, sql, (args,))

    async def _run(self, ask: Callable[..., Awaitable[Any]], sql: str, args: tuple[object, ...]) -> Any:
        connection = self._connection
        limit, sent = remaining(WRITE), time.monotonic()
        try:
            asked = ask(connection.held.get(sql) or await connection.statement(sql, limit), *args, timeout=limit)
            return await (asked if tracing.armed is None else tracing_kinds.query(sql, asked))
        except BaseException as error:  # also a cancellation: whoever swallows it must not commit half the work
            self.failed = True
            connection.late = isinstance(error, TimeoutError) and tells(limit, sent)
            raise
        finally:
            self._spending.add(sent)

    def emit(self, event: Event) -> None:
        """Announce an event: its outbox row is written by this commit, or not at all."""
        self.events.append(event)

    def after_commit(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Do something once the commit is certain, before the caller goes on. What must happen is an event instead."""
        self.callbacks.append(callback)

    def about(self) -> str:
        """The types of its events, for fault points."""
        return " ".join(event.event_type for event in self.events)

    async def flush(self) -> None:
        """The kernel's, before the commit: write the outbox rows."""
        if self.failed:  # the COMMIT would be a silent ROLLBACK
            raise RuntimeError("the block went on after a failed statement")
        if self.events:
            await self.fetchval(INSERT_EVENTS, *encode(self.events))


async def _status(statement: "PreparedStatement[Row]", *args: object, timeout: float) -> str:  # noqa: ASYNC109  asyncpg's own
    await statement.fetch(*args, timeout=timeout)
    return statement.get_statusmsg() or ""


@asynccontextmanager
async def committed(connection: Connection, spending: Spending | None = None) -> AsyncIterator[None]:
    """BEGIN and COMMIT, each within its time; a ROLLBACK that is not answered at once is left to the server.

    asyncpg's own block would wait for it without end, and with it the caller whose statement was late. Raises
    RolledBack where the deadline leaves no time for a COMMIT.
    """
    transaction, spending = connection.transaction(), spending or Spending()
    await _within(WRITE, connection, transaction.start(), spending)
    try:
        yield
        _check_time()
    except BaseException:
        with suppress(Exception):
            async with asyncio.timeout(ROLLBACK):
                await transaction.rollback()
        raise
    commit = transaction.commit()
    step = commit if tracing.armed is None else tracing_kinds.query("COMMIT", commit)
    await _within(COMMIT, connection, step, spending)
    leave_time()


def _check_time() -> None:
    if remaining(COMMIT) < ENOUGH:
        raise RolledBack(UNAVAILABLE)


async def _within(cap: float, connection: Connection, step: Awaitable[None], spending: Spending) -> None:
    limit, sent = remaining(cap), time.monotonic()
    try:
        async with asyncio.timeout(limit):
            await step
    except TimeoutError:
        connection.late = tells(limit, sent)
        raise
    finally:
        spending.add(sent)
