"""SQL migrations: numbered files per domain, forward only, one migrator at a time (RELIABILITY 4.11)."""

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg
import attrs

LOCK = 7_305_411_902
"""The advisory lock that the one migrator holds."""
NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
PHASE = re.compile(r"^-- phase: (pre|post)$", re.MULTILINE)
TRIES, LOCK_WAIT = 5, "2s"
CONNECT = 2.0
"""Seconds, also for what a waiting replica asks."""
UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""A database that is away, starting, or does not know us yet."""
log = logging.getLogger("core.migrate")

BOOK = """
CREATE SCHEMA IF NOT EXISTS kernel;
CREATE TABLE IF NOT EXISTS kernel.migrations (
    owner text NOT NULL, version integer NOT NULL, name text NOT NULL, checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (owner, version))
"""


@attrs.frozen
class Migration:
    """One file. `phase` pre runs before the new code, post after the old one is gone."""

    owner: str
    version: int
    name: str
    phase: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of the text as applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class MigrationError(Exception):
    """The files and the database do not agree."""


def read(folders: Mapping[str, Path]) -> list[Migration]:
    """Every migration, the kernel's first, then owner by owner in the order given."""
    found = [_read(owner, path) for owner, folder in folders.items() for path in sorted(folder.glob("*.sql"))]
    if len({(m.owner, m.version) for m in found}) != len(found):
        raise MigrationError("two migrations of one owner have the same number")
    return found


def _read(owner: str, path: Path) -> Migration:
    name, sql = NAME.fullmatch(path.name), path.read_text("utf-8")
    phase = PHASE.search(sql)
    if not name or not phase:
        raise MigrationError(f"{path}: needs a name like 0001_create_orders.sql and a line '-- phase: pre' or post")
    return Migration(owner, int(name[1]), path.stem, phase[1], sql)


async def apply(dsn: str, migrations: Sequence[Migration]) -> list[Migration]:
    """Apply what is missing, on a connection of its own; answers what was applied. Each file is one transaction."""
    connection = await asyncpg.connect(dsn, timeout=CONNECT, server_settings={"application_name": "vurksha migrate"})
    try:
        await connection.execute("SET lock_timeout = 0")  # whoever migrates now may take long
        await connection.fetchval("SELECT pg_advisory_lock($1)", LOCK)
        await connection.fetchval("SELECT set_config('lock_timeout', $1, false)", LOCK_WAIT)
        await connection.execute(BOOK)
        missing = await _missing(connection, migrations)
        for migration in missing:
            await _apply_one(connection, migration)
    finally:
        await connection.close()
    return missing


async def _missing(
    connection: "asyncpg.Connection[asyncpg.Record]", migrations: Sequence[Migration]
) -> list[Migration]:
    rows = await connection.fetch("SELECT owner, version, checksum FROM kernel.migrations")
    applied = {(row["owner"], row["version"]): row["checksum"] for row in rows}
    for migration in migrations:
        checksum = applied.get((migration.owner, migration.version), migration.checksum)
        if checksum != migration.checksum:
            raise MigrationError(f"{migration.owner} {migration.name} was changed after it was applied")
    return [m for m in migrations if (m.owner, m.version) not in applied]


async def _apply_one(connection: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    left = TRIES
    while True:
        try:
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO kernel.migrations (owner, version, name, checksum) VALUES ($1, $2, $3, $4)",
                    migration.owner,
                    migration.version,
                    migration.name,
                    migration.checksum,
                )
        except asyncpg.PostgresError as error:
            left -= 1
            if not left or not isinstance(error, asyncpg.LockNotAvailableError):
                raise MigrationError(f"{migration.owner} {migration.name} failed: {error.args[0]}") from error
            log.warning("%s %s waits for a lock", migration.owner, migration.name)
        else:
            log.info("applied %s %s", migration.owner, migration.name)
            return


async def behind(dsn: str, migrations: Sequence[Migration]) -> list[str]:
    """Names of the pre migrations that the database still lacks: a replica is unready until there are none."""
    connection = await asyncpg.connect(dsn, timeout=CONNECT, command_timeout=CONNECT)
    try:
        if not await connection.fetchval("SELECT to_regclass('kernel.migrations') IS NOT NULL"):
            missing = list(migrations)
        else:
            missing = await _missing(connection, migrations)
    finally:
        await connection.close()
    return [f"{m.owner} {m.name}" for m in missing if m.phase == "pre"]
