"""Copies of personal data for their owners: asked for, made by a worker, kept a week (RELIABILITY 4.15)."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import attrs
import orjson

from core.errors import Problem
from core.isolation.guards import Guards
from core.privacy.model import PersonalData
from core.store.db import Db, Tx
from core.types import UserId, uuid7

KEPT = timedelta(days=7)
AGAIN = timedelta(hours=24)
"""A newer copy is made only when the last one was asked for that long ago."""
LEASE = timedelta(seconds=60)
FORMAT = "vurksha-personal-data/1"
ANSWER = 10.0
"""Seconds for one answer of an owner of personal data: less than the silence for which a job is cancelled."""
WHAT = "personal_data"
"""What an owner is called for, where its failures are counted."""

# exports_of_user. One row per user at a time: whoever asks twice at once waits here for the first.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('kernel.export:' || $1::uuid::text, 0))"
LATEST = """
SELECT id, requested_at, ready_at, expires_at FROM kernel.exports
WHERE user_id = $1 AND (expires_at IS NULL OR expires_at > clock_timestamp()) ORDER BY requested_at DESC LIMIT 1
"""
# exports_of_user.
YOUNG = (
    "SELECT EXISTS (SELECT FROM kernel.exports WHERE user_id = $1 AND requested_at > clock_timestamp() - $2::interval)"
)
INSERT = "INSERT INTO kernel.exports (id, user_id) VALUES ($1, $2)"

# exports_pkey.
DOCUMENT = """
SELECT id, requested_at, ready_at, expires_at, document FROM kernel.exports
WHERE id = $1 AND user_id = $2 AND (expires_at IS NULL OR expires_at > clock_timestamp())
"""

# exports_due.
CLAIM = """
UPDATE kernel.exports SET next_attempt_at = clock_timestamp() + $1 WHERE id = (
    SELECT e.id FROM kernel.exports e WHERE e.ready_at IS NULL AND e.next_attempt_at <= clock_timestamp()
    ORDER BY e.next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, user_id
"""
# exports_pkey. A row that an erasure took away meanwhile stays away.
READY = """
UPDATE kernel.exports SET document = $2, ready_at = n.at, expires_at = n.at + $3
FROM (SELECT clock_timestamp() AS at) n WHERE id = $1 AND ready_at IS NULL
"""
# exports_old.
DELETE_OLD = """
DELETE FROM kernel.exports WHERE id = ANY(ARRAY(
    SELECT id FROM kernel.exports WHERE ready_at IS NOT NULL AND expires_at <= clock_timestamp() LIMIT 100))
"""


@attrs.frozen(kw_only=True)
class ExportStatus:
    """One export. `ready_at` and `expires_at` are null until the copy is made."""

    id: UUID
    requested_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None


class Withheld(Exception):
    """Who did not say what it holds, and why: `gift: LookupError`. A copy without its part would not be whole."""


def kind_of(error: Exception) -> str:
    """What went wrong, without a word of it: a row may be in its text. A Problem of the database hides its cause."""
    return type(error.__cause__ if isinstance(error, Problem) and error.__cause__ else error).__name__


class Exports:
    """Rows of kernel.exports."""

    async def request(self, tx: Tx, user_id: UserId) -> ExportStatus:
        """Have a copy made; the last one, if that was asked for within a day."""
        await tx.fetchval(LOCK, user_id)
        if not await tx.fetchval(YOUNG, user_id, AGAIN):
            await tx.execute(INSERT, uuid7(), user_id)
        latest = await self.latest(tx, user_id)
        if latest is None:
            raise AssertionError("an export that was asked for within a day has expired")
        return latest

    async def latest(self, source: Tx | Db, user_id: UserId) -> ExportStatus | None:
        """The newest that has not expired."""
        row = await source.fetchrow(LATEST, user_id)
        return ExportStatus(**row) if row else None

    async def find(self, source: Tx | Db, user_id: UserId, export_id: UUID) -> tuple[ExportStatus, str | None] | None:
        """One of the user's own and its JSON text, which is None until it is made."""
        row = await source.fetchrow(DOCUMENT, export_id, user_id)
        if row is None:
            return None
        return ExportStatus(**{name: row[name] for name in STATUS}), row["document"]

    async def claim(self, tx: Tx) -> tuple[UUID, UserId] | None:
        """The next one to make, for a minute."""
        row = await tx.fetchrow(CLAIM, LEASE)
        return (row["id"], UserId(row["user_id"])) if row else None

    async def ready(self, tx: Tx, export_id: UUID, document: str) -> None:
        """It is made."""
        await tx.execute(READY, export_id, document, KEPT)

    async def delete_old(self, tx: Tx) -> int:
        """Delete what was kept long enough; how many."""
        return await tx.execute(DELETE_OLD)


STATUS = tuple(field.name for field in attrs.fields(ExportStatus))

# Asks nothing but the clock.
CLOCK = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"


async def document(db: Db, guards: Guards, owners: Iterable[tuple[str, PersonalData]], user_id: UserId) -> str:
    """One JSON document with everything that is the user's. PostgreSQL writes the rows; here they are only joined.

    Raises Withheld.
    """
    parts = [f'"format":"{FORMAT}","userId":"{user_id}"']
    async with db.transaction() as tx:
        parts.append(f'"madeAt":"{await tx.fetchval(CLOCK)}"')
        for name, data in owners:
            try:
                part = await guards.call(name, WHAT, _part, data, tx, user_id, timeout=ANSWER)
            except Exception as error:
                raise Withheld(f"{name}: {kind_of(error)}") from error
            parts.append(f"{orjson.dumps(name).decode()}:{part}")
    return f"{{{','.join(parts)}}}"


async def _part(data: PersonalData, tx: Tx, user_id: UserId) -> str:
    """One owner's. Raises for what is no JSON, which would spoil the whole."""
    sections = await data.export(tx, user_id)
    part = "{" + ",".join(f"{orjson.dumps(title).decode()}:{text}" for title, text in sections.items()) + "}"
    orjson.loads(part)
    return part
