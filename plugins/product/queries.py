"""The catalogue's SQL. Only this module names the tables of the schema `products`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs
import orjson

from core.store.db import Db, Row, Tx
from core.types import Paise
from plugins.product.models import Banner, Category, Product, unit_price

CHUNK = 2_000
"""Products per read, so that no read of a large shop comes near its time limit."""
NOTHING_SINCE = 2**63 - 1
"""A horizon that no transaction reaches."""


@attrs.frozen(kw_only=True)
class Look:
    """What one poll saw. What it did not see yet has a transaction id of at least `horizon`."""

    server: datetime
    """When the server started: another one may have lost the last commits of its predecessor."""
    horizon: int
    now: datetime
    edited: frozenset[UUID]
    shelves: bool
    """Whether a category or banner changed."""
    levels: Mapping[UUID, int]


# Indexes inventory_log_xid and changes_xid, then stock_pkey for the few that moved.
POLL = """WITH edits AS (SELECT kind, id FROM products.changes WHERE xid >= $1),
    moved AS (SELECT product_id AS id FROM products.inventory_log WHERE xid >= $1 UNION SELECT unnest($2::uuid[]))
    SELECT pg_postmaster_start_time() AS server, now() AS now,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
        coalesce((SELECT array_agg(DISTINCT id) FROM edits WHERE kind = 'product'), '{}') AS edited,
        EXISTS (SELECT FROM edits WHERE kind <> 'product') AS shelves,
        (SELECT json_object_agg(m.id, (SELECT s.available FROM products.stock s WHERE s.product_id = m.id))
            FROM moved m)::text AS levels"""


@attrs.frozen(kw_only=True)
class Hunt:
    """What a search asks of the database. None asks for nothing; prices are before the discount, bounds included."""

    words: str
    pattern: str
    """The words for LIKE."""
    most: int
    categories: Sequence[UUID]
    organic: bool | None = None
    min_paise: int | None = None
    max_paise: int | None = None


_PRODUCT = """SELECT p.id, p.slug, p.name, p.description, p.short_description, p.category_id, p.price_paise,
    p.discount_bp, p.unit, p.weight, p.image_url, p.image_label, p.is_organic, p.is_featured, p.is_active,
    p.rating::float8 AS rating, p.review_count, p.sales_count, p.farm_source, p.tags, p.min_order_quantity,
    p.max_order_quantity, p.quantity_step, p.shelf_life, p.storage_instructions,
    p.nutrition_info::text AS nutrition_info,
    p.nutritional_benefits, p.farming_practices, p.weight_options::text AS weight_options, p.version, p.created_at,
    p.search_names AS words, s.available,
    (SELECT coalesce(json_agg(json_build_object('id', i.id, 'url', i.url, 'alt_text', i.alt_text,
        'semantic_label', i.semantic_label, 'sort_order', i.sort_order, 'is_primary', i.is_primary)
        ORDER BY i.sort_order), '[]') FROM products.images i WHERE i.product_id = p.id)::text AS images,
    (SELECT coalesce(json_agg(json_build_object('id', r.id, 'user_name', r.user_name, 'rating', r.rating,
        'title', r.title, 'comment', coalesce(r.comment, ''), 'is_verified', r.is_verified, 'created_at',
        to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) ORDER BY r.created_at DESC), '[]')
        FROM (SELECT n.id, n.user_name, n.rating, n.title, n.comment, n.is_verified, n.created_at
              FROM products.reviews n WHERE n.product_id = p.id AND n.is_approved
              ORDER BY n.created_at DESC LIMIT 10) r)::text AS reviews
    FROM products.products p JOIN products.stock s ON s.product_id = p.id """

# Indexes products_pkey, stock_pkey, images_product, reviews_shown.
PRODUCTS_AFTER = _PRODUCT + "WHERE p.id > $1 ORDER BY p.id LIMIT $2"
# The same.
PRODUCTS_OF = _PRODUCT + "WHERE p.id = ANY ($1::uuid[])"

# Few rows: the whole table.
CATEGORIES = """SELECT id, slug, name, description, image_url, icon, color, sort_order, parent_id, is_active
    FROM products.categories ORDER BY sort_order, name"""

# Index categories_pkey.
CATEGORY = """SELECT id, slug, name, description, image_url, icon, color, sort_order, parent_id, is_active
    FROM products.categories WHERE id = $1"""

# Few rows: the whole table.
BANNERS = """SELECT id, position, title, subtitle, image_url, tag, link_type, link_value, starts_at, ends_at
    FROM products.banners WHERE is_active ORDER BY sort_order, id"""

# Indexes products_names, products_document, products_words.
SEARCH = "SELECT products.find($1, $2, $3, $4, $5, $6, $7) AS id"

# Index stock_pkey.
GIVE_BACK = "SELECT products.give_back_stock($1, $2, $3, $4)"

# Index stock_pkey.
ADJUST = "SELECT products.adjust_stock($1, $2, $3, $4)"

# Index products_pkey.
LOCK = "SELECT version FROM products.products WHERE id = $1 FOR UPDATE"

# Index products_pkey.
EDIT = """UPDATE products.products SET name = coalesce($2, name), price_paise = coalesce($3, price_paise),
    discount_bp = coalesce($4, discount_bp), is_active = coalesce($5, is_active) WHERE id = $1 RETURNING version"""

# Index changes_at.
FORGET = "DELETE FROM products.changes WHERE at < now() - interval '1 day'"


class CatalogueReads:
    """Reads that fill the memory."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def poll(self, horizon: int, again: Iterable[UUID]) -> Look:
        """What changed since a horizon, and the levels of `again` in any case. One round trip.

        To begin, ask from `NOTHING_SINCE` and read everything afterwards: the next poll covers what happens meanwhile.
        """
        row = await self._db.fetchrow(POLL, horizon, list(again))
        if row is None:
            raise LookupError("a SELECT without FROM has one row")
        levels = orjson.loads(row["levels"] or "{}")
        return Look(
            server=row["server"],
            horizon=row["horizon"],
            now=row["now"],
            edited=frozenset(UUID(int=key.int) for key in row["edited"]),
            shelves=row["shelves"],
            levels={UUID(key): level for key, level in levels.items() if level is not None},
        )

    async def all_products(self) -> list[tuple[Product, int]]:
        """Every product with its stock, by id, in chunks."""
        found: list[tuple[Product, int]] = []
        last = UUID(int=0)
        while True:
            rows = await self._db.fetch(PRODUCTS_AFTER, last, CHUNK)
            found += [_product(row) for row in rows]
            if len(rows) < CHUNK:
                return found
            last = rows[-1]["id"]

    async def products(self, ids: Sequence[UUID]) -> list[tuple[Product, int]]:
        """These products with their stock."""
        return [_product(row) for row in await self._db.fetch(PRODUCTS_OF, ids)]

    async def categories(self) -> list[Category]:
        """All of them, in their order."""
        return [Category(**_plain(row)) for row in await self._db.fetch(CATEGORIES)]

    async def banners(self) -> list[Banner]:
        """The active ones, in their order."""
        return [Banner(**_plain(row)) for row in await self._db.fetch(BANNERS)]

    async def search(self, hunt: Hunt) -> list[UUID]:
        """Ids of what is sold, best first."""
        values = (hunt.words, hunt.pattern, hunt.most, hunt.categories, hunt.organic, hunt.min_paise, hunt.max_paise)
        return [UUID(int=row["id"].int) for row in await self._db.fetch(SEARCH, *values)]


class CatalogueWrites:
    """Changes, inside the caller's transaction."""

    async def give_back(
        self, tx: Tx, ids: Sequence[UUID], quantities: Sequence[int], reason: str, reference: UUID
    ) -> list[int | None]:
        """The new levels, in the order given; None for a product that is gone."""
        levels: list[int | None] = await tx.fetchval(GIVE_BACK, ids, quantities, reason, reference)
        return levels

    async def adjust(self, tx: Tx, product_id: UUID, change: int, reason: str, reference: UUID) -> int | None:
        """The new level; None, and nothing changed, if it would fall below zero."""
        level: int | None = await tx.fetchval(ADJUST, product_id, change, reason, reference)
        return level

    async def lock(self, tx: Tx, product_id: UUID) -> int | None:
        """The version of a product that nobody else may edit until the commit; None if there is no such product."""
        version: int | None = await tx.fetchval(LOCK, product_id)
        return version

    async def edit(
        self,
        tx: Tx,
        product_id: UUID,
        *,
        name: str | None,
        price: Paise | None,
        discount_bp: int | None,
        active: bool | None,
    ) -> int:
        """Change what is given; the new version."""
        version: int = await tx.fetchval(EDIT, product_id, name, price, discount_bp, active)
        return version

    async def read(self, tx: Tx, product_id: UUID) -> tuple[Product, int]:
        """A product that is there, as this transaction sees it, with its stock."""
        return _product((await tx.fetch(PRODUCTS_OF, [product_id]))[0])

    async def category(self, tx: Tx, category_id: UUID) -> Category:
        """A category that is there."""
        return Category(**_plain((await tx.fetch(CATEGORY, category_id))[0]))

    async def forget_changes(self, db: Db) -> None:
        """Drop the notes of edits that every replica has read long ago."""
        async with db.transaction() as tx:
            await tx.execute(FORGET)


def _plain(row: Row) -> dict[str, Any]:
    """A row whose ids are Python's own: asyncpg's subclass is unknown to orjson."""
    return {key: UUID(int=value.int) if isinstance(value, UUID) else value for key, value in row.items()}


def _product(row: Row) -> tuple[Product, int]:
    values = _plain(row)
    available: int = values.pop("available")
    for key in ("nutrition_info", "weight_options", "images", "reviews"):
        values[key] = orjson.loads(values[key])
    for key in ("weight_options", "images", "reviews", "tags"):
        values[key] = tuple(values[key])
    price = unit_price(values["price_paise"], values["discount_bp"])
    return Product(**values, unit_price_paise=price), available
