"""SQL of delivery addresses. Writers hold the owner's account row, so two of them never interleave."""

from uuid import UUID

import attrs

from core.store.db import Db, Row, Tx
from plugins.user.models import AddressDraft
from plugins.user.ports import AddressView

# accounts_pkey.
LOCK_OWNER = "SELECT id FROM users.accounts WHERE id = $1 AND is_active FOR NO KEY UPDATE"

# addresses_owner.
LIST = """
SELECT id, kind, full_name, phone, line1, line2, landmark, city, state, pincode, country, latitude, longitude,
       special_notes, security_code, preferred_time_slot, is_default, created_at, updated_at
FROM users.addresses WHERE user_id = $1 AND deleted_at IS NULL ORDER BY is_default DESC, created_at DESC
"""

# addresses_pkey.
FIND = """
SELECT id, kind, full_name, phone, line1, line2, landmark, city, state, pincode, country, latitude, longitude,
       special_notes, security_code, preferred_time_slot, is_default, created_at, updated_at
FROM users.addresses WHERE id = $2 AND user_id = $1 AND deleted_at IS NULL
"""

# addresses_owner.
TWIN = """
SELECT id FROM users.addresses WHERE user_id = $1 AND deleted_at IS NULL AND fingerprint = $2
  AND created_at > clock_timestamp() - interval '60 seconds' LIMIT 1
"""

# addresses_owner.
COUNT = "SELECT count(*) FROM users.addresses WHERE user_id = $1 AND deleted_at IS NULL"

INSERT = """
INSERT INTO users.addresses (
    id, user_id, kind, full_name, phone, line1, line2, landmark, city, state, pincode, country, latitude, longitude,
    special_notes, security_code, preferred_time_slot, fingerprint, is_default)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, false)
"""

# addresses_pkey.
UPDATE = """
UPDATE users.addresses SET
    kind = $3, full_name = $4, phone = $5, line1 = $6, line2 = $7, landmark = $8, city = $9, state = $10, pincode = $11,
    country = $12, latitude = $13, longitude = $14, special_notes = $15, security_code = $16, preferred_time_slot = $17,
    fingerprint = $18, updated_at = clock_timestamp()
WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL
"""

# addresses_default.
CLEAR_DEFAULT = """
UPDATE users.addresses SET is_default = false, updated_at = clock_timestamp()
WHERE user_id = $1 AND is_default AND deleted_at IS NULL
"""

# addresses_pkey.
SET_DEFAULT = """
UPDATE users.addresses SET is_default = true, updated_at = clock_timestamp()
WHERE id = $2 AND user_id = $1 AND deleted_at IS NULL
"""

# addresses_pkey. The row stays, so that deleting it again is no error.
DELETE = """
UPDATE users.addresses SET deleted_at = coalesce(deleted_at, clock_timestamp()), is_default = false
WHERE id = $2 AND user_id = $1
"""

# addresses_owner.
PROMOTE = """
UPDATE users.addresses SET is_default = true, updated_at = clock_timestamp()
WHERE id = (SELECT n.id FROM users.addresses n WHERE n.user_id = $1 AND n.deleted_at IS NULL
            ORDER BY n.created_at DESC LIMIT 1)
  AND NOT EXISTS (SELECT 1 FROM users.addresses d WHERE d.user_id = $1 AND d.is_default AND d.deleted_at IS NULL)
"""


class AddressRows:
    """Rows of users.addresses; it is also the port `user.addresses`."""

    async def lock_owner(self, tx: Tx, user_id: UUID) -> bool:
        """Keep other writers of this user's addresses out until the commit; False when the account is not active."""
        return await tx.fetchval(LOCK_OWNER, user_id) is not None

    async def of_user(self, source: Tx | Db, user_id: UUID) -> list[AddressView]:
        """All of a user's, the default first, then the newest."""
        return [_view(row) for row in await source.fetch(LIST, user_id)]

    async def find(self, tx: Tx | Db, user_id: UUID, address_id: UUID) -> AddressView | None:
        """One of the user's own, or None."""
        row = await tx.fetchrow(FIND, user_id, address_id)
        return _view(row) if row else None

    async def twin(self, tx: Tx, user_id: UUID, fingerprint: bytes) -> UUID | None:
        """The same address, saved within the last 60 seconds."""
        found: UUID | None = await tx.fetchval(TWIN, user_id, fingerprint)
        return found

    async def count(self, tx: Tx, user_id: UUID) -> int:
        """How many the user has."""
        return int(await tx.fetchval(COUNT, user_id))

    async def insert(self, tx: Tx, address_id: UUID, user_id: UUID, draft: AddressDraft, fingerprint: bytes) -> None:
        """Save a new one, not the default."""
        await tx.execute(INSERT, address_id, user_id, *attrs.astuple(draft), fingerprint)

    async def update(self, tx: Tx, address_id: UUID, user_id: UUID, draft: AddressDraft, fingerprint: bytes) -> None:
        """Replace what the owner may change."""
        await tx.execute(UPDATE, address_id, user_id, *attrs.astuple(draft), fingerprint)

    async def make_default(self, tx: Tx, user_id: UUID, address_id: UUID) -> None:
        """Move the default; two statements, because the unique index is checked row by row."""
        await tx.execute(CLEAR_DEFAULT, user_id)
        await tx.execute(SET_DEFAULT, user_id, address_id)

    async def delete(self, tx: Tx, user_id: UUID, address_id: UUID) -> bool:
        """Whether the user has or had it. If it was the default, the newest other one becomes it."""
        if not await tx.execute(DELETE, user_id, address_id):
            return False
        await tx.execute(PROMOTE, user_id)
        return True


def _view(row: Row) -> AddressView:
    return AddressView(**row)
