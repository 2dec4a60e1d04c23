"""How many pieces of a product one order may have."""

from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop, body


async def test_quantities_that_are_not_sold_are_refused_line_by_line(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    crate = await shop.product()
    await shop.limit(crate, 4, 8)
    lines = [(crate, 3), (mango, 6), (mango, 5)]
    items = [{"productId": str(product), "quantity": quantity} for product, quantity in lines]
    answer = await shop.place(buyer, {**body(mango), "items": items})
    assert (answer.status, answer.code) == (400, "VAL_002")
    assert answer.json["error"]["details"]["items"] == [
        {"productId": str(crate), "requested": 3, "minimum": 4, "maximum": 8},
        {"productId": str(mango), "requested": 11, "minimum": 1, "maximum": 10},
    ]
    assert (await shop.stock(crate), await shop.stock(mango)) == (100, 100)
    for quantity in (4, 8):
        assert (await shop.place(buyer, body(crate, quantity))).status == 201


async def test_a_cart_that_new_limits_outdated_is_refused_with_the_carts_own_code(shop: Shop, buyer: Buyer) -> None:
    crate = await shop.product()
    line = {"productId": str(crate), "productName": "Crate", "productImage": "", "unitPrice": 1, "quantity": 5}
    assert (await shop.app.post("/cart/items", json=line, as_=buyer)).status == 200
    await shop.limit(crate, 1, 4)
    whole = {key: value for key, value in body(crate).items() if key != "items"}
    ordered = await shop.place(buyer, whole)
    refused = await shop.app.put(f"/cart/items/{crate}", json={"quantity": 5}, as_=buyer)
    assert (ordered.status, ordered.code) == (refused.status, refused.code) == (400, "VAL_002")


async def test_a_repeat_is_answered_whatever_the_limits_are_by_then(shop: Shop, buyer: Buyer) -> None:
    crate = await shop.product()
    first = await shop.place(buyer, body(crate, 5), key="five")
    await shop.limit(crate, 1, 4)
    again = await shop.place(buyer, body(crate, 5), key="five")
    assert (again.status, again.data) == (201, first.data)
    assert (await shop.place(buyer, body(crate, 5), key="another")).status == 400
