"""Orders, UPI, captures and refunds against a server that speaks Razorpay's protocol; each asked twice, too."""

from uuid import UUID

import attrs
import pytest

from core.resilience.breaker import Breakers
from core.settings import BadSettings, Secret
from core.types import Paise, uuid7
from plugins.payment.ports import (
    Attempt,
    AttemptState,
    Intent,
    NoticeForged,
    ProviderAway,
    ProviderRefused,
    RefundOrder,
    RefundState,
    Way,
)
from plugins.payment.razorpay.provider import RazorpayProvider, build
from plugins.payment.settings import PaymentSettings
from tests.providers import server
from tests.providers.razorpay import KEY_ID, KEY_SECRET, Razorpay
from tests.providers.razorpay_webhooks import FORGED, SECRET, headers

VPA = "asha@upi"


def paid_by(account: Razorpay, gateway_order_id: str, method: str = "upi") -> str:
    """What a customer does in the checkout: pay, and the bank agrees."""
    order = account.book.orders[gateway_order_id]
    payment = account.book.pay({"order_id": order["id"], "amount": order["amount"]}, method)
    return str(account.book.authorize(payment["id"])["id"])


async def captured(account: Razorpay, provider: RazorpayProvider, intent: Intent) -> Attempt:
    started = await provider.create(intent)
    paid_by(account, started.gateway_order_id)
    (attempt,) = await provider.fetch(started.gateway_order_id)
    return await provider.capture(attempt)


def refund_of(attempt: Attempt, amount: int, refund_id: UUID | None = None) -> RefundOrder:
    return RefundOrder(
        refund_id=refund_id or uuid7(),
        payment_id=uuid7(),
        gateway_payment_id=attempt.gateway_payment_id,
        amount=Paise(amount),
        currency="INR",
        reason="order_cancelled",
    )


async def test_an_order_carries_the_payment_as_its_receipt(
    account: Razorpay, provider: RazorpayProvider, intent: Intent
) -> None:
    started = await provider.create(intent)
    order = account.book.orders[started.gateway_order_id]
    assert (order["amount"], order["currency"], order["receipt"]) == (29_700, "INR", str(intent.payment_id))
    assert order["notes"] == {"order_number": "VRK-2026-000001"}
    assert (started.key, started.upi_link, started.page, started.asked) == (KEY_ID, None, None, False)


async def test_an_order_whose_answer_was_lost_is_found_by_its_receipt(
    account: Razorpay, provider: RazorpayProvider, intent: Intent
) -> None:
    account.fault = server.LOST
    with pytest.raises(ProviderAway):
        await provider.create(intent)
    account.fault = None
    account.book.create_order({"amount": 100, "currency": "INR", "receipt": str(intent.payment_id)})
    first = await provider.create(intent)
    second = await provider.create(intent)
    assert first == second
    assert account.book.orders[first.gateway_order_id]["amount"] == intent.amount


async def test_a_known_order_is_used_again(account: Razorpay, provider: RazorpayProvider, intent: Intent) -> None:
    first = await provider.create(intent)
    asked = len(account.asked)
    assert await provider.create(attrs.evolve(intent, gateway_order_id=first.gateway_order_id)) == first
    assert len(account.asked) == asked


async def test_upi_intent_gives_a_link(account: Razorpay, provider: RazorpayProvider, intent: Intent) -> None:
    started = await provider.create(attrs.evolve(intent, way=Way.UPI_INTENT))
    assert started.upi_link is not None
    assert started.upi_link.startswith("upi://pay?")
    assert "am=297.00" in started.upi_link
    (payment,) = account.book.payments.values()
    assert (payment["id"], payment["contact"]) == (started.gateway_payment_id, "+919876543210")


async def test_a_collect_request_is_made_once(account: Razorpay, provider: RazorpayProvider, intent: Intent) -> None:
    collect = attrs.evolve(intent, way=Way.UPI_COLLECT, upi_id=VPA, contact=None, client=None)
    first = await provider.create(collect)
    again = await provider.create(attrs.evolve(collect, gateway_order_id=first.gateway_order_id))
    assert first.asked
    assert first == again
    assert [payment["vpa"] for payment in account.book.payments.values()] == [VPA]
    account.book.decline(first.gateway_payment_id or "")
    third = await provider.create(collect)
    assert third.gateway_payment_id not in (None, first.gateway_payment_id)


async def test_a_bad_upi_address_is_refused_for_good(provider: RazorpayProvider, intent: Intent) -> None:
    with pytest.raises(ProviderRefused) as refused:
        await provider.create(attrs.evolve(intent, way=Way.UPI_COLLECT, upi_id="nobody"))
    assert refused.value.reason == "invalid_vpa"


async def test_attempts_are_told_as_they_stand(account: Razorpay, provider: RazorpayProvider, intent: Intent) -> None:
    started = await provider.create(intent)
    order = started.gateway_order_id
    failed = account.book.pay({"order_id": order, "amount": 29_700}, "card")
    account.book.decline(failed["id"], "insufficient_funds")
    held = paid_by(account, order, "netbanking")
    told = {one.gateway_payment_id: one for one in await provider.fetch(order)}
    assert told[failed["id"]] == Attempt(
        gateway_payment_id=failed["id"],
        gateway_order_id=order,
        amount=Paise(29_700),
        currency="INR",
        state=AttemptState.FAILED,
        method="CARD",
        reason="insufficient_funds",
    )
    assert (told[held].state, told[held].method, told[held].reason) == (AttemptState.AUTHORIZED, "NET_BANKING", None)


async def test_a_capture_asked_twice_stays_one(account: Razorpay, provider: RazorpayProvider, intent: Intent) -> None:
    started = await provider.create(intent)
    paid_by(account, started.gateway_order_id)
    (attempt,) = await provider.fetch(started.gateway_order_id)
    first, second = await provider.capture(attempt), await provider.capture(attempt)
    assert first == second == attrs.evolve(attempt, state=AttemptState.CAPTURED)


async def test_what_is_not_authorized_is_not_captured(
    account: Razorpay, provider: RazorpayProvider, intent: Intent
) -> None:
    started = await provider.create(intent)
    payment = account.book.pay({"order_id": started.gateway_order_id, "amount": 29_700}, "card")
    (attempt,) = await provider.fetch(started.gateway_order_id)
    with pytest.raises(ProviderRefused):
        await provider.capture(attempt)
    account.book.authorize(payment["id"])
    with pytest.raises(ProviderRefused):
        await provider.capture(attrs.evolve(attempt, amount=Paise(100)))


async def test_a_refund_whose_answer_was_lost_is_made_once(
    account: Razorpay, provider: RazorpayProvider, intent: Intent
) -> None:
    attempt = await captured(account, provider, intent)
    order = refund_of(attempt, 10_000)
    account.fault = server.LOST
    with pytest.raises(ProviderAway):
        await provider.refund(order)
    account.fault = None
    news = await provider.refund(order)
    assert (news.amount, news.state, news.refund_id) == (10_000, RefundState.PROCESSED, order.refund_id)
    assert await provider.refunds(attempt.gateway_payment_id) == [news]
    assert account.book.payments[attempt.gateway_payment_id]["amount_refunded"] == 10_000


async def test_a_refund_is_found_by_its_receipt_when_razorpay_forgot_the_key(
    account: Razorpay, provider: RazorpayProvider, intent: Intent
) -> None:
    attempt = await captured(account, provider, intent)
    order = refund_of(attempt, 29_700)
    first = await provider.refund(order)
    account._keys.clear()
    assert await provider.refund(order) == first
    with pytest.raises(ProviderRefused):
        await provider.refund(refund_of(attempt, 1_00))


async def test_a_slow_refund_is_pending_and_may_fail(
    account: Razorpay, provider: RazorpayProvider, intent: Intent
) -> None:
    account.book.instant_refunds = False
    attempt = await captured(account, provider, intent)
    news = await provider.refund(refund_of(attempt, 29_700))
    assert news.state is RefundState.PENDING
    account.book.settle(news.gateway_refund_id, ok=False)
    (later,) = await provider.refunds(attempt.gateway_payment_id)
    assert later == attrs.evolve(news, state=RefundState.FAILED)


@pytest.mark.parametrize("bad", ["../orders", "pay_1/refund", "", "x" * 41, "päy"])
async def test_no_id_leads_to_another_path(provider: RazorpayProvider, account: Razorpay, bad: str) -> None:
    with pytest.raises(ProviderRefused):
        await provider.fetch(bad)
    with pytest.raises(ProviderRefused):
        await provider.refunds(bad)
    assert account.calls == 0


async def test_two_secrets_are_live_while_one_is_changed(settings: PaymentSettings, account: Razorpay) -> None:
    built = build(attrs.evolve(settings, razorpay_webhook_secrets=[Secret("n" * 32), Secret(SECRET)]), Breakers())
    order = account.book.create_order({"amount": 500, "currency": "INR"})
    paid_by(account, order["id"])
    (event,) = account.book.events
    for secret in (SECRET, "n" * 32):
        assert built.verify(event.body, headers(event, secret)).kind == "payment.authorized"
    with pytest.raises(NoticeForged):
        built.verify(event.body, headers(event, FORGED))


def test_every_mistake_of_the_settings_is_named() -> None:
    with pytest.raises(BadSettings) as bad:
        build(PaymentSettings(razorpay_webhook_secrets=[Secret("short"), Secret(SECRET), Secret(SECRET)]), Breakers())
    assert [line.split()[0] for line in bad.value.mistakes] == [
        "payment.razorpay_key_id",
        "payment.razorpay_key_secret",
        "payment.razorpay_webhook_secrets",
        "payment.razorpay_webhook_secrets:",
    ]
    with pytest.raises(BadSettings):
        build(PaymentSettings(razorpay_key_id="k", razorpay_key_secret=Secret("s")), Breakers())


def test_nothing_prints_a_secret(settings: PaymentSettings) -> None:
    built = build(settings, Breakers())
    for thing in (settings, built, built._client):
        assert KEY_SECRET not in repr(thing)
        assert SECRET not in repr(thing)
