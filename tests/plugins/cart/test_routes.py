import asyncio

import pytest

from core.testing import Answer, TestApp
from core.types import uuid7
from plugins.product.ports import Catalog, ProductId
from tests.plugins.cart.conftest import NewProduct, NewShopper, Shopper


async def add(app: TestApp, shopper: Shopper, product: object, quantity: object = 1, **more: object) -> Answer:
    """As the app does it: with hints that nobody believes."""
    body = {
        "productId": str(product),
        "productName": "Cheap!",
        "productImage": "",
        "unitPrice": 0.01,
        "quantity": quantity,
    }
    return await app.post("/cart/items", as_=shopper, json=body, **more)


def lines(answer: Answer) -> dict[str, int]:
    return {item["productId"]: item["quantity"] for item in answer.data["cart"]["items"]}


async def test_a_new_cart_is_empty(app: TestApp, shopper: Shopper) -> None:
    cart = (await app.get("/cart", as_=shopper)).data["cart"]
    assert (cart["items"], cart["subtotal"], cart["itemCount"]) == ([], 0, 0)
    assert cart["updatedAt"].endswith("Z")


async def test_what_was_added_is_shown_at_the_catalogues_price(
    app: TestApp, shopper: Shopper, product: ProductId
) -> None:
    added = await add(app, shopper, product, 2)
    assert added.status == 200
    read = await app.get("/cart", as_=shopper)
    assert read.data == added.data
    [item] = read.data["cart"]["items"]
    assert item["productName"].startswith("Carrot")
    assert (item["unitPrice"], item["total"], item["unit"], item["maxQuantity"]) == (49.5, 99, "kg", 10)
    assert item["productImage"].endswith("carrot.webp")
    assert read.data["cart"]["subtotal"] == 99
    assert read.headers["Cache-Control"] == "no-store"


async def test_adding_again_adds_to_the_line(app: TestApp, shopper: Shopper, product: ProductId) -> None:
    await add(app, shopper, product, 2)
    assert lines(await add(app, shopper, product, 3)) == {str(product): 5}


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 2.0, "2", True, None, 10_000])
async def test_a_quantity_that_is_no_whole_number_above_zero_is_refused(
    app: TestApp, shopper: Shopper, product: ProductId, quantity: object
) -> None:
    answer = await add(app, shopper, product, quantity)
    assert (answer.status, answer.code) == (400, "VAL_001")


async def test_an_id_that_is_no_uuid_is_refused(app: TestApp, shopper: Shopper) -> None:
    assert (await add(app, shopper, "carrots")).status == 400


async def test_an_unknown_product_cannot_be_added(app: TestApp, shopper: Shopper) -> None:
    answer = await add(app, shopper, uuid7())
    assert (answer.status, answer.code) == (422, "BIZ_001")
    assert lines(await app.get("/cart", as_=shopper)) == {}


async def test_more_than_an_order_may_have_is_refused(app: TestApp, shopper: Shopper, product: ProductId) -> None:
    await add(app, shopper, product, 8)
    answer = await add(app, shopper, product, 3)
    assert (answer.status, answer.code) == (400, "VAL_002")
    assert answer.json["error"]["details"] == {"requested": 11, "maximum": 10}


async def test_more_than_is_in_stock_is_refused(app: TestApp, shopper: Shopper, new_product: NewProduct) -> None:
    rare = await new_product(stock=2)
    answer = await add(app, shopper, rare, 3)
    assert (answer.status, answer.code) == (422, "BIZ_001")
    assert answer.json["error"]["details"]["items"] == [{"productId": str(rare), "requested": 3, "available": 2}]


async def test_put_sets_the_quantity(app: TestApp, shopper: Shopper, product: ProductId) -> None:
    await add(app, shopper, product, 2)
    for _ in range(2):
        answer = await app.put(f"/cart/items/{product}", as_=shopper, json={"quantity": 7})
        assert (answer.status, lines(answer)) == (200, {str(product): 7})
    over = await app.put(f"/cart/items/{product}", as_=shopper, json={"quantity": 11})
    assert (over.status, over.code) == (400, "VAL_002")


async def test_put_zero_removes(app: TestApp, shopper: Shopper, product: ProductId) -> None:
    await add(app, shopper, product, 2)
    answer = await app.put(f"/cart/items/{product}", as_=shopper, json={"quantity": 0})
    assert (answer.status, lines(answer)) == (200, {})


@pytest.mark.parametrize("quantity", [0, 1])
async def test_put_of_what_is_not_in_the_cart_is_not_found(app: TestApp, shopper: Shopper, quantity: int) -> None:
    answer = await app.put(f"/cart/items/{uuid7()}", as_=shopper, json={"quantity": quantity})
    assert (answer.status, answer.code) == (404, "RES_001")


async def test_a_line_can_be_removed_twice(app: TestApp, shopper: Shopper, new_product: NewProduct) -> None:
    kept, gone = await new_product(), await new_product()
    await add(app, shopper, kept)
    await add(app, shopper, gone)
    for _ in range(2):
        answer = await app.delete(f"/cart/items/{gone}", as_=shopper)
        assert (answer.status, lines(answer)) == (200, {str(kept): 1})


async def test_a_cart_can_be_emptied_twice(app: TestApp, shopper: Shopper, product: ProductId) -> None:
    await add(app, shopper, product)
    for _ in range(2):
        answer = await app.delete("/cart", as_=shopper)
        assert (answer.status, lines(answer)) == (200, {})
    assert lines(await app.get("/cart", as_=shopper)) == {}


async def test_validate_names_each_line_that_cannot_be_ordered(
    app: TestApp, catalog: Catalog, shopper: Shopper, new_product: NewProduct
) -> None:
    fine, short = await new_product(), await new_product(stock=5)
    await add(app, shopper, fine, 2)
    await add(app, shopper, short, 5)
    assert (await app.post("/cart/validate", as_=shopper)).data["valid"] is True
    async with app.db.transaction() as tx:
        await tx.fetchval("SELECT products.adjust_stock($1, -3, 'DAMAGED', NULL)", short)
    await catalog.refresh()
    data = (await app.post("/cart/validate", as_=shopper)).data
    wrong = {"productId": str(short), "valid": False, "available": 2, "requested": 5}
    assert data == {
        "valid": False,
        "items": [{"productId": str(fine), "valid": True, "available": 100, "requested": 2}, wrong],
        "invalidItems": [wrong],
        "problems": [
            {
                "code": "BIZ_001",
                "message": "Some items are not available in this quantity.",
                "remedy": "Change the quantity.",
                "productId": str(short),
            }
        ],
    }


async def test_a_repeat_with_the_same_key_adds_once_and_gets_the_same_answer(
    app: TestApp, shopper: Shopper, product: ProductId
) -> None:
    key = {"X-Idempotency-Key": "1700000000000"}
    answers = await asyncio.gather(*(add(app, shopper, product, 2, headers=key) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert len({str(answer.data) for answer in answers}) == 1
    assert sorted(answer.headers.get("X-Idempotent-Replayed", "") for answer in answers) == ["", *["true"] * 4]
    await add(app, shopper, product, 1)
    again = await add(app, shopper, product, 2, headers=key)
    assert again.data == answers[0].data, "the stored answer, not the cart of now"
    assert lines(await app.get("/cart", as_=shopper)) == {str(product): 3}


async def test_the_same_key_for_something_else_is_refused(app: TestApp, shopper: Shopper, product: ProductId) -> None:
    key = {"X-Idempotency-Key": "once"}
    await add(app, shopper, product, 2, headers=key)
    answer = await add(app, shopper, product, 3, headers=key)
    assert (answer.status, answer.code) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_refused_add_leaves_its_key_free(app: TestApp, shopper: Shopper, product: ProductId) -> None:
    key = {"X-Idempotency-Key": "again"}
    await add(app, shopper, product, 9)
    assert (await add(app, shopper, product, 2, headers=key)).status == 400
    await app.delete("/cart", as_=shopper)
    assert (await add(app, shopper, product, 2, headers=key)).status == 200


async def test_two_shoppers_never_see_each_others_carts(
    app: TestApp, new_shopper: NewShopper, product: ProductId
) -> None:
    one, other = new_shopper(), new_shopper()
    key = {"X-Idempotency-Key": "1"}
    await add(app, one, product, 1, headers=key)
    await add(app, other, product, 4, headers=key)
    assert lines(await app.get("/cart", as_=one)) == {str(product): 1}
    assert lines(await app.get("/cart", as_=other)) == {str(product): 4}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/cart"),
        ("POST", "/cart/items"),
        ("PUT", "/cart/items/00000000-0000-7000-8000-000000000000"),
        ("DELETE", "/cart/items/00000000-0000-7000-8000-000000000000"),
        ("DELETE", "/cart"),
        ("POST", "/cart/validate"),
    ],
)
async def test_a_cart_is_for_who_is_signed_in(app: TestApp, method: str, path: str) -> None:
    assert (await app.request(method, path)).status == 401
