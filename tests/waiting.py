"""Seeing that somebody waits for a lock."""

import asyncio

from core.store.db import Db, Tx

WAITS = "SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE $1 = ANY (pg_blocking_pids(a.pid)))"


async def somebody_waits(db: Db, tx: Tx) -> None:
    """Come back when another transaction waits for what `tx` holds. Raises TimeoutError."""
    holder = await tx.fetchval("SELECT pg_backend_pid()")
    async with asyncio.timeout(2):
        while not await db.fetchval(WAITS, holder):
            await asyncio.sleep(0.005)
