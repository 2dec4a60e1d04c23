"""SQL of saved ways to pay, each constant beside the method that runs it."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import attrs

from core.store.db import Db, Row, Tx
from core.types import UserId
from plugins.payment.models import NewMethod, SavedMethod

COLUMNS: LiteralString = """
    m.id, m.type, m.token, m.last_four, m.card_type, m.bank_name, m.wallet_type, m.is_default, m.created_at,
    m.updated_at"""


class Methods:
    """Saved ways to pay. A writer holds its owner's lock first, so that two at once agree on the default."""

    # Index methods_of_user.
    ALL = (
        "SELECT"
        + COLUMNS
        + " FROM payments.methods m WHERE m.user_id = $1 ORDER BY m.is_default DESC, m.created_at DESC, m.id DESC"
    )

    async def all(self, source: Tx | Db, owner: UserId) -> Sequence[SavedMethod]:
        """The owner's: the default first, then the newest."""
        return [_method(row) for row in await source.fetch(self.ALL, owner)]

    # Primary key.
    FIND = "SELECT" + COLUMNS + " FROM payments.methods m WHERE m.id = $1 AND m.user_id = $2"

    async def find(self, source: Tx | Db, owner: UserId, method_id: UUID) -> SavedMethod | None:
        """One of the owner's."""
        row = await source.fetchrow(self.FIND, method_id, owner)
        return None if row is None else _method(row)

    # No table: the owner's lock, until the commit.
    HOLD = "SELECT pg_advisory_xact_lock(hashtextextended('payments.methods ' || $1::text, 0))"

    async def hold(self, tx: Tx, owner: UserId) -> None:
        """Let no other change the owner's ways to pay until the commit."""
        await tx.fetchval(self.HOLD, str(owner))

    # Primary key.
    ADD = """
        INSERT INTO payments.methods (id, user_id, type, token, last_four, card_type, bank_name, wallet_type)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"""

    async def add(self, tx: Tx, owner: UserId, method_id: UUID, new: NewMethod) -> None:
        """Write one down, not the default yet."""
        values = attrs.astuple(new, filter=attrs.filters.exclude(attrs.fields(NewMethod).is_default))
        await tx.execute(self.ADD, method_id, owner, *values)

    # Indexes methods_default and the primary key. The old default goes first: there is one at any moment.
    UNSET = """
        UPDATE payments.methods m SET is_default = false, updated_at = clock_timestamp()
        WHERE m.user_id = $1 AND m.is_default AND m.id <> $2"""
    SET = """
        UPDATE payments.methods m SET is_default = true, updated_at = clock_timestamp()
        WHERE m.id = $2 AND m.user_id = $1 AND NOT m.is_default"""

    async def make_default(self, tx: Tx, owner: UserId, method_id: UUID) -> None:
        """The one that the app proposes."""
        await tx.execute(self.UNSET, owner, method_id)
        await tx.execute(self.SET, owner, method_id)

    # Primary key.
    DELETE = "DELETE FROM payments.methods m WHERE m.id = $1 AND m.user_id = $2"

    async def delete(self, tx: Tx, owner: UserId, method_id: UUID) -> bool:
        """Forget one; False when there was none."""
        return await tx.execute(self.DELETE, method_id, owner) == 1


def _method(row: Row) -> SavedMethod:
    return SavedMethod(
        id=row["id"],
        type=row["type"],
        token=row["token"],
        last_four=row["last_four"],
        card_type=row["card_type"],
        bank_name=row["bank_name"],
        wallet_type=row["wallet_type"],
        is_default=row["is_default"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
