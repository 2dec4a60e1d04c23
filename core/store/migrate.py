"""Applying migrations: forward only, one migrator at a time, short locks (RELIABILITY 4.11)."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from core.store.connection import Connection, Dialler
from core.store.schema import Applied, Migration, MigrationError, due, missing, read

__all__ = ["UNREACHABLE", "Failed", "Migration", "MigrationError", "applied_to", "apply", "behind", "plan", "read"]

Guard = Callable[[Connection, Sequence[Migration]], Awaitable[None]]
Failed = Callable[[Connection, Migration, MigrationError], Awaitable[None]]
"""Told of a migration that failed: raises, or lets the others go on without the rest of its owner's."""
LOCK = 7_305_411_902
"""The advisory lock that the one migrator holds."""
LOOK_AGAIN = 0.5
"""Seconds between looks at the lock of another migrator."""
TRIES, LONGEST_PAUSE = 10, 2.0
CONNECT = 2.0
"""Seconds, also for what a waiting replica asks."""
SESSION = {
    "application_name": "vurksha migrate",
    "lock_timeout": "2000",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
"""Milliseconds. Whoever queues behind a migration that waits for a lock waits no longer than that."""
UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""A database that is away, starting, or does not know us yet."""
BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
log = logging.getLogger("core.migrate")

BOOK = """
CREATE SCHEMA IF NOT EXISTS kernel;
CREATE TABLE IF NOT EXISTS kernel.migrations (
    owner text NOT NULL, version integer NOT NULL, name text NOT NULL, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (owner, version));
ALTER TABLE kernel.migrations ADD COLUMN IF NOT EXISTS phase text NOT NULL DEFAULT 'pre'
"""
# All of a small table. The first book had no phases.
APPLIED = """
SELECT owner, version, name, checksum, coalesce(to_jsonb(m) ->> 'phase', 'pre') AS phase FROM kernel.migrations m
"""
NOTE = "INSERT INTO kernel.migrations (owner, version, name, checksum, phase) VALUES ($1, $2, $3, $4, $5)"


async def applied_to(connection: Connection) -> list[Applied]:
    """What the database says was applied: nothing where nobody ever migrated."""
    try:
        return [Applied(*row) for row in await connection.fetch(APPLIED)]
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return []


async def apply(
    dsn: str,
    migrations: Sequence[Migration],
    *,
    post: bool = True,
    guard: Guard | None = None,
    failed: Failed | None = None,
) -> list[Migration]:
    """Apply what is due, on a connection of its own; answers what was applied. Raises MigrationError.

    An empty database gets everything. `guard` may look at what is about to be applied, and raise.
    """
    async with _connection(dsn) as connection:
        if not _plan(await applied_to(connection), migrations, post=post):
            return []
        await _alone(connection)
        await _patiently("the book of migrations", lambda: connection.execute(BOOK))
        planned = _plan(await applied_to(connection), migrations, post=post)
        if guard is not None:
            await guard(connection, planned)
        return await _apply_all(connection, planned, failed)


async def plan(dsn: str, migrations: Sequence[Migration], *, post: bool) -> list[Migration]:
    """What `apply` would do."""
    async with _connection(dsn) as connection:
        return _plan(await applied_to(connection), migrations, post=post)


async def behind(dsn: str, migrations: Sequence[Migration]) -> list[str]:
    """Names of the pre migrations that the database still lacks: code must not run until there are none."""
    async with _connection(dsn) as connection:
        return [str(m) for m in missing(await applied_to(connection), migrations) if m.phase == "pre"]


def _plan(applied: Sequence[Applied], migrations: Sequence[Migration], *, post: bool) -> list[Migration]:
    return due(missing(applied, migrations), post=post or not applied)


@asynccontextmanager
async def _connection(dsn: str) -> AsyncIterator[Connection]:
    connection = await Dialler(dsn, SESSION).dial(CONNECT)  # of several hosts the one that takes writes
    try:
        yield connection
    finally:
        await connection.close()


async def _alone(connection: Connection) -> None:
    """Hold the migrator's lock. Not by waiting in the database: CREATE INDEX CONCURRENTLY would wait for who waits."""
    told = False
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
        if not told:
            log.info("another migrator is at work: waiting for it")
        told = True
        await asyncio.sleep(LOOK_AGAIN)


async def _apply_all(connection: Connection, planned: Sequence[Migration], failed: Failed | None) -> list[Migration]:
    done: list[Migration] = []
    without: set[str] = set()
    for migration in planned:
        if migration.owner in without:
            continue
        try:
            await _apply_one(connection, migration)
        except MigrationError as error:
            if failed is None:
                raise
            await failed(connection, migration, error)
            without.add(migration.owner)
        else:
            done.append(migration)
    return done


async def _apply_one(connection: Connection, migration: Migration) -> None:
    run = {"whole": _whole, "batches": _batches, "alone": _statements}[migration.mode]
    began = time.monotonic()
    try:
        await run(connection, migration)
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration} failed: {error.args[0]}") from error
    log.info("applied %s in %.1f s", migration, time.monotonic() - began)


async def _whole(connection: Connection, migration: Migration) -> None:
    async def once() -> None:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await _note(connection, migration)

    await _patiently(str(migration), once)


async def _batches(connection: Connection, migration: Migration) -> None:
    """Until a run touches no row. Each is followed by as long a rest, so that others have half of the database."""
    status = ""
    while not status.endswith(" 0"):
        began = time.monotonic()
        status = await _patiently(str(migration), lambda: connection.execute(migration.sql))
        if not status[-1].isdigit() or status.startswith("SELECT"):
            raise MigrationError(f"{migration}: a batch must insert, update or delete, not {status}")
        await asyncio.sleep(min(time.monotonic() - began, LONGEST_PAUSE))
    await _note(connection, migration)


async def _statements(connection: Connection, migration: Migration) -> None:
    async def once() -> None:
        for statement in _split(migration.sql):
            await connection.execute(statement)

    await _patiently(str(migration), once)
    await _note(connection, migration)


def _split(sql: str) -> Iterable[str]:
    """Statements end with a semicolon at the end of a line."""
    lines = [line for line in sql.splitlines() if line.strip() and not line.lstrip().startswith("--")]
    return (part for part in "\n".join([*lines, ""]).split(";\n") if part.strip())


async def _note(connection: Connection, m: Migration) -> None:
    await connection.execute(NOTE, m.owner, m.version, m.name, m.checksum, m.phase)


async def _patiently(what: str, once: Callable[[], Awaitable[Any]]) -> Any:
    """Try again, after a pause in which others get through, when a lock is not to be had."""
    tries = 0
    while True:
        try:
            return await once()
        except BUSY:
            tries += 1
            if tries == TRIES:
                raise
            log.warning("%s waits for a lock", what)
            await asyncio.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.1 * 2**tries)))  # noqa: S311  jitter, not a secret
