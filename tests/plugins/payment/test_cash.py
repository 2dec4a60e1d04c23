"""Cash on delivery: a payment once the rider has it, refunded by hand alone."""

from typing import Any

from plugins.payment.models import CASH
from plugins.payment.states import State
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, move
from tests.plugins.payment.conftest import Till


async def delivered(till: Till, buyer: Buyer, staff: Buyer, mango: ProductId) -> dict[str, Any]:
    """An order that was paid at the door."""
    order = await till.shop.ordered(buyer, mango, 2)
    await till.app.quiet()
    for word in ("PROCESSING", "OUT_FOR_DELIVERY", "DELIVERED"):
        assert (await move(till.shop, staff, order["id"], word)).status == 200
    await till.idle()
    return order


async def test_cash_is_a_payment_once_it_is_there(till: Till, buyer: Buyer, staff: Buyer, mango: ProductId) -> None:
    waiting = await till.shop.ordered(buyer, mango)
    order = await delivered(till, buyer, staff, mango)
    assert (await till.app.get(f"/payments/{waiting['id']}", as_=buyer)).status == 404
    payment = await till.payment(order)
    assert payment is not None
    assert (payment.state, payment.provider, payment.captured) == (State.CAPTURED, CASH, 60_000)
    view = await till.view(order, buyer)
    assert (view["status"], view["paymentMethod"]["type"], view["provider"]) == ("completed", "cod", None)
    assert await till.events(order) == [], "orders know that of themselves"


async def test_cash_goes_back_by_hand_alone(till: Till, buyer: Buyer, staff: Buyer, mango: ProductId) -> None:
    order = await delivered(till, buyer, staff, mango)
    path = f"/payments/{order['id']}/refunds"
    asked: dict[str, Any] = {"kind": "missing", "items": [{"productId": str(mango), "quantity": 1}]}
    assert (await till.app.post(path, json=asked, as_=staff)).code == "REFUND_NOT_POSSIBLE"
    answer = await till.app.post(path, json={**asked, "settledOutside": True}, as_=staff)
    assert [(one["amount"], one["status"], one["reason"]) for one in answer.data["payment"]["refunds"]] == [
        (300.0, "processed", "settled_outside")
    ]
    await till.idle()
    assert (await till.shop.order(buyer, order["id"]))["paymentStatus"] == "PARTIALLY_REFUNDED"


async def test_nothing_can_be_started_for_cash(till: Till, buyer: Buyer, staff: Buyer, mango: ProductId) -> None:
    order = await delivered(till, buyer, staff, mango)
    assert (await till.app.post(f"/payments/{order['id']}/start", json={}, as_=buyer)).code == "PAYMENT_CLOSED"


async def test_an_online_order_that_is_delivered_is_not_cash(
    till: Till, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    order, _ = await till.paid(buyer, mango)
    for word in ("PROCESSING", "OUT_FOR_DELIVERY", "DELIVERED"):
        assert (await move(till.shop, staff, order["id"], word)).status == 200
    await till.idle()
    payment = await till.payment(order)
    assert payment is not None
    assert payment.provider == "fake"
