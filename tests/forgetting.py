"""Erasures whose time has come, and looking for what they left behind."""

import asyncio
from uuid import UUID

from core.store.db import Db
from core.testing import TestApp
from core.types import UserId

WAIT = 20.0
TABLES = """
SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
WINDOW_OVER = """
UPDATE kernel.erasures SET due_at = now() - interval '1 second', next_attempt_at = now() - interval '1 second'
WHERE user_id = $1 AND state = 'waiting' RETURNING id
"""
CODES_AGE = """
UPDATE users.challenges SET created_at = created_at - interval '1 day', expires_at = expires_at - interval '1 day'
WHERE phone = (SELECT phone FROM users.accounts WHERE id = $1) RETURNING id
"""
SETTLED = """
UPDATE kernel.erasures SET next_attempt_at = now() WHERE user_id = $1 AND state = 'erasing' RETURNING id
"""
AT_THE_LIMIT = "UPDATE kernel.erasures SET limit_at = now() WHERE user_id = $1 AND state <> 'done' RETURNING id"
STATE = "SELECT state FROM kernel.erasures WHERE user_id = $1 ORDER BY requested_at DESC LIMIT 1"


async def window_over(db: Db, user_id: UUID) -> None:
    """A day passes."""
    await db.command(WINDOW_OVER, user_id)
    await db.command(CODES_AGE, user_id)


async def begun(app: TestApp, user_id: UUID) -> None:
    """A day passes, and the service notices."""
    await window_over(app.db, user_id)
    async with app.db.transaction() as tx:
        await app.app.privacy.erasures.begin_due(tx)
    await app.db.command(SETTLED, user_id)


async def go_on(app: TestApp, user_id: UUID) -> None:
    """Work on whatever is due, as the job does."""
    await app.db.command(SETTLED, user_id)
    while await app.app.privacy.erase_one():
        pass


async def erased(app: TestApp, user_id: UUID) -> None:
    """A day passes, and the account that was closed is erased."""
    await begun(app, user_id)
    await go_on(app, user_id)
    async with asyncio.timeout(WAIT):  # the app's own job may have been quicker to claim it
        while await app.db.fetchval(STATE, user_id) != "done":
            await asyncio.sleep(0.02)


async def holding(db: Db, needle: str) -> set[str]:
    """The tables of which a row, written out, has this text; bytes are written out in hex."""
    names = [row["name"] for row in await db.fetch(TABLES)]
    raw = needle.encode().hex()
    found = set()
    for name in names:
        sql = f"SELECT EXISTS (SELECT FROM {name} t WHERE t::text ILIKE $1 OR t::text LIKE $2)"
        if await db.fetchval(sql, f"%{needle}%", f"%{raw}%"):  # type: ignore[arg-type]  # names of our own tables
            found.add(name)
    return found


async def export_of(app: TestApp, user_id: UUID) -> str:
    """The document, made now."""
    return await app.app.privacy.export(UserId(user_id))
