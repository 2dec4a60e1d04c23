"""The SQL of the demo shop: one statement per table, rows as JSON, what is there already left alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from core.store.db import Tx

# Conflicts are found by categories_pkey and categories_slug_key.
CATEGORIES = """INSERT INTO products.categories (id, slug, name, description, icon, color, sort_order, image_url)
    SELECT t.id, t.slug, t.name, t.description, t.icon, t.color, t.sort_order, t.image_url
    FROM json_to_recordset($1::text::json) AS t(id uuid, slug text, name text, description text, icon text,
        color bigint, sort_order integer, image_url text)
    ON CONFLICT DO NOTHING"""

# Conflicts are found by products_pkey and products_slug_key; the newest product is the first of the list.
PRODUCTS = """INSERT INTO products.products (id, category_id, slug, name, other_names, description, short_description,
        price_paise, discount_bp, unit, weight, image_url, image_label, is_organic, is_featured, rating, review_count,
        sales_count, farm_source, tags, max_order_quantity, shelf_life, storage_instructions, nutrition_info,
        nutritional_benefits, farming_practices, weight_options, created_at)
    SELECT t.id, t.category_id, t.slug, t.name, t.other_names, t.description, t.short_description, t.price_paise,
        t.discount_bp, t.unit, t.weight, t.image_url, t.image_label, t.is_organic, t.is_featured, t.rating,
        t.review_count, t.sales_count, t.farm_source, ARRAY(SELECT json_array_elements_text(t.tags)),
        t.max_order_quantity, t.shelf_life, t.storage_instructions, t.nutrition_info, t.nutritional_benefits,
        t.farming_practices, t.weight_options, now() - t.age * interval '1 hour'
    FROM json_to_recordset($1::text::json) AS t(id uuid, category_id uuid, slug text, name text, other_names text,
        description text, short_description text, price_paise bigint, discount_bp integer, unit text, weight text,
        image_url text, image_label text, is_organic boolean, is_featured boolean, rating numeric,
        review_count integer, sales_count bigint, farm_source text, tags json, max_order_quantity integer,
        shelf_life text, storage_instructions text, nutrition_info jsonb, nutritional_benefits text,
        farming_practices text, weight_options jsonb, age integer)
    ON CONFLICT DO NOTHING RETURNING id"""

# Index stock_pkey.
STOCK = """SELECT count(products.adjust_stock(t.id, t.stock, 'INITIAL_STOCK', NULL))
    FROM unnest($1::uuid[], $2::integer[]) AS t(id, stock)"""

# Conflicts are found by images_pkey.
IMAGES = """INSERT INTO products.images (id, product_id, url, alt_text, semantic_label, sort_order, is_primary)
    SELECT t.id, t.product_id, t.url, t.alt_text, t.semantic_label, t.sort_order, t.is_primary
    FROM json_to_recordset($1::text::json) AS t(id uuid, product_id uuid, url text, alt_text text,
        semantic_label text, sort_order integer, is_primary boolean)
    WHERE t.product_id = ANY ($2::uuid[]) ON CONFLICT DO NOTHING"""

# Conflicts are found by reviews_pkey and reviews_product_id_user_id_key.
REVIEWS = """INSERT INTO products.reviews (id, product_id, user_id, user_name, rating, title, comment, is_verified,
        is_approved, created_at)
    SELECT t.id, t.product_id, t.user_id, t.user_name, t.rating, t.title, t.comment, true,
        true, now() - t.age * interval '1 hour'
    FROM json_to_recordset($1::text::json) AS t(id uuid, product_id uuid, user_id uuid, user_name text,
        rating smallint, title text, comment text, age integer)
    WHERE t.product_id = ANY ($2::uuid[]) ON CONFLICT DO NOTHING"""

# Conflicts are found by banners_pkey.
BANNERS = """INSERT INTO products.banners (id, title, subtitle, image_url, tag, link_type, link_value, sort_order)
    SELECT t.id, t.title, t.subtitle, t.image_url, t.tag, t.link_type, t.link_value, t.sort_order
    FROM json_to_recordset($1::text::json) AS t(id uuid, title text, subtitle text, image_url text, tag text,
        link_type text, link_value text, sort_order integer)
    ON CONFLICT DO NOTHING"""

Rows = Sequence[Mapping[str, Any]]


class SeedWrites:
    """Writes rows that are not there yet."""

    async def write(self, tx: Tx, rows: Mapping[str, Rows]) -> int:
        """The whole shop; how many products were new. Only these get stock, pictures and reviews."""
        await tx.execute(CATEGORIES, _json(rows["categories"]))
        stock = {row["id"]: row["stock"] for row in rows["products"]}
        ids = [row["id"] for row in await tx.fetch(PRODUCTS, _json(rows["products"]))]
        await tx.fetchval(STOCK, ids, [stock[key] for key in ids])
        await tx.execute(IMAGES, _json(rows["images"]), ids)
        await tx.execute(REVIEWS, _json(rows["reviews"]), ids)
        await tx.execute(BANNERS, _json(rows["banners"]))
        return len(ids)


def _json(rows: Rows) -> str:
    return orjson.dumps(list(rows)).decode()
