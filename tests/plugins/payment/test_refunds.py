"""Money that goes back: by itself for cancelled orders and second payments, by staff as a whole, by line, by piece."""

import asyncio
from typing import Any
from uuid import UUID

import attrs
import pytest

from core.extensions import Extends
from core.testing import Answer
from core.types import Paise, uuid7
from plugins.order.ports import PRICE_ADJUSTERS, Charge, Phase, PriceAdjuster
from plugins.payment.ports import RefundNews, RefundState
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, body, placing_of
from tests.plugins.order.test_contributed import collector, placed
from tests.plugins.payment.conftest import Till

AGED = "UPDATE users.sessions SET created_at = now() - interval '301 s' WHERE id = $1"
AUDIT = "SELECT count(*) FROM kernel.audit WHERE action = 'payment.refund' AND subject = $1"
EVENT = """
SELECT payload FROM kernel.outbox WHERE event_type = 'payment.refunded' AND payload->>'orderId' = $1
ORDER BY seq DESC LIMIT 1
"""


async def refund(till: Till, staff: Buyer, order: dict[str, Any], key: str | None = None, **asked: Any) -> Answer:
    """POST /payments/{id}/refunds."""
    headers = {"X-Idempotency-Key": key} if key else {}
    return await till.app.post(f"/payments/{order['id']}/refunds", json=asked, as_=staff, headers=headers)


def pieces(*wanted: tuple[ProductId, int]) -> list[dict[str, object]]:
    """The body's items."""
    return [{"productId": str(product), "quantity": quantity} for product, quantity in wanted]


async def test_a_cancelled_order_that_was_paid_is_refunded(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order, attempt = await till.paid(buyer, mango)
    assert (await till.app.post(f"/orders/{order['id']}/cancel", json={}, as_=buyer)).status == 200
    await till.until(order, lambda payment: payment.refunded == attempt.amount)
    await till.idle()
    now = await till.shop.order(buyer, order["id"])
    assert (now["status"], now["paymentStatus"]) == ("REFUNDED", "REFUNDED")
    assert await till.events(order) == ["payment.initiated", "payment.completed", "payment.refunded"]
    view = await till.view(order, buyer)
    assert (view["status"], [one["status"] for one in view["refunds"]]) == ("refunded", ["processed"])


async def test_what_is_paid_twice_goes_back_and_the_order_stays_paid(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order, _ = await till.paid(buyer, mango)
    second = await till.pays(order)
    await till.tell(second)
    await till.idle()
    assert [one.amount for one in await till.provider.refunds(second.gateway_payment_id)] == [second.amount]
    now = await till.shop.order(buyer, order["id"])
    assert (now["status"], now["paymentStatus"]) == ("CONFIRMED", "COMPLETED")
    assert await till.events(order) == ["payment.initiated", "payment.completed"]


async def test_lines_and_missing_pieces_are_refunded_at_what_was_paid_for_them(
    till: Till, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    pear = await till.shop.product(paise=9_999, name="Pear")
    wanted = body(mango, 1, paymentMethod="UPI")
    wanted["items"].append({"productId": str(pear), "quantity": 3})
    order = (await till.shop.place(buyer, wanted)).data["order"]
    await till.tell(await till.pays(order))
    await till.status(order, buyer, "CONFIRMED")
    answer = await refund(till, staff, order, kind="missing", items=pieces((pear, 1)))
    assert answer.status == 201, answer
    assert [one["amount"] for one in answer.data["payment"]["refunds"]] == [99.99]
    assert (await refund(till, staff, order, kind="lines", items=pieces((mango, 1), (pear, 1)))).status == 201
    await till.idle()
    payload = await till.app.db.fetchval(EVENT, order["id"])
    assert '"refundedTotal": 499.98' in payload
    assert (await till.shop.order(buyer, order["id"]))["paymentStatus"] == "PARTIALLY_REFUNDED"
    too_many = await refund(till, staff, order, kind="lines", items=pieces((pear, 2)))
    assert too_many.code == "VAL_001"
    assert (await refund(till, staff, order, kind="whole")).status == 201
    await till.idle()
    view = await till.view(order, buyer)
    assert (view["refundedAmount"], view["status"]) == (order["total"], "refunded")
    assert (await till.shop.order(buyer, order["id"]))["paymentStatus"] == "REFUNDED"
    assert (await refund(till, staff, order, kind="whole")).code == "REFUND_TOO_MUCH"
    assert await till.app.db.fetchval(AUDIT, f"order:{order['id']}") == 3


async def test_a_rebate_of_one_line_goes_back_with_no_other(
    till: Till, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    pear = await till.shop.product(paise=30_000, name="Pear")
    rebate = Charge(code="rebate", label="Rebate", amount=Paise(-20_000), product_id=mango)
    festival = Charge(code="festival", label="Festival", amount=Paise(-4_000))
    adjusts = PriceAdjuster(phase=Phase.DISCOUNT, adjust=lambda _: (rebate, festival))
    placing = placing_of(
        till.app, till.shop.catalog, ("extra", Extends(PRICE_ADJUSTERS, adjusts)), *collector(lambda: {"UPI"})
    )
    wanted = body(mango, 1, paymentMethod="UPI")
    wanted["items"].append({"productId": str(pear), "quantity": 1})
    await placed(placing, buyer, wanted)
    (order,) = (await till.app.get("/orders", as_=buyer)).data["orders"]
    await till.tell(await till.pays(order))
    await till.status(order, buyer, "CONFIRMED")
    for product, amount in ((pear, 270), (mango, 90)):
        answer = await refund(till, staff, order, kind="lines", items=pieces((product, 1)))
        assert answer.data["payment"]["refunds"][-1]["amount"] == amount
    assert (order["total"], answer.data["payment"]["status"]) == (360, "refunded")


async def test_the_same_key_refunds_once(till: Till, buyer: Buyer, staff: Buyer, mango: ProductId) -> None:
    order, _ = await till.paid(buyer, mango, 3)
    key = uuid7().hex
    asked = {"kind": "lines", "items": pieces((mango, 1))}
    answers = await asyncio.gather(*(refund(till, staff, order, key, **asked) for _ in range(4)))
    assert {answer.status for answer in answers} <= {201, 409}
    assert (await refund(till, staff, order, key, **asked)).status == 201
    await till.idle()
    assert [one["amount"] for one in (await till.view(order, buyer))["refunds"]] == [300.0]


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "whole", "items": [{"productId": str(uuid7()), "quantity": 1}]},
        {"kind": "lines"},
        {"kind": "lines", "items": [{"productId": str(uuid7()), "quantity": 1}]},
        {"kind": "lines", "items": [{"productId": str(uuid7()), "quantity": 0}]},
        {"kind": "half"},
        {},
    ],
    ids=["pieces of the whole", "no lines", "nobody's product", "no pieces", "no such kind", "nothing"],
)
async def test_a_senseless_refund_is_refused(
    till: Till, buyer: Buyer, staff: Buyer, mango: ProductId, asked: dict[str, Any]
) -> None:
    order, _ = await till.paid(buyer, mango)
    assert (await refund(till, staff, order, **asked)).status == 400


async def test_only_administrators_refund(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order, _ = await till.paid(buyer, mango)
    support = await till.shop.buyer("SUPPORT")
    for who in (buyer, support):
        assert (await refund(till, who, order, kind="whole")).status == 403


async def test_a_refund_asks_for_a_fresh_sign_in(till: Till, buyer: Buyer, staff: Buyer, mango: ProductId) -> None:
    order, _ = await till.paid(buyer, mango)
    async with till.app.db.transaction() as tx:
        await tx.execute(AGED, staff.session_id)
    refused = await refund(till, staff, order, kind="whole")
    assert (refused.status, refused.code) == (403, "STEP_UP_REQUIRED")
    assert (await refund(till, await till.shop.buyer("ADMIN"), order, kind="whole")).status == 201


async def test_what_is_not_paid_cannot_be_refunded(till: Till, buyer: Buyer, staff: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    assert (await refund(till, staff, order, kind="whole")).code == "REFUND_NOT_POSSIBLE"
    assert (await refund(till, staff, {"id": str(uuid7())}, kind="whole")).status == 404


async def pending(till: Till, buyer: Buyer, staff: Buyer, mango: ProductId) -> tuple[dict[str, Any], RefundNews]:
    """A refund that the provider took and has not processed."""
    order, attempt = await till.paid(buyer, mango)
    till.provider.refund_state = RefundState.PENDING
    try:
        assert (await refund(till, staff, order, kind="whole")).status == 201
        await till.idle()
    finally:
        till.provider.refund_state = RefundState.PROCESSED
    (news,) = await till.provider.refunds(attempt.gateway_payment_id)
    return order, news


async def test_a_refund_counts_when_the_provider_says_that_it_is_processed(
    till: Till, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    order, news = await pending(till, buyer, staff, mango)
    assert "payment.refunded" not in await till.events(order)
    for state in (RefundState.PROCESSED, RefundState.FAILED, RefundState.PENDING, RefundState.PROCESSED):
        await till.tell(attrs.evolve(news, state=state))
        await till.idle()
    assert (await till.events(order)).count("payment.refunded") == 1
    assert (await till.view(order, buyer))["status"] == "refunded"


async def test_a_refund_that_failed_may_be_made_again(till: Till, buyer: Buyer, staff: Buyer, mango: ProductId) -> None:
    order, news = await pending(till, buyer, staff, mango)
    await till.tell(attrs.evolve(news, state=RefundState.FAILED))
    payment = await till.until(order, lambda payment: payment.flag)
    assert (payment.refunded, payment.flag) == (0, "a refund failed")
    assert (await refund(till, staff, order, kind="whole", settledOutside=True)).status == 201
    await till.idle()
    assert (await till.view(order, buyer))["status"] == "refunded"
    await till.tell(attrs.evolve(news, state=RefundState.PROCESSED))
    await till.idle()
    after = await till.payment(order)
    assert after is not None
    assert after.refunded == after.captured, "never more than came in, whatever is told"


async def test_a_refund_whose_webhook_is_lost_is_asked_about(
    till: Till, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    order, news = await pending(till, buyer, staff, mango)
    assert news.refund_id is not None
    sent = till.provider.calls["refund"]
    await till.due(news.refund_id)
    await till.idle()
    assert (await till.view(order, buyer))["refunds"][0]["status"] == "pending"
    till.provider.refunded[news.refund_id] = attrs.evolve(news, state=RefundState.PROCESSED)
    await till.due(news.refund_id)
    await till.idle()
    assert (await till.view(order, buyer))["status"] == "refunded"
    assert till.provider.calls["refund"] == sent, "asked about, and not for"


async def test_a_refund_is_sent_again_while_the_provider_is_away_and_dropped_when_it_refuses(
    till: Till, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    order, attempt = await till.paid(buyer, mango)
    till.provider.away("refund")
    await refund(till, staff, order, kind="whole")
    await till.until(order, lambda payment: payment.refunded == attempt.amount)
    other, _ = await till.paid(buyer, mango)
    till.provider.refuses("refund")
    await refund(till, staff, other, kind="whole")
    payment = await till.until(other, lambda payment: payment.flag)
    assert (payment.refunded, payment.flag) == (0, "a refund was refused")
    assert UUID(other["id"]) == payment.order_id


async def test_news_of_a_refund_that_is_not_as_it_was_asked_for_calls_people(
    till: Till, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    order, news = await pending(till, buyer, staff, mango)
    await till.tell(attrs.evolve(news, amount=Paise(news.amount - 1), state=RefundState.PROCESSED))
    payment = await till.until(order, lambda payment: payment.flag)
    assert payment.flag == "a refund is not as it was asked for"
    assert "payment.refunded" not in await till.events(order)
