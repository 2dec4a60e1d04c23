"""SQL that copies and erases one person's reviews."""

from typing import TYPE_CHECKING, LiteralString, cast
from uuid import UUID

if TYPE_CHECKING:
    from core.store.db import Tx

# The whole table, both: an index by user would serve nothing else.
COPY: LiteralString = """
SELECT coalesce(json_agg(json_build_object('productId', product_id, 'name', user_name, 'rating', rating, 'title', title,
    'comment', comment, 'createdAt', created_at) ORDER BY created_at), '[]')::text
FROM products.reviews WHERE user_id = $1
"""
DELETE: LiteralString = """
DELETE FROM products.reviews WHERE id = ANY(ARRAY(SELECT r.id FROM products.reviews r WHERE r.user_id = $1 LIMIT $2))
"""


async def copy(tx: "Tx", user_id: UUID) -> str:
    """The reviews, as JSON text."""
    return cast("str", await tx.fetchval(COPY, user_id))


async def delete(tx: "Tx", user_id: UUID, batch: int) -> int:
    """At most `batch` reviews; how many."""
    return await tx.execute(DELETE, user_id, batch)
