"""The SQL of entries, devices and preferences; that of deliveries is in `outgoing.py`."""

from collections.abc import Sequence
from hashlib import sha256
from typing import LiteralString, cast
from uuid import UUID

import attrs
import orjson

from core.store.db import Db, Row, Tx
from core.types import UserId
from plugins.notification.models import Entry, EntryView, Preferences

# Primary key of entries, and its unique event_id: a repeated event adds nothing.
INSERT_ENTRY: LiteralString = """
INSERT INTO notifications.entries (id, user_id, event_id, type, title, body, action_type, action_data, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9)
ON CONFLICT (event_id) DO NOTHING
"""

# entries_list serves the page and, by an index-only scan, its count. The left join keeps the total of an empty page.
LIST_ENTRIES: LiteralString = """
SELECT total.count AS total,
       e.id, e.type, e.title, e.body, e.image_url, e.action_type, e.action_data, e.is_read, e.created_at
FROM (SELECT count(*) FROM notifications.entries WHERE user_id = $1) total
LEFT JOIN (
    SELECT id, type, title, body, image_url, action_type, action_data, read_at IS NOT NULL AS is_read, created_at
    FROM notifications.entries WHERE user_id = $1
    ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3
) e ON true
ORDER BY e.created_at DESC, e.id DESC
"""

# entries_unread for the count, entries_list or entries_unread for the page.
LIST_UNREAD: LiteralString = """
SELECT total.count AS total,
       e.id, e.type, e.title, e.body, e.image_url, e.action_type, e.action_data, e.is_read, e.created_at
FROM (SELECT count(*) FROM notifications.entries WHERE user_id = $1 AND read_at IS NULL) total
LEFT JOIN (
    SELECT id, type, title, body, image_url, action_type, action_data, false AS is_read, created_at
    FROM notifications.entries WHERE user_id = $1 AND read_at IS NULL
    ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3
) e ON true
ORDER BY e.created_at DESC, e.id DESC
"""

# entries_unread
COUNT_UNREAD: LiteralString = "SELECT count(*) FROM notifications.entries WHERE user_id = $1 AND read_at IS NULL"

# Primary key, twice. Reading again keeps the first time and still finds the entry.
MARK_READ: LiteralString = """
WITH marked AS (
    UPDATE notifications.entries SET read_at = now() WHERE id = $1 AND user_id = $2 AND read_at IS NULL
)
SELECT EXISTS (SELECT FROM notifications.entries WHERE id = $1 AND user_id = $2) AS found
"""

# entries_unread
MARK_ALL_READ: LiteralString = """
WITH marked AS (
    UPDATE notifications.entries SET read_at = now() WHERE user_id = $1 AND read_at IS NULL RETURNING 1
)
SELECT count(*) FROM marked
"""

# Primary key.
DELETE_ENTRY: LiteralString = """
WITH gone AS (DELETE FROM notifications.entries WHERE id = $1 AND user_id = $2 RETURNING 1)
SELECT count(*) > 0 AS found FROM gone
"""

# entries_list
CLEAR_ENTRIES: LiteralString = """
WITH gone AS (DELETE FROM notifications.entries WHERE user_id = $1 RETURNING 1)
SELECT count(*) FROM gone
"""

# Unique token_hash for the device, devices_of_user for the customer's oldest ones beyond $7. Who signs in again on the
# same phone brings the same token: the session is always that of the last registration.
REGISTER_DEVICE: LiteralString = """
WITH too_many AS (
    DELETE FROM notifications.devices WHERE id IN (
        SELECT id FROM notifications.devices WHERE user_id = $4 AND token_hash <> $2
        ORDER BY seen_at DESC OFFSET $7
    )
)
INSERT INTO notifications.devices AS d (id, token_hash, token, user_id, platform, session_id)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (token_hash) DO UPDATE
SET user_id = excluded.user_id, platform = excluded.platform, session_id = excluded.session_id, seen_at = now(),
    deactivated_at = NULL
RETURNING d.id
"""

# Unique token_hash.
DEACTIVATE_DEVICE: LiteralString = """
UPDATE notifications.devices SET deactivated_at = now()
WHERE token_hash = $1 AND user_id = $2 AND deactivated_at IS NULL RETURNING id
"""

# Primary key of preferences, devices_of_user. A phone whose session is over is its former owner's (RELIABILITY 4.4).
READ_REACH: LiteralString = """
SELECT p.push_enabled, p.email_enabled, p.sms_enabled, p.order_updates, p.promotional_offers, p.delivery_alerts,
       ARRAY(SELECT id FROM notifications.devices WHERE user_id = $1 AND deactivated_at IS NULL
             AND (session_id IS NULL OR users.session_open(user_id, session_id))
             ORDER BY seen_at DESC LIMIT $2) AS devices
FROM (SELECT) one LEFT JOIN notifications.preferences p ON p.user_id = $1
"""

# Primary key of preferences: $2 to $7 are the changes, null where there is none, $8 to $13 the defaults.
CHANGE_PREFERENCES: LiteralString = """
INSERT INTO notifications.preferences AS p
    (user_id, push_enabled, email_enabled, sms_enabled, order_updates, promotional_offers, delivery_alerts)
VALUES ($1, coalesce($2::boolean, $8), coalesce($3::boolean, $9), coalesce($4::boolean, $10),
        coalesce($5::boolean, $11), coalesce($6::boolean, $12), coalesce($7::boolean, $13))
ON CONFLICT (user_id) DO UPDATE
SET push_enabled = coalesce($2, p.push_enabled), email_enabled = coalesce($3, p.email_enabled),
    sms_enabled = coalesce($4, p.sms_enabled), order_updates = coalesce($5, p.order_updates),
    promotional_offers = coalesce($6, p.promotional_offers), delivery_alerts = coalesce($7, p.delivery_alerts),
    updated_at = now()
RETURNING push_enabled, email_enabled, sms_enabled, order_updates, promotional_offers, delivery_alerts
"""

# entries_age and devices_dead; a bounded batch, so that no lock is held for long.
DELETE_OLD: LiteralString = """
WITH devices AS (
    DELETE FROM notifications.devices WHERE deactivated_at < now() - $1 * interval '1 day'
), old AS (
    SELECT id FROM notifications.entries WHERE created_at < now() - $1 * interval '1 day' LIMIT $2
)
DELETE FROM notifications.entries e USING old WHERE e.id = old.id
"""

VIEWED = tuple(field.name for field in attrs.fields(EntryView))
SWITCHES = tuple(field.name for field in attrs.fields(Preferences))
MAX_DEVICES = 10
"""A customer's devices that are kept; the longest unseen goes first."""


def token_hash(token: str) -> bytes:
    """What a device is found by."""
    return sha256(token.encode()).digest()


class Inbox:
    """Entries, devices and preferences of one customer at a time."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def add(self, tx: Tx, entry: Entry) -> bool:
        """Write an entry; False when its event has one already."""
        values = (entry.id, entry.user_id, entry.event_id, entry.type, entry.title, entry.body, entry.action_type)
        data = orjson.dumps(dict(entry.action_data)).decode()
        return await tx.execute(INSERT_ENTRY, *values, data, entry.created_at) == 1

    async def page(self, user: UserId, limit: int, offset: int, *, unread: bool) -> tuple[list[EntryView], int]:
        """Newest first, and how many there are in all. One round trip."""
        rows = await self._db.fetch(LIST_UNREAD if unread else LIST_ENTRIES, user, limit, offset)
        return [_entry(row) for row in rows if row["id"] is not None], rows[0]["total"]

    async def unread(self, user: UserId) -> int:
        """How many were not read."""
        return cast("int", await self._db.fetchval(COUNT_UNREAD, user))

    async def mark_read(self, user: UserId, entry: UUID) -> bool:
        """False when the customer has no such entry."""
        return bool(await self._value(MARK_READ, entry, user))

    async def mark_all_read(self, user: UserId) -> int:
        """How many were unread."""
        return cast("int", await self._value(MARK_ALL_READ, user))

    async def delete(self, user: UserId, entry: UUID) -> bool:
        """False when the customer has no such entry."""
        return bool(await self._value(DELETE_ENTRY, entry, user))

    async def clear(self, user: UserId) -> int:
        """How many were deleted."""
        return cast("int", await self._value(CLEAR_ENTRIES, user))

    async def register(self, user: UserId, session: UUID, device: UUID, token: str, platform: str) -> None:
        """Give the token to this customer, whoever had it before, while the session is open."""
        await self._value(REGISTER_DEVICE, device, token_hash(token), token, user, platform, session, MAX_DEVICES - 1)

    async def deactivate(self, user: UserId, token: str) -> None:
        """Send nothing there any more."""
        await self._value(DEACTIVATE_DEVICE, token_hash(token), user)

    async def reach(self, source: Db | Tx, user: UserId) -> tuple[Preferences, Sequence[UUID]]:
        """What the customer wants, and the devices that can be reached."""
        row = await source.fetchrow(READ_REACH, user, MAX_DEVICES)
        assert row is not None  # noqa: S101  the left side of the join always has its row
        return preferences_of(row), row["devices"]

    async def preferences(self, user: UserId) -> Preferences:
        """What the customer wants; the defaults when nothing was ever chosen. Writes nothing."""
        return (await self.reach(self._db, user))[0]

    async def change(self, user: UserId, changes: dict[str, bool]) -> Preferences:
        """Set the named switches and leave the others."""
        defaults = attrs.astuple(Preferences())
        row = await self._db.command(
            CHANGE_PREFERENCES, user, *(changes.get(name) for name in SWITCHES), *defaults, emits=False
        )
        assert row is not None  # noqa: S101  an upsert returns its row
        return preferences_of(row)

    async def delete_old(self, days: int, batch: int) -> int:
        """Entries, and devices switched off, older than `days`; at most `batch` entries."""
        async with self._db.transaction() as tx:
            return await tx.execute(DELETE_OLD, days, batch)

    async def _value(self, sql: LiteralString, *args: object) -> object:
        row = await self._db.command(sql, *args)
        return row[0] if row else None


def preferences_of(row: Row) -> Preferences:
    """The choices of a row that has their columns, null where none was ever made."""
    return Preferences() if row[SWITCHES[0]] is None else Preferences(**{name: row[name] for name in SWITCHES})


def _entry(row: Row) -> EntryView:
    data = row["action_data"]
    values = {name: row[name] for name in VIEWED}
    return EntryView(**{**values, "action_data": orjson.loads(data) if data is not None else None})
