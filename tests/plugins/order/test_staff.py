"""What the shop does with orders, and who may."""

import pytest

from core.types import uuid7
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop, move
from tests.plugins.order.test_service import emitted


async def test_staff_take_an_order_to_the_door_in_any_words(
    shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    placed = await shop.ordered(buyer, mango)
    await shop.app.quiet()
    steps = [("Processing", {}), ("in_transit", {"trackingId": "T1", "deliveryPartnerId": "P1"}), ("DELIVERED", {})]
    for word, more in steps:
        answer = await move(shop, staff, placed["id"], word, **more)
        assert answer.status == 200, answer.body
        assert (await move(shop, staff, placed["id"], word, **more)).data == answer.data
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"], order["trackingId"]) == ("DELIVERED", "COMPLETED", "T1")
    assert order["shippedAt"] <= order["deliveredAt"]
    told = await emitted(shop.db, placed["id"])
    assert told == ["order.created", "order.confirmed", "order.shipped", "order.delivered"]


@pytest.mark.parametrize("word", ["DELIVERED", "PENDING", "REFUNDED", "Shipped"])
async def test_staff_cannot_skip_ahead_or_refund_by_hand(
    shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId, word: str
) -> None:
    placed = await shop.ordered(buyer, mango)
    await shop.app.quiet()
    answer = await move(shop, staff, placed["id"], word)
    assert (answer.status, answer.code) == (409, "ORDER_STATUS")
    assert answer.json["error"]["details"]["allowed"] == ["CANCELLED", "PROCESSING"]


async def test_staff_cannot_confirm_what_nobody_paid(shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="UPI")
    assert (await move(shop, staff, placed["id"], "CONFIRMED")).code == "ORDER_STATUS"


async def test_staff_may_cancel_later_than_the_customer(
    shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    placed = await shop.ordered(buyer, mango, 5)
    await shop.app.quiet()
    await move(shop, staff, placed["id"], "PROCESSING")
    answer = await move(shop, staff, placed["id"], "Cancelled", notes="Frost")
    assert answer.data["order"]["cancellationReason"] == "Frost"
    assert await shop.stock(mango) == 100
    assert (await move(shop, staff, placed["id"], "DELIVERED")).code == "ORDER_STATUS"


async def test_only_admins_move_orders_and_support_reads_them(
    shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    placed = await shop.ordered(buyer, mango)
    support = await shop.buyer("SUPPORT")
    assert (await move(shop, support, placed["id"], "PROCESSING")).status == 403
    assert (await move(shop, buyer, placed["id"], "PROCESSING")).status == 403
    assert (await shop.app.get("/admin/orders", as_=buyer)).status == 403
    for reader in (support, staff):
        answer = await shop.app.get("/admin/orders?limit=1", as_=reader)
        assert answer.data["orders"][0]["id"] == placed["id"]
        assert answer.json["pagination"]["total"] >= 1
    assert (await move(shop, staff, str(uuid7()), "PROCESSING")).status == 404
