"""Orders of the cart as it stands: each cart is ordered once, whatever other devices do meanwhile."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from core import faultpoints
from core.convert import wire
from core.errors import CONFLICT, Problem
from core.http.routing import Operation
from core.store.db import Db, Tx
from core.testing import Answer
from core.types import UserId
from plugins.cart.ports import CARTS, Carts
from plugins.order.bodies import PlaceOrderBody
from plugins.order.placing import ATTEMPTS
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import ADDRESS, Buyer, Shop, body, placing_of

WISH: dict[str, Any] = {"deliveryAddress": ADDRESS, "paymentMethod": "COD"}


async def put(shop: Shop, buyer: Buyer, product: ProductId, quantity: int = 3) -> None:
    """Into the cart, by hand of another device."""
    answer = await shop.app.post("/cart/items", json={"productId": str(product), "quantity": quantity}, as_=buyer)
    assert answer.status == 200, answer.body


async def orders(shop: Shop, buyer: Buyer) -> int:
    """How many there are."""
    total: int = (await shop.app.get("/orders", as_=buyer)).json["pagination"]["total"]
    return total


async def test_a_cart_ordered_from_two_devices_at_once_is_one_order(shop: Shop) -> None:
    for _ in range(5):
        buyer, mango = await shop.buyer(), await shop.product()
        await put(shop, buyer, mango)
        answers = await asyncio.gather(shop.place(buyer, WISH, key="phone"), shop.place(buyer, WISH, key="tablet"))
        assert sorted(_said(answer) for answer in answers) == [(201, None), (422, "BIZ_003")]
        assert await shop.stock(mango) == 97
        assert await orders(shop, buyer) == 1


def _said(answer: Answer) -> tuple[int, str | None]:
    return answer.status, None if answer.status == 201 else answer.code


async def test_the_second_device_hears_of_the_cart_and_not_of_stock_that_the_first_took(
    shop: Shop, buyer: Buyer
) -> None:
    mango = await shop.product(stock=3)
    await put(shop, buyer, mango)
    answers = await asyncio.gather(*(shop.place(buyer, WISH, key=str(device)) for device in range(2)))
    assert sorted(_said(answer) for answer in answers) == [(201, None), (422, "BIZ_003")]


class Meddled:
    """Carts that another device changes as soon as they were read."""

    def __init__(self, carts: Carts, *changes: Any) -> None:
        self._carts, self._changes = carts, list(changes)

    async def lines(self, db: Db | Tx, user_id: UserId) -> Mapping[ProductId, int]:
        read = await self._carts.lines(db, user_id)
        if self._changes:
            await self._changes.pop(0)()
        return read

    async def forget(self, user_id: UserId) -> None:
        await self._carts.forget(user_id)


async def place(shop: Shop, buyer: Buyer, wish: Mapping[str, Any], *changes: Any) -> dict[str, Any]:
    carts = Meddled(shop.app.services.get(CARTS), *changes)
    placing = placing_of(shop.app, shop.catalog, carts=carts)
    operation = Operation(user_id=buyer.user_id, route="POST /orders", key="k", given=True, fingerprint=b"f")
    placed = await placing.place(operation, buyer.session_id, wire.structure(dict(wish), PlaceOrderBody))
    order: dict[str, Any] = orjson.loads(placed.body)["order"]
    return order


async def test_a_line_that_another_device_takes_out_meanwhile_is_not_ordered(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    peach = await shop.product(name="Peach")
    await put(shop, buyer, mango, 2)
    await put(shop, buyer, peach, 1)

    async def without_peach() -> None:
        await shop.app.delete(f"/cart/items/{peach}", as_=buyer)

    order = await place(shop, buyer, WISH, without_peach)
    assert [(line["productId"], line["quantity"]) for line in order["items"]] == [(str(mango), 2)]
    assert (await shop.stock(mango), await shop.stock(peach)) == (98, 100)


async def test_a_quantity_that_another_device_raises_meanwhile_is_ordered_as_raised(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    await put(shop, buyer, mango, 2)

    async def one_more() -> None:
        await put(shop, buyer, mango, 1)

    order = await place(shop, buyer, WISH, one_more)
    assert [line["quantity"] for line in order["items"]] == [3]
    assert (await shop.app.get("/cart", as_=buyer)).data["cart"]["items"] == []


async def test_a_cart_that_never_rests_is_given_up_with_nothing_taken(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    await put(shop, buyer, mango, 1)

    async def one_more() -> None:
        await put(shop, buyer, mango, 1)

    with pytest.raises(Problem) as refused:
        await place(shop, buyer, WISH, *[one_more] * ATTEMPTS)
    assert refused.value.code is CONFLICT
    assert (await shop.stock(mango), await orders(shop, buyer)) == (100, 0)


async def test_items_that_were_named_are_ordered_whatever_the_cart_holds(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    await put(shop, buyer, mango, 3)
    assert (await shop.place(buyer, body(mango, 2))).status == 201
    items = (await shop.app.get("/cart", as_=buyer)).data["cart"]["items"]
    assert [item["quantity"] for item in items] == [1]


@pytest.mark.parametrize("key", [None, "once"])
async def test_with_redis_away_an_order_that_stands_is_not_told_as_too_late(
    shop: Shop, buyer: Buyer, mango: ProductId, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(shop, buyer, mango)
    monkeypatch.setattr(shop.app.redis, "_pipe", None)
    headers = {"X-Request-Timeout-Ms": "100"}
    tries = 1
    while (await shop.place(buyer, body(mango), key=key, headers=headers)).status != 201:
        assert await orders(shop, buyer) == 0, "late before the commit, on a busy machine"
        assert (tries := tries + 1) < 10
    assert await orders(shop, buyer) == 1


async def shown(shop: Shop, buyer: Buyer) -> list[Any]:
    """Lines of the cart, as its owner sees them."""
    items: list[Any] = (await shop.app.get("/cart", as_=buyer)).data["cart"]["items"]
    return items


@pytest.mark.parametrize("named", [True, False], ids=["items", "cart"])
async def test_a_repeat_takes_away_the_copy_that_the_first_could_not(
    shop: Shop, buyer: Buyer, mango: ProductId, named: bool
) -> None:
    await put(shop, buyer, mango)
    wish = body(mango, 3) if named else WISH
    redis, key = shop.app.redis, shop.app.redis.key(b"cart:", buyer.user_id)
    copy = await redis.call(b"GET", key)
    assert (await shop.place(buyer, wish, key="again")).status == 201
    await redis.call(b"SET", key, copy)  # as where the process died between the commit and this
    assert len(await shown(shop, buyer)) == 1
    again = await shop.place(buyer, wish, key="again")
    assert (again.status, again.headers["X-Idempotent-Replayed"]) == (201, "true")
    assert await shown(shop, buyer) == []


async def test_an_order_whose_answer_was_lost_on_the_way_leaves_no_copy_of_its_cart(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    await put(shop, buyer, mango)
    faultpoints.arm(["db.after_statement/orders.place=error"], "1")
    try:
        placed = await shop.place(buyer, WISH)
    finally:
        faultpoints.arm([], "")
    assert placed.status == 201
    assert await shown(shop, buyer) == []
