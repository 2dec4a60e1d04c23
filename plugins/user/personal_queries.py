"""SQL that copies and erases what the domain holds of one person."""

from typing import LiteralString
from uuid import UUID

from core.store.db import Db, Tx
from plugins.user.ports import Contact

# accounts_pkey, and the unique phone.
BY_ID = "SELECT id FROM users.accounts WHERE id = $1"
BY_PHONE = "SELECT id FROM users.accounts WHERE phone = $1"
REACH = "SELECT phone, email, name FROM users.accounts WHERE id = $1"

# accounts_pkey. The caller holds the sessions.
REOPEN = "SELECT users.reopen($1, $2, $3)"

# accounts_pkey.
PROFILE: LiteralString = """
SELECT json_build_object('id', id, 'phone', phone, 'name', name, 'email', email, 'profileImageUrl', profile_image_url,
    'role', role, 'createdAt', created_at, 'updatedAt', updated_at)::text
FROM users.accounts WHERE id = $1
"""
# The whole table: its index has only those that are in use, and a deleted address is personal data too.
ADDRESSES: LiteralString = """
SELECT coalesce(json_agg(json_build_object('kind', kind, 'fullName', full_name, 'phone', phone, 'line1', line1,
    'line2', line2, 'landmark', landmark, 'city', city, 'state', state, 'pincode', pincode, 'country', country,
    'latitude', latitude, 'longitude', longitude, 'specialNotes', special_notes, 'securityCode', security_code,
    'preferredTimeSlot', preferred_time_slot, 'isDefault', is_default, 'createdAt', created_at,
    'deletedAt', deleted_at) ORDER BY created_at), '[]')::text
FROM users.addresses WHERE user_id = $1
"""
# The whole table, as for erasing.
SESSIONS: LiteralString = """
SELECT coalesce(json_agg(json_build_object('deviceName', device_name, 'deviceType', device_type, 'deviceId', device_id,
    'networkAddress', address, 'userAgent', user_agent, 'createdAt', created_at, 'usedAt', rotated_at,
    'endedAt', ended_at, 'endReason', end_reason) ORDER BY created_at), '[]')::text
FROM users.sessions WHERE user_id = $1
"""
# challenges_phone.
CODES: LiteralString = """
SELECT coalesce(json_agg(json_build_object('sentAt', c.created_at, 'usedAt', c.claimed_at, 'deviceId', c.device_id)
    ORDER BY c.created_at), '[]')::text
FROM users.challenges c JOIN users.accounts a ON a.phone = c.phone WHERE a.id = $1
"""
EXPORT: dict[str, LiteralString] = {
    "profile": PROFILE,
    "addresses": ADDRESSES,
    "sessions": SESSIONS,
    "signInCodes": CODES,
}

# Sessions have no index by user that holds the ended ones: it would cost every refresh of everybody, and reading a
# million rows takes this job a tenth of a second. Tokens go first, so that a session's own end is a small statement.
TOKENS: LiteralString = """
DELETE FROM users.refresh_tokens WHERE hash = ANY(ARRAY(
    SELECT t.hash FROM users.refresh_tokens t JOIN users.sessions s ON s.id = t.session_id
    WHERE s.user_id = $1 LIMIT $2))
"""
DELETE_SESSIONS: LiteralString = """
DELETE FROM users.sessions WHERE id = ANY(ARRAY(
    SELECT s.id FROM users.sessions s WHERE s.user_id = $1
        AND NOT EXISTS (SELECT FROM users.refresh_tokens t WHERE t.session_id = s.id) LIMIT $2))
"""
# The whole table, as above.
DELETE_ADDRESSES: LiteralString = """
DELETE FROM users.addresses WHERE id = ANY(ARRAY(SELECT a.id FROM users.addresses a WHERE a.user_id = $1 LIMIT $2))
"""
# challenges_phone. Their messages go with them. Those of the last day count against misuse: they go when nothing may
# wait any more ($3), or with the broom.
DELETE_CODES: LiteralString = """
DELETE FROM users.challenges WHERE id = ANY(ARRAY(
    SELECT c.id FROM users.challenges c JOIN users.accounts a ON a.phone = c.phone
    WHERE a.id = $1 AND ($3 OR c.created_at < clock_timestamp() - interval '1 day') LIMIT $2))
"""
PARTS: tuple[LiteralString, ...] = (TOKENS, DELETE_SESSIONS, DELETE_ADDRESSES)
# accounts_pkey. The phone is free from here on.
DELETE_ACCOUNT = "DELETE FROM users.accounts WHERE id = $1"


class PersonalRows:
    """One person's rows in all tables of the domain."""

    async def by_id(self, source: Tx | Db, user_id: UUID) -> UUID | None:
        """The account, open or closed."""
        found: UUID | None = await source.fetchval(BY_ID, user_id)
        return found

    async def by_phone(self, source: Tx | Db, phone: str) -> UUID | None:
        """The account of a phone in the normal form, open or closed."""
        found: UUID | None = await source.fetchval(BY_PHONE, phone)
        return found

    async def reach(self, source: Tx | Db, user_id: UUID) -> Contact | None:
        """Where an account is or was reached, open or closed."""
        row = await source.fetchrow(REACH, user_id)
        return Contact(phone=row["phone"], email=row["email"], name=row["name"]) if row else None

    async def reopen(self, tx: Tx, user_id: UUID, event_id: UUID, correlation_id: str) -> bool:
        """Undo the erasure of an account whose sessions are held."""
        return bool(await tx.fetchval(REOPEN, user_id, event_id, correlation_id))

    async def copy(self, tx: Tx, user_id: UUID) -> dict[str, str]:
        """JSON text by section."""
        return {name: await tx.fetchval(sql, user_id) or "null" for name, sql in EXPORT.items()}

    async def delete_parts(self, tx: Tx, user_id: UUID, batch: int, *, all_codes: bool) -> bool:
        """What hangs on the account, at most `batch` rows a table; whether nothing is left."""
        touched = [await tx.execute(sql, user_id, batch) for sql in PARTS]
        touched.append(await tx.execute(DELETE_CODES, user_id, batch, all_codes))
        return not any(touched)

    async def delete_account(self, tx: Tx, user_id: UUID) -> None:
        """The account itself, once nothing hangs on it."""
        await tx.execute(DELETE_ACCOUNT, user_id)
