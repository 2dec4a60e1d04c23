"""Refunds: by line, for a missing item, in parts, twice, at once, and never more than was paid."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import Problem
from core.types import uuid7
from plugins.order.ports import PaymentRefunded, RefundedLine
from plugins.order.refunding import NotPaidYet
from plugins.order.service import OrderService
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop, body, move
from tests.plugins.order.test_service import completed, emitted, hear, refund

BACK = """SELECT o.refunded_paise, o.total_paise, (SELECT coalesce(sum(r.amount_paise), 0) FROM orders.refunds r
    WHERE r.order_id = o.id)::bigint AS written FROM orders.orders o WHERE o.id = $1"""


async def paid(shop: Shop, orders: OrderService, buyer: Buyer, product: ProductId, quantity: int = 1) -> dict[str, Any]:
    """An order that was paid online."""
    answer = await shop.place(buyer, body(product, quantity, paymentMethod="CARD"), key=str(uuid7()), retries=20)
    placed: dict[str, Any] = answer.data["order"]
    await hear(shop.db, orders, await completed(shop.db, placed))
    return placed


async def test_a_missing_item_is_noted_with_its_line(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await paid(shop, orders, buyer, mango, 2)
    line = RefundedLine(product_id=mango, quantity=1, amount=300.0)
    for _ in range(2):
        told = await refund(shop.db, placed, 300.0, lines=[line], reason="missing item")
        await hear(shop.db, orders, told)
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"], order["refundedAmount"]) == (
        "CONFIRMED",
        "PARTIALLY_REFUNDED",
        300,
    )
    (back,) = order["refunds"]
    assert (back["id"], back["amount"], back["reason"]) == ("rf_1", 300, "missing item")
    assert back["items"] == [{"productId": str(mango), "quantity": 1, "amount": 300}]
    assert back["refundedAt"] == "2026-01-01T00:00:00.000000Z"
    entry = order["timeline"][0]
    assert entry["event"] == "payment_refunded"
    name = placed["items"][0]["productName"]
    assert entry["notes"] == f"Rs. 300.00 of Rs. 600.00 for 1 x {name}: missing item"
    assert [one["event"] for one in order["timeline"]].count("payment_refunded") == 1


async def test_two_halves_are_a_whole_and_a_third_is_too_much(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await paid(shop, orders, buyer, mango, 2)
    await shop.app.post(f"/orders/{placed['id']}/cancel", as_=buyer)
    for number in (1, 2):
        await hear(shop.db, orders, await refund(shop.db, placed, 300.0, f"rf_{number}"))
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"], order["refundedAmount"]) == ("REFUNDED", "REFUNDED", 600)
    await hear(shop.db, orders, await refund(shop.db, placed, 0.01, "rf_3"))
    assert await shop.order(buyer, placed["id"]) == order


@pytest.mark.parametrize("amount", [600.01, 0, -1.0])
async def test_a_refund_that_cannot_be_true_is_noted_and_counts_for_nothing(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService, amount: float
) -> None:
    placed = await paid(shop, orders, buyer, mango, 2)
    await hear(shop.db, orders, await refund(shop.db, placed, amount))
    order = await shop.order(buyer, placed["id"])
    assert order["timeline"][0]["event"] == "refund_mismatch"
    assert (order["refundedAmount"], order["refunds"], order["paymentStatus"]) == (0, [], "COMPLETED")


async def test_an_order_that_is_cancelled_after_a_part_went_back_is_due_the_rest(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await paid(shop, orders, buyer, mango, 2)
    await hear(shop.db, orders, await refund(shop.db, placed, 250.0))
    await shop.app.post(f"/orders/{placed['id']}/cancel", as_=buyer)
    assert "order.refund_due" in await emitted(shop.db, placed["id"])
    due = await shop.db.fetchval(
        "SELECT (payload->>'amount')::numeric FROM kernel.outbox"
        " WHERE event_type = 'order.refund_due' AND aggregate_id = $1",
        placed["id"],
    )
    assert due == 350


async def test_cash_that_was_taken_at_the_door_can_be_given_back(
    shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await shop.ordered(buyer, mango, 2)
    await shop.app.quiet()
    told = PaymentRefunded(
        payment_id=uuid7(),
        order_id=UUID(placed["id"]),
        order_number=placed["orderNumber"],
        user_id=buyer.user_id,
        amount=300.0,
        refund_id="cash-1",
        refunded_at=(await completed_at(shop)),
    )
    with pytest.raises(NotPaidYet):
        await hear(shop.db, orders, told)
    for word in ("PROCESSING", "OUT_FOR_DELIVERY", "DELIVERED"):
        assert (await move(shop, staff, placed["id"], word)).status == 200
    await hear(shop.db, orders, told)
    order = await shop.order(buyer, placed["id"])
    assert (order["status"], order["paymentStatus"], order["refundedAmount"]) == (
        "DELIVERED",
        "PARTIALLY_REFUNDED",
        300,
    )


async def completed_at(shop: Shop) -> Any:
    return await shop.db.fetchval("SELECT now()")


async def test_another_payments_refund_is_none_of_an_online_order(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService
) -> None:
    placed = await paid(shop, orders, buyer, mango)
    told = await refund(shop.db, {**placed}, 1.0)
    await hear(shop.db, orders, PaymentRefunded(**{**_fields(told), "payment_id": uuid7()}))
    assert (await shop.order(buyer, placed["id"]))["refundedAmount"] == 0


def _fields(event: PaymentRefunded) -> dict[str, Any]:
    return {
        name: getattr(event, name) for name in event.__annotations__ if not name.startswith(("event_", "aggregate_"))
    }


async def test_the_database_itself_refuses_to_give_back_more_than_the_total(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    placed = await shop.ordered(buyer, mango)
    for sql in (
        "UPDATE orders.orders SET refunded_paise = total_paise + 1 WHERE id = $1",
        "UPDATE orders.orders SET refunded_paise = -1 WHERE id = $1",
        "UPDATE orders.orders SET charges = '[]' WHERE id = $1",
        "UPDATE orders.orders SET charges = jsonb_set(charges, '{0,amount}', '1') WHERE id = $1",
        "UPDATE orders.orders SET tax_paise = 100, total_paise = total_paise + 100 WHERE id = $1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await shop.db.command(sql, UUID(placed["id"]))


async def heard(shop: Shop, orders: OrderService, event: PaymentRefunded) -> None:
    """As the bus does it: one that waited too long for the order's lock is told again."""
    for _ in range(20):
        with suppress(Problem):
            return await hear(shop.db, orders, event)
    raise AssertionError("never heard")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=st.lists(
        st.tuples(st.integers(1, 6), st.integers(1, 40_000)), min_size=2, max_size=5, unique_by=lambda one: one[1]
    )
)
async def test_refunds_at_once_never_exceed_what_was_paid(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService, told: list[tuple[int, int]]
) -> None:
    """Ids repeat, amounts differ, all at the same moment."""
    placed = await paid(shop, orders, buyer, mango, 2)
    news = [await refund(shop.db, placed, paise / 100, f"rf_{number}") for number, paise in told]
    await asyncio.gather(*(heard(shop, orders, one) for one in news for _ in range(2)))
    row = await shop.db.fetchrow(BACK, UUID(placed["id"]))
    assert row is not None
    assert row["refunded_paise"] == row["written"] <= row["total_paise"] == 60_000
    order = await shop.order(buyer, placed["id"])
    assert sum(round(one["amount"] * 100) for one in order["refunds"]) == row["refunded_paise"]
    assert (order["paymentStatus"] == "REFUNDED") == (row["refunded_paise"] == 60_000)
