"""What the domain relies on, asked of every provider: the tests' own, the sandbox, Razorpay at a local server."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Protocol as TypingProtocol

import attrs
import pytest

from core.resilience.breaker import Breakers
from core.settings import Secret
from core.types import Paise, uuid7
from plugins.payment.ports import (
    AttemptState,
    Intent,
    Notice,
    NoticeForged,
    Provider,
    RefundOrder,
    RefundState,
)
from plugins.payment.razorpay.provider import build
from plugins.payment.sandbox.provider import SIGNATURE, SandboxProvider
from plugins.payment.settings import PaymentSettings
from tests.plugins.payment.fake import FakeProvider, notice_of, signed
from tests.providers.razorpay import KEY_ID, KEY_SECRET, Razorpay
from tests.providers.razorpay_webhooks import SECRET, headers, sign

Delivered = tuple[bytes, Mapping[str, str]]


class Customer(TypingProtocol):
    """Who pays at a provider, and the notices that the provider then sends."""

    @property
    def provider(self) -> Provider:
        """As the domain sees it."""
        ...

    async def answers(self, gateway_order_id: str, *, approve: bool) -> Delivered:
        """The customer pays or declines; the notice of it."""
        ...

    def proves(self, raw: bytes) -> Mapping[str, str]:
        """The headers of a body that the provider itself signs."""
        ...


@attrs.define
class FakeCustomer:
    """Of the provider that other tests use."""

    provider: FakeProvider

    async def answers(self, gateway_order_id: str, *, approve: bool) -> Delivered:
        raw = notice_of(self.provider.pay(gateway_order_id, AttemptState.CAPTURED if approve else AttemptState.FAILED))
        return raw, self.proves(raw)

    def proves(self, raw: bytes) -> Mapping[str, str]:
        return signed(raw)


@attrs.define
class SandboxCustomer:
    """Opens the page that its bill leads to."""

    provider: SandboxProvider
    tokens: dict[str, str] = attrs.field(factory=dict)

    async def answers(self, gateway_order_id: str, *, approve: bool) -> Delivered:
        started = await self.provider.create(attrs.evolve(INTENT, gateway_order_id=gateway_order_id))
        notice = self.provider.decide((started.page or "").partition("#")[2], approve=approve)
        return notice.body.encode(), {SIGNATURE: notice.signature}

    def proves(self, raw: bytes) -> Mapping[str, str]:
        return {SIGNATURE: self.provider._mac(raw).decode()}


@attrs.define
class RazorpayCustomer:
    """Pays by UPI at the local Razorpay."""

    provider: Provider
    account: Razorpay

    async def answers(self, gateway_order_id: str, *, approve: bool) -> Delivered:
        book = self.account.book
        payment = book.pay({"order_id": gateway_order_id, "amount": INTENT.amount}, "upi")
        (book.authorize if approve else book.decline)(payment["id"])
        event = book.events[-1]
        return event.body, headers(event)

    def proves(self, raw: bytes) -> Mapping[str, str]:
        return {"X-Razorpay-Signature": sign(raw, SECRET), "X-Razorpay-Event-Id": "e"}


INTENT = Intent(
    payment_id=uuid7(), order_id=uuid7(), order_number="VRK-2026-000001", amount=Paise(29_700), currency="INR",
    method="UPI",
)  # fmt: skip


@pytest.fixture(params=["fake", "sandbox", "razorpay"])
async def customer(request: pytest.FixtureRequest) -> AsyncIterator[Customer]:
    """At each provider in turn."""
    if request.param == "fake":
        yield FakeCustomer(FakeProvider())
    elif request.param == "sandbox":
        yield SandboxCustomer(SandboxProvider("s" * 32))
    else:
        account = Razorpay()
        async with account.running():
            settings = PaymentSettings(
                call_timeout=3.0, razorpay_url=f"{account.url}/v1", razorpay_key_id=KEY_ID,
                razorpay_key_secret=Secret(KEY_SECRET), razorpay_webhook_secrets=[Secret(SECRET)],
            )  # fmt: skip
            provider = build(settings, Breakers())
            async with provider.opened():
                yield RazorpayCustomer(provider, account)


async def told(customer: Customer, *, approve: bool) -> Notice:
    """What the notice of a decision says."""
    started = await customer.provider.create(INTENT)
    raw, given = await customer.answers(started.gateway_order_id, approve=approve)
    return customer.provider.verify(raw, given)


def test_a_name_is_one_for_rows_and_paths(customer: Customer) -> None:
    assert re.fullmatch(r"[a-z]{1,20}", customer.provider.name)
    assert customer.provider.methods <= {"UPI", "CARD", "NET_BANKING", "WALLET"}


async def test_a_payment_asked_for_twice_is_one(customer: Customer) -> None:
    first, again = await customer.provider.create(INTENT), await customer.provider.create(INTENT)
    known = await customer.provider.create(attrs.evolve(INTENT, gateway_order_id=first.gateway_order_id))
    assert first.gateway_order_id == again.gateway_order_id == known.gateway_order_id


async def test_what_was_paid_is_told_whole_and_captured_once(customer: Customer) -> None:
    attempt = (await told(customer, approve=True)).attempt
    assert attempt is not None
    assert (attempt.amount, attempt.currency, attempt.method) == (INTENT.amount, "INR", "UPI")
    assert attempt.state in {AttemptState.AUTHORIZED, AttemptState.CAPTURED}
    first = await customer.provider.capture(attempt)
    again = await customer.provider.capture(first)
    assert first == again
    assert (first.state, first.gateway_payment_id) == (AttemptState.CAPTURED, attempt.gateway_payment_id)


async def test_a_declined_payment_has_a_reason_that_names_nobody(customer: Customer) -> None:
    attempt = (await told(customer, approve=False)).attempt
    assert attempt is not None
    assert attempt.state is AttemptState.FAILED
    assert re.fullmatch(r"[a-z_]{1,60}", attempt.reason or "")


async def test_what_is_fetched_is_what_was_told(customer: Customer) -> None:
    attempt = (await told(customer, approve=True)).attempt
    assert attempt is not None
    fetched = await customer.provider.fetch(attempt.gateway_order_id)
    assert [one.gateway_payment_id for one in fetched] in ([], [attempt.gateway_payment_id])  # the sandbox keeps none
    assert all(one.amount == attempt.amount for one in fetched)


async def test_a_refund_asked_for_twice_is_sent_once(customer: Customer) -> None:
    attempt = (await told(customer, approve=True)).attempt
    assert attempt is not None
    attempt = await customer.provider.capture(attempt)
    order = RefundOrder(
        refund_id=uuid7(), payment_id=INTENT.payment_id, gateway_payment_id=attempt.gateway_payment_id,
        amount=Paise(10_000), currency="INR", reason="missing_item",
    )  # fmt: skip
    first, again = await customer.provider.refund(order), await customer.provider.refund(order)
    assert (first.gateway_refund_id, first.refund_id) == (again.gateway_refund_id, order.refund_id)
    assert (first.amount, first.gateway_payment_id) == (10_000, attempt.gateway_payment_id)
    assert first.state in {RefundState.PENDING, RefundState.PROCESSED}
    known = await customer.provider.refunds(attempt.gateway_payment_id)
    assert [one.refund_id for one in known] in ([], [order.refund_id])


async def test_a_notice_is_the_same_event_each_time_and_in_any_case_of_its_headers(customer: Customer) -> None:
    started = await customer.provider.create(INTENT)
    raw, given = await customer.answers(started.gateway_order_id, approve=True)
    told = [
        customer.provider.verify(raw, {change(name): value for name, value in given.items()})
        for change in (str.lower, str.title, str.upper)
    ]
    assert told[0] == told[1] == told[2]
    assert told[0].event_id


async def test_no_notice_counts_that_is_not_proved(customer: Customer) -> None:
    started = await customer.provider.create(INTENT)
    raw, given = await customer.answers(started.gateway_order_id, approve=True)
    changed = raw.replace(b"29700", b"1", 1)
    assert changed != raw
    for body, proof in ((changed, given), (raw, {}), (raw, dict.fromkeys(given, "x")), (raw + b" ", given), (b"", {})):
        with pytest.raises(NoticeForged):
            customer.provider.verify(body, proof)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"event": 1}', b'{"event": "payment.captured"}', b"\xff"])
async def test_a_proved_notice_that_cannot_be_read_counts_for_nothing(customer: Customer, raw: bytes) -> None:
    with pytest.raises(NoticeForged):
        customer.provider.verify(raw, customer.proves(raw))
