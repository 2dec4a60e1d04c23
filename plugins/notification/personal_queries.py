"""SQL that copies and erases what the domain holds of one person."""

from datetime import datetime
from typing import LiteralString
from uuid import UUID

from core.store.db import Db, Tx

# entries_list.
ENTRIES: LiteralString = """
SELECT coalesce(json_agg(json_build_object('type', type, 'title', title, 'body', body, 'createdAt', created_at,
    'readAt', read_at) ORDER BY created_at), '[]')::text
FROM notifications.entries WHERE user_id = $1
"""
# devices_of_user. A token is a key to the phone: it is not told.
DEVICES: LiteralString = """
SELECT coalesce(json_agg(json_build_object('platform', platform, 'seenAt', seen_at, 'deactivatedAt', deactivated_at)
    ORDER BY seen_at), '[]')::text
FROM notifications.devices WHERE user_id = $1
"""
# preferences_pkey.
PREFERENCES: LiteralString = """
SELECT json_build_object('pushEnabled', push_enabled, 'emailEnabled', email_enabled, 'smsEnabled', sms_enabled,
    'orderUpdates', order_updates, 'promotionalOffers', promotional_offers, 'deliveryAlerts', delivery_alerts,
    'updatedAt', updated_at)::text
FROM notifications.preferences WHERE user_id = $1
"""
# deliveries_of_user.
MESSAGES: LiteralString = """
SELECT coalesce(json_agg(json_build_object('medium', medium, 'template', template, 'variables', variables,
    'state', state, 'createdAt', created_at, 'finishedAt', finished_at) ORDER BY created_at), '[]')::text
FROM notifications.deliveries WHERE user_id = $1
"""
EXPORT: dict[str, LiteralString] = {
    "entries": ENTRIES,
    "devices": DEVICES,
    "preferences": PREFERENCES,
    "messages": MESSAGES,
}

# entries_list, devices_of_user, preferences_pkey, deliveries_of_user.
DELETE_ENTRIES: LiteralString = """
DELETE FROM notifications.entries WHERE id = ANY(ARRAY(
    SELECT e.id FROM notifications.entries e WHERE e.user_id = $1 LIMIT $2))
"""
DELETE_DEVICES: LiteralString = """
DELETE FROM notifications.devices WHERE id = ANY(ARRAY(
    SELECT d.id FROM notifications.devices d WHERE d.user_id = $1 LIMIT $2))
"""
DELETE_PREFERENCES: LiteralString = """
DELETE FROM notifications.preferences WHERE user_id = ANY(ARRAY(
    SELECT p.user_id FROM notifications.preferences p WHERE p.user_id = $1 LIMIT $2))
"""
DELETE_MESSAGES: LiteralString = """
DELETE FROM notifications.deliveries WHERE id = ANY(ARRAY(
    SELECT d.id FROM notifications.deliveries d WHERE d.user_id = $1 LIMIT $2))
"""
PARTS: tuple[LiteralString, ...] = (DELETE_ENTRIES, DELETE_DEVICES, DELETE_PREFERENCES, DELETE_MESSAGES)

# deliveries_of_user. Who hears late of a closed account may find it open again, with news of its own: that is younger.
SILENCE: LiteralString = """
DELETE FROM notifications.deliveries WHERE user_id = $1 AND state = 'PENDING' AND created_at <= $2
"""

# devices_of_user.
TOKENS: LiteralString = "SELECT token FROM notifications.devices WHERE user_id = $1"


class PersonalRows:
    """One person's rows in all tables of the domain."""

    async def copy(self, tx: Tx, user_id: UUID) -> dict[str, str]:
        """JSON text by section."""
        return {name: await tx.fetchval(sql, user_id) or "null" for name, sql in EXPORT.items()}

    async def delete(self, tx: Tx, user_id: UUID, batch: int) -> bool:
        """At most `batch` rows a table; whether nothing is left."""
        touched = [await tx.execute(sql, user_id, batch) for sql in PARTS]
        return batch not in touched

    async def silence(self, tx: Tx, user_id: UUID, until: datetime) -> None:
        """Forget the messages of that time and before which were not sent yet."""
        await tx.execute(SILENCE, user_id, until)

    async def tokens(self, db: Db, user_id: UUID) -> list[str]:
        """Of the devices that pushes went to."""
        return [row["token"] for row in await db.fetch(TOKENS, user_id)]
