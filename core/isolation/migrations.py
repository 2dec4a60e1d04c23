"""A migration of an optional plugin that fails keeps nobody else from being migrated, and no replica from serving."""

import logging
from collections.abc import Collection

import asyncpg

from core.isolation import states
from core.isolation.guards import Guards
from core.isolation.model import KERNEL
from core.store.connection import Connection
from core.store.migrate import Failed
from core.store.schema import Migration, MigrationError
from core.store.tx import Tx, committed

# By the primary key.
ASIDE = "SELECT plugin FROM kernel.plugin_states WHERE plugin = ANY($1::text[])"
log = logging.getLogger("core.isolation")


def surviving(guards: Guards) -> Failed:
    """What the migrator does about a migration that failed: an optional plugin is quarantined, else it raises."""

    async def failed(connection: Connection, migration: Migration, error: MigrationError) -> None:
        if migration.owner not in guards.optional:
            raise error
        log.error("ALARM: plugin %s is quarantined: %s", migration.owner, error)
        async with committed(connection):
            await states.quarantine(Tx(connection), migration.owner, str(error), KERNEL)

    return failed


async def put_aside(connection: Connection, plugins: Collection[str]) -> set[str]:
    """Those of the plugins that are put aside: their schema is not waited for. Nobody, on an older schema."""
    if not plugins:
        return set()
    try:
        return {row["plugin"] for row in await connection.fetch(ASIDE, sorted(plugins))}
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return set()
