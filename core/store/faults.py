"""What an error of PostgreSQL or of the way to it means: to the connection, to the breaker, to who asked."""

from typing import Any

import asyncpg
import orjson

from core.errors import IN_PROGRESS, KEY_REUSED, SESSION_EXPIRED, UNAVAILABLE, Problem
from core.store.pool import PoolTimeout

BROKEN = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""Errors that end a connection's use: 08*, 53*, 57*, 25006, 25P03, 28*, 3D*, and plans that a migration outdated."""
UNWRITABLE = (asyncpg.ReadOnlySQLTransactionError, asyncpg.DiskFullError)
"""25006 and 53100: reads go on, so these are for the breaker of writes."""
FAILURES = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError)
"""08*, 53* and 57*: what counts against the server (RELIABILITY 3)."""
ROLLED_BACK = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCachedStatementError,
)
"""40001, 40P01, 55P03, 25006 and outdated plans: all is undone, and may succeed a moment later or elsewhere."""
OUTDATED = (asyncpg.ReadOnlySQLTransactionError, asyncpg.InvalidCachedStatementError)
"""What is true of the pool's other connections too."""
UNREACHABLE = (
    *BROKEN,
    *ROLLED_BACK,
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a backend that was shut down said so before it was asked anything
)
"""What means that the database, not the request, is at fault: answered 503, never 500 or 401."""
LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    ConnectionError,
)
"""The connection broke under the statement: a read may be asked again on another."""
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


class RolledBack(Problem):
    """The transaction is certainly undone, for the sake of another or for want of time: it may be tried again."""


class Lost(Problem):
    """The connection broke: what was under way on it may or may not have been committed."""


def translated(error: Exception, *, closed: bool) -> Exception:
    """An error as services know it; itself, if it is neither the database's fault nor a refusal of ours."""
    if getattr(error, "sqlstate", None) == REFUSAL:
        reason, detail = str(error.args[0]), getattr(error, "detail", None)
        if reason in KERNEL_REFUSALS:
            return Problem(KERNEL_REFUSALS[reason])
        return Refused(reason, orjson.loads(detail) if detail else {})
    if isinstance(error, ROLLED_BACK):
        return RolledBack(UNAVAILABLE)
    if not isinstance(error, UNREACHABLE):
        return error
    return (Lost if closed or isinstance(error, LOST) else Problem)(UNAVAILABLE)


def counts(error: Exception, *, closed: bool) -> bool:
    """Whether it tells against the server. A time-out does so only where it was long: ask about that first."""
    if isinstance(error, UNWRITABLE):
        return False  # its reads go on
    return isinstance(error, FAILURES) or (closed and isinstance(error, UNREACHABLE))
