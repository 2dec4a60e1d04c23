"""The demo shop."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping

import pytest

from core.testing import TestApp
from plugins.product.ports import CATALOG
from plugins.product.seed_queries import SeedWrites
from plugins.product.seeding import FOLDER, Seeding, product_rows, read, seed_id

SHOP = read("shop")
PRODUCTS = [row for shelf in SHOP["category"] for row in product_rows(SHOP, shelf)]


def test_the_shop_has_the_categories_of_the_app() -> None:
    names = [shelf["name"] for shelf in SHOP["category"]]
    assert names == ["Vegetables", "Fruits", "Leafy Greens", "Dairy", "Combos"]
    assert len(PRODUCTS) >= 60
    assert len(SHOP["banner"]) >= 4
    cheap = [row for row in PRODUCTS if 2_000 <= row["price_paise"] <= 19_800 and row["stock"] >= 500]
    assert len(cheap) >= 10


@pytest.mark.parametrize("row", PRODUCTS, ids=lambda row: str(row["slug"]))
def test_a_product_is_whole(row: Mapping[str, object]) -> None:
    assert isinstance(row["other_names"], str)
    hindi, tamil, *_ = row["other_names"].split(", ")
    assert "\u0900" <= hindi[0] <= "\u097f"
    assert "\u0b80" <= tamil[0] <= "\u0bff"
    assert isinstance(row["weight_options"], list)
    assert len(row["weight_options"]) >= 2
    assert row["tags"]
    assert row["nutrition_info"]


async def test_seeding_twice_writes_once_and_leaves_edits_alone(app: TestApp) -> None:
    seeding, tomato = Seeding(app.db, SeedWrites()), seed_id("product", "tomato")
    await seeding.run()
    rename = "UPDATE products.products SET name = 'Tomato!' WHERE id = $1 RETURNING 1"
    restore = "UPDATE products.products SET name = 'Tomato' WHERE id = $1 RETURNING 1"
    await app.db.fetchval(rename, tomato)
    assert await seeding.run() == f"catalogue: 0 of {len(PRODUCTS)} products were new"
    name = await app.db.fetchval("SELECT name FROM products.products WHERE id = $1", tomato)
    await app.db.fetchval(restore, tomato)
    assert name == "Tomato!"


async def test_the_seeded_shop_can_be_looked_at(app: TestApp) -> None:
    await Seeding(app.db, SeedWrites()).run()
    await app.services.get(CATALOG).refresh()
    product = (await app.get(f"/products/{seed_id('product', 'tomato')}")).data["product"]
    assert len(product["reviews"]) == 3
    assert product["weightOptions"][1]["price"] == product["effectivePrice"] == 36.0
    banners = (await app.get("/banners")).data["banners"]
    assert len(banners) >= 4
    for url in [image["url"] for image in product["images"]] + [banner["imageUrl"] for banner in banners]:
        picture = await app.get(url)
        assert picture.status == 200, url
        assert len(picture.body) < 3_000
        assert ET.fromstring(picture.body).tag.endswith("svg")  # noqa: S314  our own file


def test_every_product_has_its_picture() -> None:
    pictures = FOLDER.parent / "pictures"
    missing = [row["slug"] for row in PRODUCTS if not (pictures / "products" / f"{row['slug']}.svg").exists()]
    assert missing == []
