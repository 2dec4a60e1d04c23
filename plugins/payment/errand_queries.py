"""SQL of errands and notices: work that waits in rows, and what providers told."""

from collections.abc import Sequence
from enum import StrEnum
from typing import LiteralString
from uuid import UUID

import attrs
import orjson

from core.convert import wire
from core.store.db import Db, Tx
from core.types import uuid7
from plugins.payment.ports import Notice


class Kind(StrEnum):
    """What is to be done."""

    NOTICE = "NOTICE"
    """Work a stored notice in."""
    START = "START"
    """Ask the provider for something that the customer can pay."""
    CHECK = "CHECK"
    """Ask the provider how a payment stands."""
    REFUND = "REFUND"
    """Send money back."""


@attrs.frozen(kw_only=True)
class Errand:
    """A claimed one."""

    kind: Kind
    subject: UUID
    attempts: int
    """This one included."""
    lease: UUID


@attrs.frozen(kw_only=True)
class StoredNotice:
    """A notice as it was stored."""

    id: UUID
    provider: str
    notice: Notice


class Errands:
    """Work for the workers of all replicas; leases keep them apart."""

    # Primary key errands_pkey. Asking again for work that is under way has it done once more: it may have begun before
    # there was a reason.
    WAKE: LiteralString = """
        INSERT INTO payments.errands (kind, subject, due_at)
        VALUES ($1, $2, clock_timestamp() + $3 * interval '1 second')
        ON CONFLICT (kind, subject) DO UPDATE
            SET due_at = least(errands.due_at, excluded.due_at), lease = NULL, attempts = 0"""

    async def wake(self, tx: Tx, kind: Kind, subject: UUID, seconds: float = 0) -> None:
        """Have it done, in so many seconds at the latest."""
        await tx.execute(self.WAKE, kind, subject, seconds)

    # Primary keys of both. However often it is asked for, the provider is asked every other second at most. A check
    # that is under way may have asked it before there was news: it is made once more, as by WAKE.
    WAKE_CHECK: LiteralString = """
        INSERT INTO payments.errands (kind, subject, due_at)
        SELECT 'CHECK', p.id, greatest(clock_timestamp(), p.checked_at + interval '2 seconds')
        FROM payments.payments p WHERE p.id = $1 AND p.gateway_order_id IS NOT NULL
        ON CONFLICT (kind, subject) DO UPDATE SET due_at = least(errands.due_at, excluded.due_at), lease = NULL"""

    async def wake_check(self, tx: Tx, payment_id: UUID) -> None:
        """Somebody says that there is news of a payment: ask the provider."""
        await tx.execute(self.WAKE_CHECK, payment_id)

    # Index errands_notices; index errands_calls.
    CLAIM_NOTICES: LiteralString = """
        WITH due AS MATERIALIZED (
            SELECT kind, subject FROM payments.errands WHERE kind = 'NOTICE' AND due_at <= now()
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE payments.errands e SET attempts = e.attempts + 1, lease = $2, due_at = now() + $3 * interval '1 second'
        FROM due WHERE e.kind = due.kind AND e.subject = due.subject RETURNING e.kind, e.subject, e.attempts"""
    CLAIM_CALLS: LiteralString = """
        WITH due AS MATERIALIZED (
            SELECT kind, subject FROM payments.errands WHERE kind <> 'NOTICE' AND due_at <= now()
            ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE payments.errands e SET attempts = e.attempts + 1, lease = $2, due_at = now() + $3 * interval '1 second'
        FROM due WHERE e.kind = due.kind AND e.subject = due.subject RETURNING e.kind, e.subject, e.attempts"""

    async def claim(self, db: Db, count: int, lease_seconds: float, *, notices: bool) -> list[Errand]:
        """Up to `count` due ones, the longest due first: notices, or those that call a provider."""
        lease, sql = uuid7(), self.CLAIM_NOTICES if notices else self.CLAIM_CALLS
        async with db.transaction() as tx:
            rows = await tx.fetch(sql, count, lease, lease_seconds)
        return [Errand(kind=Kind(r["kind"]), subject=r["subject"], attempts=r["attempts"], lease=lease) for r in rows]

    # Primary key, bound to the lease: an errand that was asked for anew meanwhile stays.
    DONE: LiteralString = "DELETE FROM payments.errands e WHERE e.kind = $1 AND e.subject = $2 AND e.lease = $3"

    async def done(self, tx: Tx, errand: Errand) -> None:
        """Nothing is left to do."""
        await tx.execute(self.DONE, errand.kind, errand.subject, errand.lease)

    # Primary key, bound to the lease.
    LATER: LiteralString = """
        UPDATE payments.errands e SET due_at = clock_timestamp() + $4 * interval '1 second', lease = NULL, reason = $5,
            attempts = CASE WHEN $5::text IS NULL THEN 0 ELSE e.attempts END
        WHERE e.kind = $1 AND e.subject = $2 AND e.lease = $3"""

    async def later(self, tx: Tx, errand: Errand, seconds: float, reason: str | None = None) -> None:
        """Again in a while; with a `reason` this try has failed and counts."""
        await tx.execute(self.LATER, errand.kind, errand.subject, errand.lease, seconds, reason)

    # Primary keys of both. $3: seconds after the payment was made; the first of them that is still to come.
    NEXT_CHECK: LiteralString = """
        SELECT extract(epoch FROM min(p.created_at + s * interval '1 second') - clock_timestamp())::float8
        FROM payments.payments p, unnest($2::float8[]) AS s
        WHERE p.id = $1 AND p.created_at + s * interval '1 second' > clock_timestamp()"""

    async def until_next_check(self, tx: Tx, payment_id: UUID, schedule: Sequence[float]) -> float | None:
        """Seconds until the next check of a payment by this schedule; None after the last."""
        found: float | None = await tx.fetchval(self.NEXT_CHECK, payment_id, list(schedule))
        return found

    # Index payments_open. What is under way is made once more, as by WAKE.
    WAKE_OPEN: LiteralString = """
        INSERT INTO payments.errands (kind, subject)
        SELECT 'CHECK', p.id FROM payments.payments p WHERE p.state <> 'CAPTURED' AND p.gateway_order_id IS NOT NULL
            AND p.created_at > now() - $1 * interval '1 day'
        ON CONFLICT (kind, subject) DO UPDATE SET due_at = least(errands.due_at, excluded.due_at), lease = NULL"""

    async def wake_open(self, tx: Tx, days: int) -> int:
        """Have every payment of these days checked that is not complete; how many."""
        return await tx.execute(self.WAKE_OPEN, days)

    # Both partial indexes.
    OLDEST_DUE: LiteralString = """
        SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8 FROM payments.errands WHERE due_at <= now()
        """

    async def oldest_due(self, db: Db) -> float:
        """Seconds for which the oldest errand has been due; 0 when none is."""
        return float(await db.fetchval(self.OLDEST_DUE))


class Notices:
    """What providers told."""

    # Primary key notices_pkey: the same event again adds nothing. One round trip stores it and has it worked in.
    STORE: LiteralString = """
        WITH new AS (
            INSERT INTO payments.notices (provider, event_id, id, kind, content) VALUES ($1, $2, $3, $4, $5::jsonb)
            ON CONFLICT (provider, event_id) DO NOTHING RETURNING id
        )
        INSERT INTO payments.errands (kind, subject) SELECT 'NOTICE', id FROM new RETURNING subject"""

    async def store(self, db: Db, provider: str, notice: Notice) -> bool:
        """Keep it; False when it was known."""
        content = wire.dump(notice).decode()
        row = await db.command(self.STORE, provider, notice.event_id, uuid7(), notice.kind, content)
        return row is not None

    # Index notices_id_key.
    LOCK: LiteralString = """
        SELECT n.id, n.provider, n.content FROM payments.notices n
        WHERE n.id = $1 AND n.processed_at IS NULL FOR UPDATE"""

    async def lock(self, tx: Tx, notice_id: UUID) -> StoredNotice | None:
        """One that is not worked in yet, held until the commit."""
        row = await tx.fetchrow(self.LOCK, notice_id)
        if row is None:
            return None
        notice = wire.structure(orjson.loads(row["content"]), Notice)
        return StoredNotice(id=row["id"], provider=row["provider"], notice=notice)

    # Index notices_id_key.
    PROCESSED: LiteralString = """
        UPDATE payments.notices n SET processed_at = clock_timestamp(), outcome = $2 WHERE n.id = $1"""

    async def processed(self, tx: Tx, notice_id: UUID, outcome: str) -> None:
        """It is worked in."""
        await tx.execute(self.PROCESSED, notice_id, outcome)

    # Index notices_old; a bounded batch.
    DELETE_OLD: LiteralString = """
        DELETE FROM payments.notices WHERE (provider, event_id) IN (
            SELECT n.provider, n.event_id FROM payments.notices n
            WHERE n.processed_at < now() - $1 * interval '1 day' LIMIT $2)"""

    async def delete_old(self, db: Db, days: int, batch: int) -> int:
        """Worked in more than `days` ago; at most `batch` of them."""
        async with db.transaction() as tx:
            return await tx.execute(self.DELETE_OLD, days, batch)
