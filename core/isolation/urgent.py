"""Writing down who holds the loop up while it still does: from another thread, on a loop and connection of its own."""

import asyncio
import logging

from core.isolation import states
from core.isolation.model import KERNEL
from core.store.faults import UNREACHABLE
from core.store.pool import Pool
from core.store.tx import Tx, committed

CONNECT = 2.0
"""Seconds."""
log = logging.getLogger("core.isolation")


def quarantine(pool: Pool, plugin: str, reason: str) -> None:
    """Put a plugin aside for all replicas and for this one's next start. Blocks; without a database it only logs."""
    try:
        asyncio.run(_write(pool, plugin, reason))
    except UNREACHABLE:
        log.exception("the quarantine of %s could not be written", plugin)


async def _write(pool: Pool, plugin: str, reason: str) -> None:
    connection = await pool.dial(CONNECT)
    try:
        async with committed(connection):
            await states.quarantine(Tx(connection), plugin, reason, KERNEL)
    finally:
        connection.terminate()
