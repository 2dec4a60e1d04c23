"""Orders after they were placed: cancelling, confirming, paying, expiring, moving on."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import attrs
import pytest

from core.store.db import Db
from core.types import uuid7
from plugins.order.ports import PaymentCompleted, PaymentFailed, PaymentRefunded
from plugins.order.refunding import NotPaidYet
from plugins.order.service import OrderService
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop, move

PAYMENT = "SELECT p.id, p.status FROM orders.payments p WHERE p.order_id = $1"
EVENTS = """SELECT o.event_type FROM kernel.outbox o
    WHERE o.payload->>'orderId' = $1 AND o.aggregate_type = 'order' ORDER BY o.seq"""
AGE = "UPDATE orders.orders SET expires_at = now() - interval '1 second' WHERE id = $1 RETURNING id"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def emitted(db: Db, order_id: str) -> list[str]:
    """The types of an order's own events, in order."""
    return [row["event_type"] for row in await db.fetch(EVENTS, order_id)]


async def completed(db: Db, order: dict[str, Any], **more: Any) -> PaymentCompleted:
    """The provider's word that an order is paid."""
    row = await db.fetchrow(PAYMENT, UUID(order["id"]))
    assert row is not None
    told: dict[str, Any] = {"amount": order["total"], "payment_id": row["id"], **more}
    return PaymentCompleted(
        order_id=UUID(order["id"]),
        order_number=order["orderNumber"],
        user_id=UUID(order["userId"]),
        transaction_id="pay_1",
        completed_at=NOW,
        **told,
    )


async def hear(db: Db, orders: OrderService, event: PaymentCompleted | PaymentFailed | PaymentRefunded) -> None:
    """Handle an event as the consumer does, in a transaction of its own."""
    async with db.transaction() as tx:
        if isinstance(event, PaymentCompleted):
            await orders.paid(tx, event)
        elif isinstance(event, PaymentFailed):
            await orders.payment_failed(tx, event)
        else:
            await orders.refunds.refunded(tx, event)


async def failed(db: Db, order: dict[str, Any]) -> PaymentFailed:
    """The provider's word that a payment was refused."""
    done = await completed(db, order)
    return PaymentFailed(
        payment_id=done.payment_id,
        order_id=done.order_id,
        order_number=done.order_number,
        user_id=done.user_id,
        amount=done.amount,
        reason="declined",
        failed_at=NOW,
    )


async def refund(db: Db, order: dict[str, Any], amount: float, refund_id: str = "rf_1", **more: Any) -> PaymentRefunded:
    """The provider's word that money went back."""
    done = await completed(db, order)
    return PaymentRefunded(
        payment_id=done.payment_id,
        order_id=done.order_id,
        order_number=done.order_number,
        user_id=done.user_id,
        amount=amount,
        refund_id=refund_id,
        refunded_at=NOW,
        **more,
    )


async def test_an_order_paid_at_the_door_is_confirmed_by_itself(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango)
    await shop.app.quiet()
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"]) == ("CONFIRMED", "PENDING")
    assert order["confirmedAt"]
    assert [entry["event"] for entry in order["timeline"]] == ["order_confirmed", "order_created"]
    assert await emitted(shop.db, placed["id"]) == ["order.created", "order.confirmed"]


async def test_confirming_twice_changes_nothing(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango)
    await shop.app.quiet()
    before = await shop.order(buyer, placed["id"])
    async with shop.db.transaction() as tx:
        await orders.confirm(tx, UUID(placed["id"]))
        await orders.confirm(tx, uuid7())
    assert await shop.order(buyer, placed["id"]) == before


async def test_cancelling_returns_the_stock_and_says_so(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, 3, paymentMethod="UPI")
    path = f"/orders/{placed['id']}/cancel"
    answer = await shop.app.post(path, json={"reason": "Too late"}, as_=buyer)
    order = answer.data["order"]
    assert (answer.status, order["status"], order["statusKey"]) == (200, "CANCELLED", "cancelled")
    assert order["cancelledAt"]
    assert order["cancellationReason"] == "Too late"
    assert await shop.stock(mango) == 100
    again = await shop.app.post(path, as_=buyer)
    assert (again.status, again.data) == (200, answer.data)
    assert await shop.stock(mango) == 100
    assert await emitted(shop.db, placed["id"]) == ["order.created", "order.cancelled"]


async def test_twenty_cancels_at_once_return_the_stock_once(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, 4)
    path = f"/orders/{placed['id']}/cancel"
    answers = await asyncio.gather(*(shop.app.post(path, as_=buyer) for _ in range(20)))
    assert {answer.status for answer in answers} <= {200, 503}
    assert 200 in {answer.status for answer in answers}
    assert await shop.stock(mango) == 100
    await shop.app.quiet()
    assert (await emitted(shop.db, placed["id"])).count("order.cancelled") == 1


async def test_cancelling_and_confirming_at_once_end_in_one_history(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    for _ in range(10):
        placed = await shop.ordered(buyer, mango, paymentMethod="UPI")
        event = await completed(shop.db, placed)
        answer, _ = await asyncio.gather(
            shop.app.post(f"/orders/{placed['id']}/cancel", as_=buyer), hear(shop.db, orders, event)
        )
        assert answer.status == 200
        told = await emitted(shop.db, placed["id"])
        assert told in (
            ["order.created", "order.confirmed", "order.refund_due", "order.cancelled"],
            ["order.created", "order.confirmed", "order.cancelled", "order.refund_due"],
            ["order.created", "order.cancelled", "order.refund_due"],
        )
        order = await shop.order(buyer, placed["id"])
        assert (order["status"], order["paymentStatus"]) == ("CANCELLED", "COMPLETED")
    assert await shop.stock(mango) == 100


async def test_what_is_on_its_way_can_no_longer_be_cancelled(
    shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    placed = await shop.ordered(buyer, mango)
    await shop.app.quiet()
    await move(shop, staff, placed["id"], "PROCESSING")
    answer = await shop.app.post(f"/orders/{placed['id']}/cancel", json={}, as_=buyer)
    assert (answer.status, answer.code) == (422, "BIZ_002")
    assert answer.json["error"]["details"] == {"status": "PROCESSING"}
    assert await shop.stock(mango) == 99


async def test_a_payment_confirms_the_order_once(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="CARD")
    event = await completed(shop.db, placed)
    for _ in range(2):
        await hear(shop.db, orders, event)
    await hear(shop.db, orders, await failed(shop.db, placed))
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"]) == ("CONFIRMED", "COMPLETED")
    assert await emitted(shop.db, placed["id"]) == ["order.created", "order.confirmed"]


async def test_a_refused_payment_may_still_succeed(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="CARD")
    await hear(shop.db, orders, await failed(shop.db, placed))
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"]) == ("PENDING", "FAILED")
    await hear(shop.db, orders, await completed(shop.db, placed))
    assert (await shop.order(buyer, placed["id"]))["status"] == "CONFIRMED"


async def test_a_payment_of_another_amount_confirms_nothing(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="CARD")
    await hear(shop.db, orders, await completed(shop.db, placed, amount=placed["total"] - 0.01))
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"]) == ("PENDING", "PROCESSING")
    assert order["timeline"][0]["event"] == "payment_mismatch"


async def test_payments_of_unknown_orders_change_nothing(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="CARD")
    await hear(shop.db, orders, await completed(shop.db, placed, payment_id=uuid7()))
    other = {**placed, "id": str(uuid7())}
    lost = await completed(shop.db, placed)
    for event in (await failed(shop.db, placed), await refund(shop.db, placed, 1)):
        await hear(shop.db, orders, type(event)(**{**_fields(event), "order_id": UUID(other["id"])}))
    await hear(shop.db, orders, PaymentCompleted(**{**_fields(lost), "order_id": UUID(other["id"])}))
    assert (await shop.order(buyer, placed["id"]))["status"] == "PENDING"


def _fields(event: PaymentCompleted | PaymentFailed | PaymentRefunded) -> dict[str, Any]:
    return {field.name: getattr(event, field.name) for field in attrs.fields(type(event))}


async def test_a_cancelled_paid_order_announces_its_refund_and_ends_refunded(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="CARD")
    await hear(shop.db, orders, await completed(shop.db, placed))
    await shop.app.post(f"/orders/{placed['id']}/cancel", as_=buyer)
    told = await emitted(shop.db, placed["id"])
    assert sorted(told[2:]) == ["order.cancelled", "order.refund_due"]
    await hear(shop.db, orders, await refund(shop.db, placed, 1.0))
    assert (await shop.order(buyer, placed["id"]))["paymentStatus"] == "PARTIALLY_REFUNDED"
    for _ in range(2):
        await hear(shop.db, orders, await refund(shop.db, placed, placed["total"] - 1, "rf_2"))
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"]) == ("REFUNDED", "REFUNDED")
    answer = await shop.app.post(f"/orders/{placed['id']}/cancel", as_=buyer)
    assert (answer.status, answer.data["order"]) == (200, order), "cancelling is repeatable to the end"
    assert (await emitted(shop.db, placed["id"])).count("order.refund_due") == 1


async def test_what_was_refunded_after_its_delivery_was_not_cancelled(
    shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="CARD")
    await hear(shop.db, orders, await completed(shop.db, placed))
    for word in ("PROCESSING", "OUT_FOR_DELIVERY", "DELIVERED"):
        assert (await move(shop, staff, placed["id"], word)).status == 200
    await hear(shop.db, orders, await refund(shop.db, placed, placed["total"]))
    assert (await shop.order(buyer, placed["id"]))["status"] == "REFUNDED"
    answer = await shop.app.post(f"/orders/{placed['id']}/cancel", as_=buyer)
    assert (answer.status, answer.code) == (422, "BIZ_002")


async def test_a_refund_that_overtook_its_payment_counts_when_it_is_told_again(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="CARD")
    told = await refund(shop.db, placed, 100.0)
    with pytest.raises(NotPaidYet):
        await hear(shop.db, orders, told)
    await hear(shop.db, orders, await failed(shop.db, placed))
    with pytest.raises(NotPaidYet):
        await hear(shop.db, orders, told)
    assert (await shop.order(buyer, placed["id"]))["refundedAmount"] == 0
    await hear(shop.db, orders, await completed(shop.db, placed))
    await hear(shop.db, orders, told)
    order = await shop.order(buyer, placed["id"])
    assert (order["paymentStatus"], order["refundedAmount"]) == ("PARTIALLY_REFUNDED", 100)


async def test_unpaid_orders_expire_once_and_give_back_their_stock(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    late = await shop.ordered(buyer, mango, 2, paymentMethod="UPI")
    cash = await shop.ordered(buyer, mango)
    fresh = await shop.ordered(buyer, mango, paymentMethod="UPI")
    paid = await shop.ordered(buyer, mango, paymentMethod="UPI")
    await hear(shop.db, orders, await completed(shop.db, paid))
    for order in (late, paid):
        await shop.db.fetchval(AGE, UUID(order["id"]))
    await asyncio.gather(*(orders.expire() for _ in range(4)))
    await shop.app.quiet()
    expired = await shop.order(buyer, late["id"])
    assert (expired["status"], expired["cancellationReason"]) == ("CANCELLED", "payment not received")
    assert (await emitted(shop.db, late["id"])).count("order.cancelled") == 1
    kept = [(await shop.order(buyer, order["id"]))["status"] for order in (cash, fresh, paid)]
    assert kept == ["CONFIRMED", "PENDING", "CONFIRMED"]
    assert await shop.stock(mango) == 97


async def test_money_that_comes_after_the_end_is_recorded_and_to_be_refunded(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="UPI")
    await shop.db.fetchval(AGE, UUID(placed["id"]))
    await orders.expire()
    for _ in range(2):
        await hear(shop.db, orders, await completed(shop.db, placed))
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"]) == ("CANCELLED", "COMPLETED")
    assert order["cancellationReason"] == "payment not received"
    assert await emitted(shop.db, placed["id"]) == ["order.created", "order.cancelled", "order.refund_due"]
    assert await shop.stock(mango) == 100
