"""The public catalogue over HTTP (CONTRACT A.4, B.4, C.2, C.3)."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.http.fields import MAX_SAFE
from core.testing import TestApp
from core.types import uuid7
from plugins.product.ports import CATALOG, ProductId
from tests.plugins.product.shelf import Shelf, new_shelf

BANNER = """INSERT INTO products.banners (id, position, title, image_url, is_active, starts_at, ends_at)
    VALUES ($1, $2, $3, '/b.svg', $4, $5, $6) RETURNING id"""
REVIEW = """INSERT INTO products.reviews (id, product_id, user_id, user_name, rating, comment, is_approved)
    VALUES ($1, $2, $3, 'Priya S.', 5, 'Fresh', $4) RETURNING id"""
OPTIONS = """UPDATE products.products SET weight_options = '[{"id": "a", "weight": "500 g", "unit": "kg", "share": 500},
    {"id": "b", "weight": "1 kg", "unit": "kg", "share": 1000}]' WHERE id = $1 RETURNING 1"""


async def test_a_product_has_every_field_that_the_app_parses(shelf: Shelf) -> None:
    key = await shelf.product("Red Amaranth", price=4_000, discount_bp=1_250, stock=7, tags=("iron",))
    await shelf.shown()
    answer = await shelf.app.get(f"/products?categoryId={shelf.id}")
    (product,) = answer.data["products"]
    assert product["id"] == str(key)
    assert product["category"] == shelf.name
    assert product["categoryInfo"] == {"id": str(shelf.id), "name": shelf.name, "slug": f"c-{shelf.id}"}
    assert (product["price"], product["discountPercentage"], product["effectivePrice"]) == (40.0, 12.5, 35.0)
    assert product["compareAtPrice"] == 40.0
    assert product["tags"] == ["iron"]
    for name, kind in {
        "unit": str, "image": str, "imageUrl": str, "farmSource": str, "isActive": bool, "isOrganic": bool,
        "inStock": bool, "stock": int, "reviewCount": int, "rating": float, "averageRating": float, "slug": str,
    }.items():  # fmt: skip
        assert type(product[name]) is kind, name
    assert answer.json["pagination"] == {"page": 1, "limit": 20, "total": 1, "totalPages": 1, "hasMore": False}


async def test_lists_are_filtered(shelf: Shelf) -> None:
    await shelf.product("A", price=1_000, stock=5, organic=True)
    await shelf.product("B", price=2_000, stock=0)
    await shelf.product("C", price=3_000, stock=1)
    await shelf.shown()
    for query, names in {
        "": "CBA", "&isOrganic=true": "A", "&isOrganic=false": "CB", "&inStock=true": "CA", "&inStock=false": "B",
        "&minPrice=20": "CB", "&maxPrice=20": "BA", "&minPrice=0&maxPrice=0": "", "&filter=out_of_stock": "B",
        "&filter=in_stock": "CA", "&filter=organic": "A", "&minPrice=10.5&maxPrice=29.99": "B", "&unheardOf=1": "CBA",
        f"&category={shelf.name.upper().replace(' ', '%20')}": "CBA", "&category=Fish": "", "&category=": "CBA",
    }.items():  # fmt: skip
        assert "".join(await shelf.names(query)) == names, query


async def test_lists_are_sorted(shelf: Shelf) -> None:
    await shelf.product("b", price=1_000, sales=5)
    await shelf.product("C", price=3_000, sales=1)
    await shelf.product("a", price=2_000, sales=9)
    await shelf.shown()
    for query, names in {
        "": "aCb", "&sortBy=newest": "aCb", "&sortBy=newest&sortOrder=asc": "bCa", "&sortBy=popularity": "abC",
        "&sortBy=price": "baC", "&sortBy=price&sortOrder=desc": "Cab", "&sortBy=price_asc": "baC",
        "&sortBy=price_desc": "Cab", "&sortBy=name": "abC", "&sortBy=rating&sortOrder=asc": "bCa",
        "&sortBy=createdAt": "aCb", "&sortBy=price_desc&sortOrder=asc": "Cab",
    }.items():  # fmt: skip
        assert "".join(await shelf.names(query)) == names, query


async def test_pages_are_whole_numbers_and_a_page_past_the_end_is_empty(shelf: Shelf) -> None:
    for name in "abc":
        await shelf.product(name)
    await shelf.shown()
    assert await shelf.names("&limit=2&page=1") == ["c", "b"]
    assert await shelf.names("&limit=2&page=2") == ["a"]
    for far in (3, 1_000_001, MAX_SAFE):
        answer = await shelf.app.get(f"/products?categoryId={shelf.id}&limit=2&page={far}")
        assert (answer.status, answer.data) == (200, {"products": []})
        assert (answer.json["pagination"]["page"], answer.json["pagination"]["total"]) == (far, 3)


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=1.5", "page=x", "limit=0", "limit=101", "minPrice=cheap", "sortBy=luck", "isOrganic=maybe"],
)
async def test_a_query_that_makes_no_sense_is_bad_input(app: TestApp, query: str) -> None:
    answer = await app.get(f"/products?{query}")
    assert (answer.status, answer.code) == (400, "VAL_001")


async def test_a_category_below_another_is_part_of_it(shelf: Shelf) -> None:
    child = await new_shelf(shelf.app, parent=shelf.id)
    await child.product("deep")
    await shelf.shown()
    assert await shelf.names() == ["deep"]
    parent = (await shelf.app.get(f"/categories/c-{shelf.id}")).data["category"]
    assert [c["id"] for c in parent["children"]] == [str(child.id)]
    assert (parent["productCount"], parent["parent"]) == (1, None)
    below = (await shelf.app.get(f"/categories/c-{child.id}")).data["category"]
    assert below["parent"]["id"] == str(shelf.id)


async def test_categories_are_names_for_the_app_and_objects_for_others(shelf: Shelf) -> None:
    await shelf.product()
    await shelf.db.fetchval(
        "UPDATE products.products SET is_active = false WHERE category_id = $1 RETURNING 1", shelf.id
    )
    await shelf.product()
    await shelf.shown()
    data = (await shelf.app.get("/categories")).data
    assert shelf.name in data["categories"]
    (item,) = [item for item in data["items"] if item["id"] == str(shelf.id)]
    assert (item["productCount"], item["children"]) == (1, [])
    assert (await shelf.app.get("/categories/no-such-shelf")).code == "RES_001"


async def test_a_detail_says_everything(shelf: Shelf) -> None:
    key = await shelf.product(price=4_001, stock=3, description="Long. " * 60)
    async with shelf.db.transaction() as tx:
        await tx.fetchval(OPTIONS, key)
        for number in range(12):
            await tx.fetchval(REVIEW, uuid7(), key, uuid7(), number < 11)
    await shelf.shown()
    product = (await shelf.app.get(f"/products/{key}")).data["product"]
    assert len(product["description"]) > 150
    assert [(o["weight"], o["price"], o["stock"]) for o in product["weightOptions"]] == [
        ("500 g", 20.01, 6),
        ("1 kg", 40.01, 3),
    ]
    assert len(product["reviews"]) == 10
    assert product["reviews"][0]["userName"] == "Priya S."
    assert product["reviews"][0]["date"] == datetime.now(UTC).date().isoformat()
    assert product["images"] == []
    assert (product["stockCount"], product["quantityStep"], product["version"]) == (3, 1, 2)


@pytest.mark.parametrize("name", ["01890000-0000-7000-8000-000000000000", "tomato", "1"])
async def test_an_unknown_product_is_not_found(app: TestApp, name: str) -> None:
    assert (await app.get(f"/products/{name}")).status == 404


async def test_a_product_that_is_no_longer_sold_is_not_found(shelf: Shelf) -> None:
    key = await shelf.product()
    await shelf.db.fetchval("UPDATE products.products SET is_active = false WHERE id = $1 RETURNING 1", key)
    await shelf.shown()
    assert (await shelf.app.get(f"/products/{key}")).status == 404
    assert await shelf.names() == []


async def test_the_front_row_holds_ten_of_the_best_sold_in_stock(shelf: Shelf) -> None:
    keys = [await shelf.product(stock=1, featured=True, sales=10**9 + n) for n in range(12)]
    empty = await shelf.product(featured=True, sales=2 * 10**9)
    await shelf.shown()
    row = [UUID(product["id"]) for product in (await shelf.app.get("/products/featured")).data["products"]]
    assert row == list(reversed(keys[2:]))
    assert empty not in row


async def test_banners_are_shown_within_their_window(app: TestApp) -> None:
    now, hour, place = datetime.now(UTC), timedelta(hours=1), f"p{uuid7()}"
    async with app.db.transaction() as tx:
        for title, active, starts, ends in (
            ("always", True, None, None), ("now", True, now - hour, now + hour), ("off", False, None, None),
            ("over", True, None, now - hour), ("later", True, now + hour, None),
        ):  # fmt: skip
            await tx.fetchval(BANNER, uuid7(), place, title, active, starts, ends)
    await app.services.get(CATALOG).refresh()
    for _ in range(2):
        shown = (await app.get(f"/banners?position={place}")).data["banners"]
        assert {banner["title"] for banner in shown} == {"always", "now"}


async def test_a_list_that_did_not_change_is_not_sent_again(shelf: Shelf) -> None:
    key = await shelf.product(stock=5)
    await shelf.shown()
    path = f"/products?categoryId={shelf.id}"
    first = await shelf.app.get(path)
    again = await shelf.app.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    shelf.app.services.get(CATALOG).sold({ProductId(key): 4})
    after = await shelf.app.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert after.status == 200
    assert after.data["products"][0]["stock"] == 4


async def test_a_change_by_another_replica_is_seen_within_a_second_or_so(shelf: Shelf) -> None:
    key = await shelf.product(stock=5)
    await shelf.shown()
    await shelf.db.fetchval("SELECT products.take_stock($1, $2, $3, $4)", [key], [2], [4_000], uuid7())
    await shelf.db.fetchval("UPDATE products.products SET name = 'Renamed' WHERE id = $1 RETURNING 1", key)
    async with asyncio.timeout(3):
        while await shelf.names() != ["Renamed"]:
            await asyncio.sleep(0.05)
    assert (await shelf.app.get(f"/products/{key}")).data["product"]["stock"] == 3


async def test_pictures_are_served(app: TestApp) -> None:
    answer = await app.get("/images/products/tomato.svg")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")
