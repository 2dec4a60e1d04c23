"""The SQL of erasures: requests, leases, progress, and the ledger of who was erased."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

import attrs

from core.store.db import Db, Row, Tx
from core.types import UserId

UNDO_WINDOW = timedelta(hours=24)
"""RELIABILITY 4.15. Everything is gone after three times as long."""
FINAL = timedelta(hours=12)
"""Before that limit nothing may wait any more."""
SETTLE = timedelta(seconds=30)
"""Between the ledger's entry and the first step: longer than any handler or request that did not see it can run."""
LEASE = timedelta(seconds=60)
"""How long a claimed erasure is one worker's. Every batch renews it."""
AT_ONCE = 100

# erasures_open.
REQUEST = "SELECT kernel.request_erasure($1, $2, $3)"

# erasures_due. The ledger's entry and the end of the undo window are one commit.
BEGIN_DUE = """
WITH begun AS (
    UPDATE kernel.erasures SET state = 'erasing', next_attempt_at = clock_timestamp() + $1 WHERE id IN (
        SELECT e.id FROM kernel.erasures e
        WHERE e.state = 'waiting' AND e.next_attempt_at <= clock_timestamp()
        ORDER BY e.next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING user_id
), entered AS (
    INSERT INTO kernel.erased (user_id) SELECT user_id FROM begun ON CONFLICT (user_id) DO NOTHING
)
SELECT count(*) FROM begun
"""

# erasures_due.
CLAIM = """
UPDATE kernel.erasures SET attempts = attempts + 1, next_attempt_at = clock_timestamp() + $1 WHERE id = (
    SELECT e.id FROM kernel.erasures e
    WHERE e.state = 'erasing' AND e.next_attempt_at <= clock_timestamp()
    ORDER BY e.next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, user_id, finished, attempts, clock_timestamp() >= limit_at - $2::interval AS final
"""

# erasures_pkey, all three. A later version of the code may have other owners: their names are only ever added.
PROGRESS = """
UPDATE kernel.erasures SET next_attempt_at = clock_timestamp() + $2,
    finished = CASE WHEN $3::text IS NULL OR $3 = ANY (finished) THEN finished ELSE finished || $3 END
WHERE id = $1 AND state = 'erasing'
"""
POSTPONE = """
UPDATE kernel.erasures SET next_attempt_at = clock_timestamp() + $2, last_error = $3 WHERE id = $1 AND state = 'erasing'
"""
DONE = """
UPDATE kernel.erasures SET state = 'done', ended_at = clock_timestamp(), last_error = NULL
WHERE id = $1 AND state = 'erasing'
"""

# erasures_time.
RECENT = """
SELECT id, user_id, origin, state, requested_at, due_at, limit_at, finished, attempts, last_error, ended_at
FROM kernel.erasures ORDER BY requested_at DESC LIMIT $1
"""

# erased_pkey.
IS_ERASED = "SELECT EXISTS (SELECT FROM kernel.erased WHERE user_id = $1)"

# The whole table.
LEDGER = "SELECT user_id, erased_at FROM kernel.erased ORDER BY erased_at, user_id"

# erased_pkey.
ENTER = """
INSERT INTO kernel.erased (user_id, erased_at) SELECT t.user_id, t.erased_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS t(user_id, erased_at) ON CONFLICT (user_id) DO NOTHING
"""

# The whole ledger; erasures_open. Old requests that a backup brought back as waiting or half done begin anew.
REAPPLY = """
INSERT INTO kernel.erasures AS e (user_id, origin, state, due_at, limit_at, next_attempt_at)
SELECT l.user_id, 'restore', 'erasing', n.at, n.at, n.at
FROM kernel.erased l, (SELECT clock_timestamp() AS at) n
ON CONFLICT (user_id) WHERE state IN ('waiting', 'erasing') DO UPDATE
SET state = 'erasing', origin = 'restore', due_at = excluded.due_at, limit_at = excluded.limit_at,
    next_attempt_at = excluded.next_attempt_at, finished = '{}'
"""

# erasures_due.
RESTORING = "SELECT count(*) FROM kernel.erasures WHERE origin = 'restore' AND state = 'erasing'"


@attrs.frozen(kw_only=True)
class Erasure:
    """An erasure that is one worker's until its lease ends."""

    id: UUID
    user_id: UserId
    finished: Collection[str]
    attempts: int
    final: bool


class Erasures:
    """Rows of kernel.erasures and kernel.erased."""

    async def request(self, tx: Tx, user_id: UUID, origin: str, window: timedelta = UNDO_WINDOW) -> datetime:
        """Ask for it, in the transaction that closes the account; until when it can be undone."""
        until: datetime = await tx.fetchval(REQUEST, user_id, origin, window)
        return until

    async def begin_due(self, tx: Tx) -> int:
        """Enter those into the ledger whose window is over. From here on there is no way back."""
        return int(await tx.fetchval(BEGIN_DUE, SETTLE, AT_ONCE))

    async def claim(self, tx: Tx) -> Erasure | None:
        """The next one to work on."""
        row = await tx.fetchrow(CLAIM, LEASE, FINAL)
        return Erasure(**row) if row else None

    async def progress(self, tx: Tx, erasure: Erasure, finished: str | None) -> None:
        """Renew the lease and note an owner that is through, in the transaction of its last step."""
        await tx.execute(PROGRESS, erasure.id, LEASE, finished)

    async def postpone(self, tx: Tx, erasure: Erasure, pause: timedelta, error: str | None) -> None:
        """Leave it for a while."""
        await tx.execute(POSTPONE, erasure.id, pause, error)

    async def done(self, tx: Tx, erasure: Erasure) -> None:
        """All owners are through."""
        await tx.execute(DONE, erasure.id)

    async def recent(self, db: Db, limit: int) -> list[Row]:
        """The newest requests."""
        return await db.fetch(RECENT, limit)

    async def is_erased(self, source: Tx | Db, user_id: UUID) -> bool:
        """Whether the ledger has somebody."""
        return bool(await source.fetchval(IS_ERASED, user_id))

    async def ledger(self, db: Db) -> list[Row]:
        """Everybody who was erased, and when."""
        return await db.fetch(LEDGER)

    async def enter(self, tx: Tx, entries: Collection[tuple[UUID, datetime]]) -> int:
        """Put entries into the ledger that it lacks, from a copy that is newer than a restored backup; how many."""
        return await tx.execute(ENTER, [user for user, _ in entries], [at for _, at in entries])

    async def reapply(self, tx: Tx) -> int:
        """Have everybody in the ledger erased again; how many."""
        return await tx.execute(REAPPLY)

    async def restoring(self, db: Db) -> int:
        """How many of these are not through yet."""
        return int(await db.fetchval(RESTORING))
