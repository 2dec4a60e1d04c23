"""Providers' notices: proved first, stored once, answered, then worked in; forward only (RELIABILITY 4.14)."""

import asyncio

import attrs
import pytest

from core.types import Paise, uuid7
from plugins.payment.ports import RETURNED, Attempt, AttemptState, RefundNews, RefundState
from plugins.payment.states import State
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer
from tests.plugins.payment.conftest import Till
from tests.plugins.payment.fake import notice_of, signed

NOTICES = "SELECT count(*) FROM payments.notices"
OUTCOME = "SELECT outcome FROM payments.notices WHERE event_id = $1"
ERRAND = "SELECT attempts FROM payments.errands e JOIN payments.notices n ON n.id = e.subject WHERE n.event_id = $1"
TIRED = """
UPDATE payments.errands e SET attempts = 11, due_at = now() FROM payments.notices n
WHERE n.id = e.subject AND n.event_id = $1 RETURNING true
"""


async def test_a_forged_notice_is_refused_and_writes_nothing(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    raw = notice_of(await till.pays(order))
    before = await till.app.db.fetchval(NOTICES)
    for headers in ({}, signed(raw, b"another secret"), signed(raw + b" "), {"X-Fake-Signature": "é"}):
        answer = await till.app.post("/webhooks/fake", body=raw, headers=headers)
        assert (answer.status, answer.code) == (400, "PAYMENT_NOTICE")
    assert await till.app.db.fetchval(NOTICES) == before
    payment = await till.payment(order)
    assert payment is not None
    assert payment.state is State.STARTED


async def test_what_is_proved_but_unreadable_is_refused_too(till: Till) -> None:
    for raw in (b"", b"{}", b"\xff", b"[]"):
        assert (await till.app.post("/webhooks/fake", body=raw, headers=signed(raw))).status == 400


async def test_an_unknown_provider_has_no_address_here(till: Till) -> None:
    assert (await till.app.post("/webhooks/nobody", body=b"{}")).status == 404


async def test_a_repeated_notice_is_answered_and_counts_once(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    attempt = await till.pays(order)
    event_ids = [uuid7().hex for _ in range(6)]
    for event_id in event_ids:
        for _ in range(2):
            assert (await till.tell(attempt, event_id)).status == 200
    await till.status(order, buyer, "CONFIRMED")
    await till.idle()
    assert await till.events(order) == ["payment.initiated", "payment.completed"]
    outcomes = sorted([await till.app.db.fetchval(OUTCOME, event_id) for event_id in event_ids])
    assert outcomes == ["completed", *["old"] * 5], "whichever was read first"


async def test_reordered_notices_never_take_a_payment_back(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    attempt = await till.pays(order)
    for state in (AttemptState.CAPTURED, AttemptState.AUTHORIZED, AttemptState.FAILED, AttemptState.CREATED):
        assert (await till.tell(attrs.evolve(attempt, state=state))).status == 200
    await till.idle()
    payment = await till.payment(order)
    assert payment is not None
    assert (payment.state, payment.failure) == (State.CAPTURED, None)
    assert await till.events(order) == ["payment.initiated", "payment.completed"]


async def test_what_is_authorized_is_captured(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    await till.tell(await till.pays(order, AttemptState.AUTHORIZED))
    await till.status(order, buyer, "CONFIRMED")


@pytest.mark.parametrize("wrong", [{"amount": Paise(1)}, {"currency": "USD"}], ids=["amount", "currency"])
@pytest.mark.parametrize("state", [AttemptState.AUTHORIZED, AttemptState.CAPTURED], ids=["authorized", "captured"])
async def test_another_amount_or_currency_confirms_nothing_and_calls_people(
    till: Till, buyer: Buyer, mango: ProductId, wrong: dict[str, object], state: AttemptState
) -> None:
    order = await till.ordered(buyer, mango)
    await till.tell(await till.pays(order, state, **wrong))
    payment = await till.until(order, lambda payment: payment.flag)
    await till.idle()
    assert payment.state is State.STARTED
    assert (await till.shop.order(buyer, order["id"]))["status"] == "PENDING"
    assert await till.events(order) == ["payment.initiated"]


async def test_an_attempt_of_another_order_confirms_nothing(till: Till, buyer: Buyer, mango: ProductId) -> None:
    one, attempt = await till.paid(buyer, mango)
    other = await till.ordered(buyer, mango)
    moved = attrs.evolve(attempt, gateway_order_id=await till.gateway_order(other))
    await till.tell(moved)
    await till.until(other, lambda payment: payment.flag)
    assert (await till.view(other, buyer))["status"] == "pending"
    assert (await till.view(one, buyer))["status"] == "completed"


def made_there(attempt: Attempt, event_id: str, amount: int | None = None) -> RefundNews:
    """A refund that somebody made in the provider's console."""
    return RefundNews(
        gateway_refund_id=f"rfnd_{event_id}",
        gateway_payment_id=attempt.gateway_payment_id,
        amount=Paise(amount or attempt.amount),
        currency="INR",
        state=RefundState.PROCESSED,
    )


async def tried(till: Till, event_id: str) -> None:
    """It was tried, and waits."""
    async with asyncio.timeout(10):
        while not await till.app.db.fetchval(ERRAND, event_id):
            await asyncio.sleep(0.01)


async def test_a_notice_that_overtakes_what_it_is_about_waits_for_it(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.ordered(buyer, mango)
    attempt = await till.pays(order)
    event_id = uuid7().hex
    await till.tell(made_there(attempt, event_id), event_id)
    await tried(till, event_id)
    assert await till.app.db.fetchval(OUTCOME, event_id) is None
    await till.tell(attempt)
    await till.until(order, lambda payment: payment.refunded == attempt.amount)
    assert await till.app.db.fetchval(OUTCOME, event_id) == "made at the provider"
    await till.idle()
    assert await till.events(order) == ["payment.initiated", "payment.completed", "payment.refunded"]


async def test_a_refund_of_what_is_not_known_to_be_captured_has_the_provider_asked(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.cancelled(buyer, mango)
    held = await till.pays(order, AttemptState.AUTHORIZED)
    await till.tell(held)
    await till.until(order, lambda payment: payment.state is State.AUTHORIZED)
    await till.idle()
    back = attrs.evolve(held, state=AttemptState.FAILED, reason=RETURNED)
    till.provider.attempts[held.gateway_payment_id] = back
    event_id = uuid7().hex
    await till.tell(made_there(held, event_id), event_id)
    async with asyncio.timeout(10):
        while await till.app.db.fetchval(OUTCOME, event_id) is None:
            await asyncio.sleep(0.01)
    await till.idle()
    assert await till.app.db.fetchval(OUTCOME, event_id) == "returned by the provider"
    payment = await till.payment(order)
    assert payment is not None
    assert (payment.state, payment.refunded, payment.flag) == (State.AUTHORIZED, 0, None)
    assert await till.events(order) == ["payment.initiated"]


async def test_a_refund_at_the_provider_that_does_not_fit_calls_people_in_the_end(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order, attempt = await till.paid(buyer, mango)
    event_id = uuid7().hex
    await till.tell(made_there(attempt, event_id, attempt.amount + 1), event_id)
    async with asyncio.timeout(10):
        while await till.app.db.fetchval(OUTCOME, event_id) is None:
            await till.app.db.fetchval(TIRED, event_id)
            await asyncio.sleep(0.01)
    payment = await till.payment(order)
    assert payment is not None
    assert (payment.refunded, payment.flag) == (0, "a refund made at the provider does not fit")


async def test_a_notice_of_nothing_that_is_known_is_given_up_in_the_end(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.ordered(buyer, mango)
    stranger = attrs.evolve(await till.pays(order), gateway_order_id="order_nobody")
    event_id = uuid7().hex
    await till.tell(stranger, event_id)
    await tried(till, event_id)
    async with asyncio.timeout(10):
        while await till.app.db.fetchval(OUTCOME, event_id) is None:
            await till.app.db.fetchval(TIRED, event_id)
            await asyncio.sleep(0.01)
    assert await till.app.db.fetchval(OUTCOME, event_id) == "not known"


async def test_a_body_of_more_than_256_kilobytes_is_refused(till: Till) -> None:
    raw = b" " * 262_145
    assert (await till.app.post("/webhooks/fake", body=raw, headers=signed(raw))).status == 413
