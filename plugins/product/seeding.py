"""The demo shop: plain data in `seed/`, written once. What somebody edited since stays as it is."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from core.store.db import Db
from plugins.product.editing import hundredths
from plugins.product.seed_queries import SeedWrites

FOLDER = Path(__file__).parent / "seed"
SHOP = uuid5(NAMESPACE_URL, "vurksha:shop")
MORE = [1000, 2000, 3000]
"""Pack sizes of what is sold by the piece, bunch or pack, in thousandths of it."""
PER_PRODUCT = 3
FEATURED_FROM = 5_000
"""Sold pieces from which a product stands in the front row."""

Data = dict[str, Any]


def seed_id(kind: str, slug: str) -> UUID:
    """The same on every machine, so that seeding twice writes once."""
    return uuid5(SHOP, f"{kind}/{slug}")


def read(name: str) -> Data:
    """One file of the shop."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


class Seeding:
    """Writes the demo shop, in one transaction."""

    def __init__(self, db: Db, writes: SeedWrites) -> None:
        self._db, self._writes = db, writes

    async def run(self) -> str:
        """Idempotent; says what is new."""
        shop = read("shop")
        products = [row for shelf in shop["category"] for row in product_rows(shop, shelf)]
        rows = {
            "categories": [category_row(shelf, order) for order, shelf in enumerate(shop["category"])],
            "products": [row | {"age": age} for age, row in enumerate(products)],
            "images": [row for product in products for row in image_rows(product)],
            "reviews": [row for order, product in enumerate(products) for row in review_rows(shop, product, order)],
            "banners": [banner_row(banner, order) for order, banner in enumerate(shop["banner"])],
        }
        async with self._db.transaction() as tx:
            added = await self._writes.write(tx, rows)
        return f"catalogue: {added} of {len(products)} products were new"


def category_row(shelf: Data, order: int) -> Data:
    """One shelf."""
    slug = shelf["slug"]
    shared = {key: shelf[key] for key in ("slug", "name", "description", "icon", "color")}
    return shared | {
        "id": seed_id("category", slug),
        "sort_order": order,
        "image_url": f"/images/categories/{slug}.svg",
    }


def product_rows(shop: Data, shelf: Data) -> Iterator[Data]:
    """The products of one shelf."""
    for item in read(shelf["slug"])["product"]:
        figures = item["figures"]
        yield {
            "id": seed_id("product", item["slug"]),
            "category_id": seed_id("category", shelf["slug"]),
            "category_slug": shelf["slug"],
            "slug": item["slug"],
            "name": item["name"],
            "other_names": item["other_names"],
            "description": item["description"],
            "short_description": item["description"].partition(".")[0] + ".",
            "price_paise": hundredths(item["price"]),
            "discount_bp": hundredths(item["discount"]),
            "unit": item["unit"],
            "weight": weight(item["unit"]),
            "image_url": f"/images/products/{item['slug']}.svg",
            "image_label": f"Drawing of {item['name'].lower()}, {item['unit']}",
            "is_organic": item["organic"],
            "is_featured": figures["sold"] >= FEATURED_FROM,
            "rating": figures["rating"],
            "review_count": figures["reviews"],
            "sales_count": figures["sold"],
            "farm_source": item["farm"],
            "tags": item["tags"],
            "max_order_quantity": figures["most"],
            "shelf_life": shelf["shelf_life"],
            "storage_instructions": shelf["storage"],
            "nutrition_info": item["nutrition"],
            "nutritional_benefits": item["benefits"],
            "farming_practices": practices(shelf, organic=item["organic"]),
            "weight_options": sizes(shop, item),
            "stock": figures["stock"],
        }


def practices(shelf: Data, *, organic: bool) -> str:
    """How it was grown."""
    certified = " Certified organic: no synthetic pesticide or fertiliser." if organic else ""
    return f"{shelf['practices']}{certified}"


def weight(unit: str) -> str:
    """What a price tag says: `kg` is `1 kg`, `250 g` stays."""
    return unit if unit[0].isdigit() else f"1 {unit}"


def sizes(shop: Data, item: Data) -> list[Data]:
    """Pack sizes: those of the unit, or one, two and three of it."""
    unit = item["unit"]
    several = [[f"{share // 1000} x {unit}" if share > MORE[0] else weight(unit), share] for share in MORE]
    return [
        {"id": f"{item['slug']}-{share}", "weight": text, "unit": unit, "share": share}
        for text, share in shop["sizes"].get(unit, several)
    ]


def image_rows(product: Data) -> Iterator[Data]:
    """Its own picture first, then its shelf's."""
    urls = (product["image_url"], f"/images/categories/{product['category_slug']}.svg")
    for order, url in enumerate(urls):
        label = product["image_label"] if order == 0 else f"More from the shelf of {product['name'].lower()}"
        yield {
            "id": seed_id("image", f"{product['slug']}/{order}"),
            "product_id": product["id"],
            "url": url,
            "alt_text": product["name"],
            "semantic_label": label,
            "sort_order": order,
            "is_primary": order == 0,
        }


def review_rows(shop: Data, product: Data, order: int) -> Iterator[Data]:
    """Three of the things that customers say, each product beginning elsewhere in the list."""
    said = shop["review"]
    for step in range(PER_PRODUCT):
        review = said[(order + step) % len(said)]
        yield {
            "id": seed_id("review", f"{product['slug']}/{step}"),
            "product_id": product["id"],
            "user_id": seed_id("reviewer", review["by"]),
            "user_name": review["by"],
            "rating": review["rating"],
            "title": review["title"],
            "comment": review["comment"],
            "age": order + step * 40,
        }


def banner_row(banner: Data, order: int) -> Data:
    """One banner, leading to a product or a shelf."""
    kind = "product" if "product" in banner else "category"
    target = seed_id("product", banner["product"]) if kind == "product" else banner["category"]
    shared = {key: banner[key] for key in ("title", "subtitle", "tag")}
    return shared | {
        "id": seed_id("banner", banner["slug"]),
        "image_url": f"/images/banners/{banner['slug']}.svg",
        "link_type": kind,
        "link_value": str(target),
        "sort_order": order,
    }
