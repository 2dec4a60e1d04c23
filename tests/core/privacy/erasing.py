"""People who asked to be erased, and how far that is."""

from uuid import UUID

from core.privacy.requests import Erasures
from core.store.db import Db
from core.types import UserId, uuid7
from tests.core.privacy.domains import fill
from tests.forgetting import SETTLED, WINDOW_OVER

ROW = "SELECT state, finished, last_error FROM kernel.erasures WHERE user_id = $1"
erasures = Erasures()


async def requested(db: Db) -> UserId:
    """Somebody who asked for it."""
    user = UserId(uuid7())
    async with db.transaction() as tx:
        await erasures.request(tx, user, "user")
    return user


async def due(db: Db, **rows: int) -> UserId:
    """Somebody whose window is over and who is in the ledger, with rows in some domains."""
    user = await requested(db)
    await fill(db, user, **rows)
    await db.command(WINDOW_OVER, user)
    async with db.transaction() as tx:
        assert await erasures.begin_due(tx) == 1
    await db.command(SETTLED, user)
    return user


async def state(db: Db, user: UUID) -> tuple[object, ...]:
    """State, finished owners and last error."""
    row = await db.fetchrow(ROW, user)
    assert row is not None
    return row["state"], row["finished"], row["last_error"]
