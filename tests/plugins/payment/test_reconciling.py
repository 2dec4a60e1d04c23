"""Asking the provider: at 1, 5, 15 and 60 minutes, when somebody has a hint, and whatever the webhooks forgot."""

import asyncio

import pytest

from core.types import uuid7
from plugins.payment.errand_queries import Errand, Errands, Kind
from plugins.payment.errands import CHECKS, pause
from plugins.payment.ports import AttemptState
from plugins.payment.states import State
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer
from tests.plugins.payment.conftest import Till

DUE_IN = """
SELECT extract(epoch FROM e.due_at - p.created_at)::int
FROM payments.errands e JOIN payments.payments p ON p.id = e.subject
WHERE p.order_id = $1::uuid AND e.kind = 'CHECK'
"""
OLDER = "UPDATE payments.payments SET created_at = created_at - $2 * interval '1 second' WHERE id = $1 RETURNING id"
EXPIRED = "UPDATE orders.orders SET expires_at = now() - interval '1 minute' WHERE id = $1::uuid RETURNING id"
SOON = """
SELECT e.lease IS NULL AND e.due_at >= p.checked_at + interval '2 seconds'
FROM payments.errands e JOIN payments.payments p ON p.id = e.subject
WHERE p.order_id = $1::uuid AND e.kind = 'CHECK'
"""
OPEN = "UPDATE payments.payments SET closed_at = NULL WHERE order_id = $1::uuid RETURNING id"
LEASED = """
UPDATE payments.errands SET lease = $2, due_at = now() + interval '0.3 seconds' WHERE subject = $1 RETURNING subject
"""


async def older(till: Till, order: dict[str, str], seconds: float) -> None:
    """Time goes by, and its check is due."""
    payment = await till.payment(order)
    assert payment is not None
    await till.app.db.fetchval(OLDER, payment.id, seconds)
    await till.due(payment.id)


async def test_a_payment_whose_webhook_never_came_is_found(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    await till.pays(order)
    await older(till, order, 61)
    await till.status(order, buyer, "CONFIRMED")
    await till.idle()
    assert await till.app.db.fetchval(DUE_IN, order["id"]) is None, "nothing is left to ask"


async def test_checks_are_made_at_their_times_and_end(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    seen = []
    for passed, following in zip(CHECKS, [*CHECKS[1:], None], strict=True):
        seen.append(await till.app.db.fetchval(DUE_IN, order["id"]))
        payment = await till.payment(order)
        assert payment is not None
        calls = till.provider.calls["fetch"]
        await older(till, order, passed - (CHECKS[CHECKS.index(passed) - 1] if passed != CHECKS[0] else 0) + 1)
        await till.idle()
        assert till.provider.calls["fetch"] == calls + 1
        assert (await till.app.db.fetchval(DUE_IN, order["id"]) is None) is (following is None)
    assert seen[0] == pytest.approx(60, abs=3)
    assert [round(one / 60) for one in seen] == [1, 5, 15, 60, 1_440]


async def test_a_provider_that_is_away_is_asked_again_soon(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    await till.pays(order)
    till.provider.away("fetch")
    await older(till, order, 61)
    await till.status(order, buyer, "CONFIRMED")


async def test_the_customers_word_only_has_the_provider_asked(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    hint = {"paymentId": "pay_made_up", "orderId": await till.gateway_order(order), "signature": "00"}
    answer = await till.app.post(f"/payments/{order['id']}/confirm", json=hint, as_=buyer)
    assert answer.data["payment"]["status"] == "pending"
    await till.idle()
    assert (await till.view(order, buyer))["status"] == "pending"
    assert till.provider.calls["fetch"] > 0
    await till.pays(order)
    await till.app.post(f"/payments/{order['id']}/confirm", json={}, as_=buyer)
    await till.status(order, buyer, "CONFIRMED")
    assert (await till.app.post(f"/payments/{order['id']}/confirm", json={}, as_=buyer)).status == 200


async def test_a_hint_during_a_check_has_the_provider_asked_once_more(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.ordered(buyer, mango)
    till.provider.answering.clear()
    calls = till.provider.calls["fetch"]
    await older(till, order, 61)
    async with asyncio.timeout(10):
        while till.provider.calls["fetch"] == calls:
            await asyncio.sleep(0.01)
    await till.pays(order)  # which the check under way has not seen
    for _ in range(2):
        assert (await till.app.post(f"/payments/{order['id']}/confirm", json={}, as_=buyer)).status == 200
        assert await till.app.db.fetchval(SOON, order["id"]), "every other second at most"
    till.provider.answering.set()
    await till.status(order, buyer, "CONFIRMED")


async def test_an_operator_is_not_answered_by_a_check_under_way(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    payment = await till.payment(order)
    assert payment is not None
    async with till.app.db.transaction() as tx:
        await tx.fetchval(LEASED, payment.id, lease := uuid7())
        await Errands().wake_open(tx, 1)
        await Errands().done(tx, Errand(kind=Kind.CHECK, subject=payment.id, attempts=1, lease=lease))
        assert await tx.fetchval(DUE_IN, order["id"]) is not None


async def test_a_capture_after_the_order_expired_goes_back(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    await till.app.db.fetchval(EXPIRED, order["id"])
    await run_job(till, "order.expire")
    await till.until(order, lambda payment: payment.closed)
    attempt = await till.pays(order)
    await older(till, order, 16 * 60)
    payment = await till.until(order, lambda payment: payment.refunded == attempt.amount)
    assert payment.state is State.CAPTURED
    assert (await till.status(order, buyer, "REFUNDED", "CANCELLED"))["status"] in ("REFUNDED", "CANCELLED")
    await till.idle()
    assert await till.events(order) == ["payment.initiated", "payment.completed", "payment.refunded"]
    assert (await till.shop.order(buyer, order["id"]))["paymentStatus"] == "REFUNDED"
    assert (await till.view(order, buyer))["status"] == "refunded"


async def test_a_capture_that_was_told_before_the_order_expired_confirms_it(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.ordered(buyer, mango)
    await till.app.db.fetchval(EXPIRED, order["id"])
    await till.tell(await till.pays(order))
    await till.idle()
    await run_job(till, "order.expire")
    await till.idle()
    now, payment = await till.shop.order(buyer, order["id"]), await till.payment(order)
    assert payment is not None
    back = payment.refunded == payment.captured
    assert (now["status"], back) in (("CONFIRMED", False), ("REFUNDED", True))


async def test_money_that_is_only_held_is_not_taken_for_a_cancelled_order(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.cancelled(buyer, mango)
    captures = till.provider.calls["capture"]
    await till.tell(await till.pays(order, AttemptState.AUTHORIZED))
    await till.idle()
    assert till.provider.calls["capture"] == captures
    assert await till.events(order) == ["payment.initiated"]


async def test_the_order_is_asked_before_money_is_taken(till: Till, buyer: Buyer, mango: ProductId) -> None:
    """What told of its end was read before there was a payment to close."""
    order = await till.cancelled(buyer, mango)
    await till.app.db.fetchval(OPEN, order["id"])
    captures = till.provider.calls["capture"]
    await till.tell(await till.pays(order, AttemptState.AUTHORIZED))
    payment = await till.until(order, lambda payment: payment.closed)
    await till.idle()
    assert payment.state is State.AUTHORIZED
    assert till.provider.calls["capture"] == captures
    assert await till.events(order) == ["payment.initiated"]


async def test_what_cannot_be_captured_stays_authorized(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    till.provider.refuses("capture")
    await till.tell(await till.pays(order, AttemptState.AUTHORIZED))
    await till.until(order, lambda payment: payment.state is State.AUTHORIZED)
    await till.idle()
    payment = await till.payment(order)
    assert payment is not None
    assert payment.state is State.AUTHORIZED
    await till.due(payment.id)
    await till.status(order, buyer, "CONFIRMED")


async def test_the_errand_of_a_worker_that_died_is_done_by_another(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    await till.pays(order)
    payment = await till.payment(order)
    assert payment is not None
    await till.app.db.fetchval(LEASED, payment.id, uuid7())
    await till.status(order, buyer, "CONFIRMED")


async def test_errands_are_claimed_once(till: Till) -> None:
    subjects = [uuid7() for _ in range(4)]
    async with till.app.db.transaction() as tx:
        for subject in subjects:
            await Errands().wake(tx, Kind.REFUND, subject, 3_600)
    assert await Errands().claim(till.app.db, 10, 20, notices=True) == []
    async with till.app.db.transaction() as tx:
        for subject in subjects:
            await tx.execute("DELETE FROM payments.errands WHERE subject = $1", subject)


def test_tries_are_further_and_further_apart() -> None:
    assert [pause(n) for n in (1, 2, 3, 7, 30)] == [1, 2, 4, 60, 60]


async def run_job(till: Till, name: str) -> None:
    """Now, on this replica."""
    job = next(job for job in till.app.app.jobs.jobs if job.name == name)
    await till.app.app.jobs.run(job)
