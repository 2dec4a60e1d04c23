"""The SQL of deliveries: added by an event's transaction, claimed under a lease, marked after the send."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import orjson

from core.store.db import Db, Tx
from core.types import UserId, uuid7
from plugins.notification.models import Claimed, Delivery
from plugins.notification.ports import Medium, Sent
from plugins.notification.queries import preferences_of

# Primary key of deliveries.
INSERT_DELIVERY: LiteralString = """
INSERT INTO notifications.deliveries (id, user_id, entry_id, medium, device_id, template, variables, traceparent,
    expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, now() + $9 * interval '1 second')
"""

# deliveries_due; primary keys of devices, preferences, sessions and accounts. A lease that ran out makes its delivery
# due again: a crash costs one repeat. Token and choices are read here, not when the delivery was written: a phone that
# changed hands, or whose session is over (RELIABILITY 4.4), gets nothing of its old owner, and who withdraws consent
# gets nothing that was queued before (4.15).
CLAIM: LiteralString = """
WITH due AS MATERIALIZED (
    SELECT id, user_id FROM notifications.deliveries
    WHERE medium = $1 AND state = 'PENDING' AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE notifications.deliveries d
SET attempts = d.attempts + 1, lease = $3, next_attempt_at = now() + $4 * interval '1 second'
FROM due LEFT JOIN notifications.preferences p ON p.user_id = due.user_id WHERE d.id = due.id
RETURNING p.push_enabled, p.email_enabled, p.sms_enabled, p.order_updates, p.promotional_offers, p.delivery_alerts,
          d.id, d.user_id, d.entry_id, d.template, d.variables, d.attempts, d.traceparent,
          floor(extract(epoch FROM d.expires_at - now()))::int AS expires_in,
          (SELECT v.token FROM notifications.devices v
           WHERE v.id = d.device_id AND v.user_id = d.user_id AND v.deactivated_at IS NULL
             AND (v.session_id IS NULL OR users.session_open(v.user_id, v.session_id))) AS token
"""

# Primary key. Not bound to the lease: what was sent was sent, also when the mark comes late.
MARK_SENT: LiteralString = """
UPDATE notifications.deliveries
SET state = 'SENT', provider = $2, reference = $3, reason = NULL, lease = NULL, finished_at = now()
WHERE id = $1 AND state = 'PENDING' RETURNING id
"""

# Primary key, bound to the lease.
MARK_WAITING: LiteralString = """
UPDATE notifications.deliveries
SET next_attempt_at = now() + $3 * interval '1 second', reason = $4, lease = NULL
WHERE id = $1 AND lease = $2 AND state = 'PENDING' RETURNING id
"""

# Primary keys of deliveries and devices, bound to the lease.
MARK_FAILED: LiteralString = """
WITH failed AS (
    UPDATE notifications.deliveries SET state = 'FAILED', reason = $3, lease = NULL, finished_at = now()
    WHERE id = $1 AND lease = $2 AND state = 'PENDING' RETURNING device_id, user_id
)
UPDATE notifications.devices v SET deactivated_at = now()
FROM failed f WHERE $4 AND v.id = f.device_id AND v.user_id = f.user_id RETURNING v.id
"""

# deliveries_done; a bounded batch.
DELETE_DONE: LiteralString = """
WITH old AS (
    SELECT id FROM notifications.deliveries WHERE finished_at < now() - $1 * interval '1 day' LIMIT $2
)
DELETE FROM notifications.deliveries d USING old WHERE d.id = old.id
"""

# deliveries_due: the oldest of each medium is its first row.
OLDEST_DUE: LiteralString = """
SELECT coalesce(extract(epoch FROM now() - min(oldest.at)), 0)::float8
FROM unnest($1::text[]) AS m(medium),
     LATERAL (SELECT min(next_attempt_at) AS at FROM notifications.deliveries
              WHERE medium = m.medium AND state = 'PENDING' AND next_attempt_at <= now()) oldest
"""


class Deliveries:
    """Messages on their way out."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def add(self, tx: Tx, deliveries: Sequence[Delivery], lifetime: int) -> None:
        """Write them, to be dropped unsent after `lifetime` seconds. One round trip."""
        if deliveries:
            await tx.executemany(INSERT_DELIVERY, [(*_values(d), lifetime) for d in deliveries])

    async def claim(self, medium: Medium, count: int, lease_seconds: float) -> tuple[UUID, list[Claimed]]:
        """Up to `count` due ones, oldest first, and the lease under which they are ours."""
        lease = uuid7()
        async with self._db.transaction() as tx:
            rows = await tx.fetch(CLAIM, medium, count, lease, lease_seconds)
        return lease, [
            Claimed(
                id=row["id"],
                user_id=UserId(row["user_id"]),
                entry_id=row["entry_id"],
                template=row["template"],
                variables=orjson.loads(row["variables"]),
                attempts=row["attempts"],
                expires_in=row["expires_in"],
                token=row["token"],
                preferences=preferences_of(row),
                traceparent=row["traceparent"],
            )
            for row in rows
        ]

    async def sent(self, delivery: UUID, sent: Sent) -> None:
        """It is out."""
        await self._db.command(MARK_SENT, delivery, sent.provider, sent.reference)

    async def waits(self, delivery: UUID, lease: UUID, seconds: float, reason: str) -> None:
        """Try again later."""
        await self._db.command(MARK_WAITING, delivery, lease, seconds, reason)

    async def failed(self, delivery: UUID, lease: UUID, reason: str, *, dead_device: bool = False) -> None:
        """Give it up; a dead device gets nothing more until it registers again."""
        await self._db.command(MARK_FAILED, delivery, lease, reason, dead_device)

    async def delete_done(self, days: int, batch: int) -> int:
        """Finished more than `days` ago; at most `batch` of them."""
        async with self._db.transaction() as tx:
            return await tx.execute(DELETE_DONE, days, batch)

    async def oldest_due(self, media: Sequence[Medium]) -> float:
        """Seconds for which the longest waiting delivery has been due; 0 when none is."""
        return float(await self._db.fetchval(OLDEST_DUE, list(media)))


def _values(d: Delivery) -> tuple[object, ...]:
    variables = orjson.dumps(dict(d.variables)).decode()
    return d.id, d.user_id, d.entry_id, d.medium, d.device_id, d.template, variables, d.traceparent
