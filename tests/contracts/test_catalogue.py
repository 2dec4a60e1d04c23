"""The catalogue's filters, order, limits and freshness (CONTRACT A.4, B.4)."""

from urllib.parse import quote
from uuid import uuid4

import pytest

from core.testing import TestApp
from plugins.product.ports import ProductId
from tests.contracts import shapes
from tests.people import Customer
from tests.plugins.product.shelf import Shelf, new_shelf

RETIRE = "UPDATE products.products SET is_active = false WHERE id = $1 RETURNING id"
REVIEW = """INSERT INTO products.reviews (id, product_id, user_id, user_name, rating, comment, is_approved, created_at)
    VALUES ($1, $2, $3, 'Asha R.', $4, $5, $6, now() - make_interval(days => $7)) RETURNING id"""
LONG = "A gourd. " * 60


@pytest.fixture
async def shelf(app: TestApp) -> Shelf:
    """Four kinds of gourd: plain, organic, dear, sold out; and one that is no longer sold."""
    shelf = await new_shelf(app)
    await shelf.product("Plain gourd", price=1_000, stock=5)
    await shelf.product("Organic gourd", price=2_000, stock=5, organic=True, tags=("salad",), description=LONG)
    await shelf.product("Dear gourd", price=10_000, stock=5, discount_bp=1_000)
    await shelf.product("Spent gourd", price=3_000)
    await app.db.fetchval(RETIRE, await shelf.product("Old gourd", price=3_000, stock=5))
    await shelf.shown()
    return shelf


FILTERS = (
    ("", "Spent, Dear, Organic, Plain"),  # newest first
    ("&isOrganic=true", "Organic"),
    ("&isOrganic=false", "Spent, Dear, Plain"),
    ("&inStock=true", "Dear, Organic, Plain"),
    ("&inStock=false", "Spent"),
    ("&minPrice=20", "Spent, Dear, Organic"),
    ("&maxPrice=20", "Organic, Plain"),
    ("&minPrice=0", "Spent, Dear, Organic, Plain"),
    ("&maxPrice=0", ""),
    ("&minPrice=15&maxPrice=35.5", "Spent, Organic"),
    ("&search=DEAR", "Dear"),
    ("&search=nothing+like+it", ""),
    ("&sortBy=price", "Plain, Organic, Spent, Dear"),
    ("&sortBy=price&sortOrder=desc", "Dear, Spent, Organic, Plain"),
    ("&sortBy=name&sortOrder=asc", "Dear, Organic, Plain, Spent"),
    ("&sortBy=createdAt&sortOrder=asc", "Plain, Organic, Dear, Spent"),
    ("&page=2&limit=3", "Plain"),
    ("&page=3&limit=3", ""),
)


@pytest.mark.parametrize(("query", "expected"), FILTERS)
async def test_a_list_holds_what_was_asked_for(shelf: Shelf, query: str, expected: str) -> None:
    names = await shelf.names(query)
    assert ", ".join(name.removesuffix(" gourd") for name in names) == expected


@pytest.mark.parametrize("query", ["isOrganic=maybe", "minPrice=-1", "minPrice=cheap", "maxPrice=NaN"])
async def test_a_filter_that_makes_no_sense_is_400(app: TestApp, query: str) -> None:
    assert (await app.get(f"/products?{query}")).code == "VAL_001"


async def test_a_category_goes_by_name_slug_and_id(app: TestApp, shelf: Shelf) -> None:
    for query in (
        f"category={quote(shelf.name)}",
        f"category={quote(shelf.name.upper())}",
        f"category=c-{shelf.id}",
        f"category={shelf.id}",
        f"categoryId={shelf.id}",
    ):
        assert (await app.get(f"/products?{query}")).json["pagination"]["total"] == 4, query
    for query in ("category=Nonsense", f"categoryId={uuid4()}", "categoryId=nonsense"):
        answer = await app.get(f"/products?{query}&page=1&limit=20")
        assert (answer.status, answer.data["products"]) == (200, []), query


@pytest.mark.parametrize("name", ["Vegetables", "Fruits", "Leafy Greens", "Dairy", "Combos"])
async def test_the_names_that_the_app_shows_are_there(app: TestApp, name: str) -> None:
    found = (await app.get(f"/products?category={quote(name)}&page=1&limit=20")).data["products"]
    assert {product["category"] for product in found} == {name}
    data = (await app.get("/categories")).data
    assert name in data["categories"]
    assert [item["name"] for item in data["items"]] == data["categories"]


async def test_prices_are_undiscounted_and_lists_brief(app: TestApp, shelf: Shelf) -> None:
    listed = (await app.get(f"/products?categoryId={shelf.id}&sortBy=name&sortOrder=asc")).data["products"]
    dear, organic, plain, spent = listed
    assert (dear["price"], dear["discountPercentage"], dear["effectivePrice"]) == (100, 10, 90)
    assert (plain["discountPercentage"], plain["compareAtPrice"]) == (None, None)
    assert (spent["stock"], spent["inStock"], plain["stock"], plain["inStock"]) == (0, False, 5, True)
    assert len(organic["description"]) <= 160 < len(LONG)
    detail = (await app.get(f"/products/{organic['id']}")).data["product"]
    shapes.product_detail(detail)
    assert (detail["description"].strip(), detail["tags"]) == (LONG.strip(), ["salad"])
    assert (detail["minOrderQuantity"], detail["maxOrderQuantity"], detail["quantityStep"]) == (1, 10, 1)


async def test_featured_are_ten_at_most_that_can_be_had_best_sellers_first(app: TestApp) -> None:
    shelf, ids = await new_shelf(app), dict[str, ProductId]()
    for number in range(11):
        ids[f"f{number}"] = await shelf.product(f"f{number}", stock=1, featured=True, sales=10**10 + number)
    await shelf.product("sold out", featured=True, sales=10**11)
    await shelf.product("not featured", stock=1, sales=10**11)
    await app.db.fetchval(RETIRE, await shelf.product("not sold", stock=1, featured=True, sales=10**11))
    await shelf.shown()
    try:
        found = (await app.get("/products/featured")).data["products"]
        assert [product["name"] for product in found] == [f"f{number}" for number in range(10, 0, -1)]
        assert all(isinstance(product["category"], str) for product in found)
    finally:
        for key in ids.values():  # the front row is everybody's
            await app.db.fetchval(RETIRE, key)
        await shelf.shown()


async def test_a_category_has_its_family(app: TestApp) -> None:
    top = await new_shelf(app)
    below = await new_shelf(app, parent=top.id)
    await below.product("Gourd", stock=1)
    await top.product("Pumpkin", stock=1)
    await app.db.fetchval(RETIRE, await top.product("Gone", stock=1))
    await top.shown()
    items = {item["id"]: item for item in (await app.get("/categories")).data["items"]}
    assert str(below.id) not in items
    assert [child["id"] for child in items[str(top.id)]["children"]] == [str(below.id)]
    one = (await app.get(f"/categories/c-{below.id}")).data["category"]
    shapes.category_detail(one)
    assert (one["parent"]["id"], one["productCount"]) == (str(top.id), 1)
    assert (await app.get("/categories/nothing")).code == "RES_001"


async def test_banners_go_by_position(app: TestApp) -> None:
    home = (await app.get("/banners")).data["banners"]
    assert home
    assert (await app.get("/banners?position=home")).data["banners"] == home
    assert (await app.get("/banners?position=nowhere")).data["banners"] == []


async def test_detail_shows_ten_reviews_that_were_approved_newest_first(app: TestApp) -> None:
    shelf = await new_shelf(app)
    product = await shelf.product("Gourd", stock=1)
    for age in range(12):
        values = uuid4(), product, uuid4(), 1 + age % 5, f"{age} days ago", age != 1, age
        await app.db.fetchval(REVIEW, *values)
    await shelf.shown()
    reviews = (await app.get(f"/products/{product}")).data["product"]["reviews"]
    assert [review["comment"] for review in reviews] == [f"{age} days ago" for age in range(11) if age != 1]


async def test_stock_is_fresh_after_an_order_and_an_edit(app: TestApp, customer: Customer, admin: Customer) -> None:
    shelf = await new_shelf(app)
    product = await shelf.product("Gourd", price=30_000, stock=5)
    await shelf.shown()

    async def seen() -> tuple[int, int, float]:
        one = (await app.get(f"/products/{product}")).data["product"]
        listed = (await app.get(f"/products?categoryId={shelf.id}")).data["products"][0]
        assert (one["stock"], one["price"]) == (listed["stock"], listed["price"])
        return one["stock"], listed["stock"], one["price"]

    assert await seen() == (5, 5, 300)
    address = {"fullName": "Asha Rao", "phoneNumber": "9876543210", "addressLine1": "1", "city": "Pune", "state": "MH"}
    order = {
        "items": [{"productId": str(product), "quantity": 2}],
        "deliveryAddress": {**address, "pincode": "411001"},
        "paymentMethod": "COD",
    }
    assert (await app.post("/orders", json=order, as_=customer)).status == 201
    assert await seen() == (3, 3, 300)
    await app.patch(f"/admin/products/{product}", json={"price": 250.5, "stockDelta": 4}, as_=admin)
    assert await seen() == (7, 7, 250.5)
