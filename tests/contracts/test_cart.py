"""The cart: strict numbers, the shop's limits, what the app sends along (CONTRACT A.5, B.5)."""

from typing import Any
from uuid import uuid4

import attrs
import pytest

from core.testing import Answer, TestApp
from plugins.product.ports import CATALOG, ProductId
from tests.contracts import shapes
from tests.people import Customer
from tests.plugins.product.shelf import new_shelf


@attrs.frozen
class Basket:
    """A customer's cart, and two products to put in: 8 in stock, and more than enough. Ten of each at most."""

    app: TestApp
    who: Customer
    scarce: ProductId
    ample: ProductId

    async def add(self, product: object, quantity: object, **hints: Any) -> Answer:
        return await self.app.post(
            "/cart/items", json={"productId": str(product), "quantity": quantity, **hints}, as_=self.who
        )

    async def put(self, product: object, quantity: object) -> Answer:
        return await self.app.put(f"/cart/items/{product}", json={"quantity": quantity}, as_=self.who)

    async def lines(self) -> dict[str, int]:
        cart = (await self.app.get("/cart", as_=self.who)).data["cart"]
        shapes.cart(cart)
        assert cart["itemCount"] == sum(item["quantity"] for item in cart["items"])
        return {item["productId"]: item["quantity"] for item in cart["items"]}


@pytest.fixture
async def basket(app: TestApp, customer: Customer) -> Basket:
    shelf = await new_shelf(app)
    scarce = await shelf.product("Scarce", price=4_000, stock=8)
    ample = await shelf.product("Ample", price=10_000, discount_bp=1_000, stock=500)
    await shelf.shown()
    return Basket(app, customer, scarce, ample)


@pytest.mark.parametrize("quantity", [1.5, 2.0, "2", True, 0, -1, None, [], 10**17])
async def test_a_quantity_to_add_is_a_whole_number_above_nought(basket: Basket, quantity: object) -> None:
    answer = await basket.add(basket.ample, quantity)
    assert answer.status == 400, answer.body
    assert await basket.lines() == {}


@pytest.mark.parametrize("quantity", [1.5, 2.0, "2", True, -1, None])
async def test_a_quantity_to_set_is_a_whole_number(basket: Basket, quantity: object) -> None:
    await basket.add(basket.ample, 1)
    assert (await basket.put(basket.ample, quantity)).status == 400
    assert await basket.lines() == {str(basket.ample): 1}


async def test_adding_adds_to_the_line_and_hints_do_not_bind(basket: Basket) -> None:
    hints = {"productName": "Cheap", "productImage": "", "unitPrice": 0.01, "unit": "kg"}
    await basket.add(basket.ample, 1, **hints)
    answer = await basket.add(basket.ample, 2, **{**hints, "unitPrice": 90})
    assert answer.status == 200
    (item,) = answer.data["cart"]["items"]
    assert (item["quantity"], item["productName"], item["unitPrice"], item["maxQuantity"]) == (3, "Ample", 90, 10)
    assert answer.data["cart"]["subtotal"] == 270


async def test_setting_nought_removes_and_removing_twice_is_fine(basket: Basket) -> None:
    for product in (basket.ample, basket.scarce):
        await basket.add(product, 1)
    assert (await basket.put(basket.ample, 0)).status == 200
    assert await basket.lines() == {str(basket.scarce): 1}
    for _ in range(2):
        gone = await basket.app.delete(f"/cart/items/{basket.scarce}", as_=basket.who)
        assert (gone.status, gone.data["cart"]["items"]) == (200, [])
    for _ in range(2):
        assert (await basket.app.delete("/cart", as_=basket.who)).status == 200


@pytest.mark.parametrize("quantity", [0, 1])
async def test_setting_what_is_not_in_the_cart_is_404(basket: Basket, quantity: int) -> None:
    answer = await basket.put(basket.ample, quantity)
    assert (answer.status, answer.code) == (404, "RES_001")


async def test_a_line_keeps_to_stock_and_to_the_products_maximum(basket: Basket) -> None:
    short = await basket.add(basket.scarce, 9)
    assert (short.status, short.code) == (422, "BIZ_001")
    assert (await basket.add(basket.scarce, 8)).status == 200
    assert (await basket.add(basket.scarce, 1)).status == 422
    assert (await basket.put(basket.scarce, 9)).status == 422
    over = await basket.add(basket.ample, 11)
    assert (over.status, over.code) == (400, "VAL_002")
    assert await basket.lines() == {str(basket.scarce): 8}


async def test_what_is_not_sold_is_422_and_what_is_no_id_400(basket: Basket) -> None:
    assert (await basket.add(uuid4(), 1)).status == 422
    assert (await basket.add("tomato", 1)).status == 400


async def test_validate_names_what_could_not_be_ordered(basket: Basket) -> None:
    await basket.add(basket.scarce, 8)
    await basket.add(basket.ample, 2)
    await basket.app.db.fetchval("SELECT products.adjust_stock($1, -5, 'DAMAGED', NULL)", basket.scarce)
    await basket.app.services.get(CATALOG).refresh()
    data = (await basket.app.post("/cart/validate", as_=basket.who)).data
    shapes.validity(data)
    bad = {"productId": str(basket.scarce), "valid": False, "available": 3, "requested": 8}
    good = {"productId": str(basket.ample), "valid": True, "available": 500, "requested": 2}
    assert (data["valid"], data["items"], data["invalidItems"]) == (False, [bad, good], [bad])
