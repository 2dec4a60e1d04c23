"""SQL that copies and erases one person's cart."""

from typing import TYPE_CHECKING, LiteralString, cast
from uuid import UUID

if TYPE_CHECKING:
    from core.store.db import Tx

# carts_pkey, doubts_pkey.
COPY: LiteralString = """
SELECT coalesce(json_agg(json_build_object('productId', t.product, 'quantity', t.quantity) ORDER BY t.line), '[]')::text
FROM carts.carts c, unnest(c.products, c.quantities) WITH ORDINALITY AS t(product, quantity, line) WHERE c.user_id = $1
"""
DELETE: LiteralString = "DELETE FROM carts.carts WHERE user_id = $1"
DELETE_DOUBT: LiteralString = "DELETE FROM carts.doubts WHERE user_id = $1"


async def copy(tx: "Tx", user_id: UUID) -> str:
    """The lines, as JSON text."""
    return cast("str", await tx.fetchval(COPY, user_id))


async def delete(tx: "Tx", user_id: UUID) -> None:
    """The cart."""
    await tx.execute(DELETE, user_id)
    await tx.execute(DELETE_DOUBT, user_id)
