"""The cart's SQL. Each change is one function call, which locks the user's row (migrations/0001_carts.sql)."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

from core.errors import Problem
from core.store.db import NotReached
from core.types import UserId, uuid7
from plugins.cart.models import Cart, Limits
from plugins.product.ports import ProductId

if TYPE_CHECKING:
    from core.http.routing import Operation
    from core.store.db import Db, Row, Tx

# carts_pkey
FIND: LiteralString = """
SELECT version, products, quantities, updated_at FROM carts.carts WHERE user_id = $1 AND carts.is_live(updated_at)
"""
ADD: LiteralString = "SELECT version, products, quantities, updated_at FROM carts.add_line($1, $2, $3, $4, $5, $6)"
ADDED: LiteralString = (
    "SELECT version, products, quantities, updated_at FROM carts.carts WHERE user_id = $1 AND $2 = ANY (additions)"
)
PUT: LiteralString = "SELECT version, products, quantities, updated_at FROM carts.put_line($1, $2, $3, $4, $5)"
REMOVE: LiteralString = "SELECT version, products, quantities, updated_at FROM carts.remove_line($1, $2)"
CLEAR: LiteralString = "SELECT version, products, quantities, updated_at FROM carts.cleared($1)"
BEGIN: LiteralString = "SELECT body FROM kernel.begin_operation($1, $2, $3, $4)"
FINISH: LiteralString = "SELECT kernel.finish_operation($1, $2, $3, 200, $4)"
# carts_age finds them, carts_pkey deletes them; the day is a coarse first sieve
EXPIRE: LiteralString = """
DELETE FROM carts.carts WHERE user_id IN (
    SELECT user_id FROM carts.carts
    WHERE touched_on <= ((now() - interval '7 days') AT TIME ZONE 'UTC')::date AND NOT carts.is_live(updated_at)
    ORDER BY touched_on LIMIT $1 FOR UPDATE SKIP LOCKED
)
RETURNING user_id
"""

# doubts_pkey
DOUBT: LiteralString = """
INSERT INTO carts.doubts (user_id, at) VALUES ($1, clock_timestamp())
ON CONFLICT (user_id) DO UPDATE SET at = excluded.at
"""
# doubts_at, both. What is read again at each look became visible at its commit, later than its time says.
DOUBTED: LiteralString = "SELECT user_id, at FROM carts.doubts WHERE at > clock_timestamp() - interval '10 seconds'"
SETTLED: LiteralString = "DELETE FROM carts.doubts WHERE at < clock_timestamp() - interval '10 minutes'"


def _cart(row: "Row | None") -> Cart:
    """A row of carts.carts; where there is none, an empty cart as of now."""
    if row is None or row["version"] is None:
        return Cart(version=0, lines={}, updated_at=datetime.now(UTC), read_at=time.time())
    return Cart(
        version=row["version"],
        # asyncpg has a UUID class of its own, which orjson does not write.
        lines={ProductId(UUID(int=p.int)): q for p, q in zip(row["products"], row["quantities"], strict=True)},
        updated_at=row["updated_at"],
        read_at=time.time(),
    )


class CartQueries:
    """One round trip each."""

    def __init__(self, db: "Db") -> None:
        self._db = db

    async def find(self, user_id: UserId, db: "Db | Tx | None" = None) -> Cart:
        """The cart, empty if there is none or its time is over."""
        return _cart(await (db or self._db).fetchrow(FIND, user_id))

    async def add(
        self, user_id: UserId, product_id: ProductId, quantity: int, bounds: Limits, tx: "Tx | None" = None
    ) -> Cart:
        """Add to a line or begin it. Refused: OVER_MAXIMUM, OUT_OF_STOCK, CART_FULL.

        When the answer was lost with the connection, the cart is asked whether the addition is in it.
        """
        addition = uuid7()
        args = (user_id, product_id, quantity, bounds.maximum, bounds.stock, addition)
        if tx is not None:
            return _cart(await tx.fetchrow(ADD, *args))
        try:
            return _cart(await self._db.command(ADD, *args))
        except NotReached:
            raise
        except Problem:  # UNAVAILABLE: a statement has no other
            row = await self._db.fetchrow(ADDED, user_id, addition)
            if row is None:
                raise
            return _cart(row)

    async def put(self, user_id: UserId, product_id: ProductId, quantity: int, bounds: Limits) -> Cart:
        """Set a line's quantity, or take it out with 0. Refused: NOT_IN_CART, OVER_MAXIMUM, OUT_OF_STOCK."""
        return _cart(await self._db.command(PUT, user_id, product_id, quantity, bounds.maximum, bounds.stock))

    async def remove(self, user_id: UserId, product_id: ProductId) -> Cart:
        """Take a line out if it is there."""
        return _cart(await self._db.command(REMOVE, user_id, product_id))

    async def clear(self, user_id: UserId) -> Cart:
        """Take every line out."""
        return _cart(await self._db.command(CLEAR, user_id))

    async def doubt(self, user_id: UserId) -> None:
        """Tell every replica that Redis may hold an older version of this cart."""
        await self._db.command(DOUBT, user_id)

    async def doubted(self) -> dict[UserId, datetime]:
        """What any replica doubted within the last 10 seconds, and when."""
        return {UserId(UUID(int=row["user_id"].int)): row["at"] for row in await self._db.fetch(DOUBTED)}

    async def forget_doubts(self) -> None:
        """Delete doubts that are older than any copy that is trusted."""
        await self._db.command(SETTLED)

    async def expire(self, limit: int) -> int:
        """Delete carts whose time is over; how many."""
        return len(await self._db.fetch(EXPIRE, limit))


async def begun(tx: "Tx", operation: "Operation") -> bytes | None:
    """Claim a keyed request; the answer of an earlier one with the same key, or None when the work is ours to do."""
    row = await tx.fetchrow(BEGIN, operation.user_id, operation.route, operation.key, operation.fingerprint)
    return row["body"].encode() if row is not None else None


async def finished(tx: "Tx", operation: "Operation", body: bytes) -> None:
    """Keep the answer for a repeat, in the same commit."""
    await tx.execute(FINISH, operation.user_id, operation.route, operation.key, body.decode())
