"""The sandbox: a signed bill on a page, a decision, a signed notice; nothing kept, nothing in production."""

from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest

from core.settings import AuthSettings, BadSettings, Secret, Settings
from core.types import Paise, uuid7
from plugins.payment.ports import (
    Attempt,
    AttemptState,
    Intent,
    NoticeForged,
    RefundOrder,
    RefundState,
    Way,
)
from plugins.payment.sandbox.provider import PAGE, BadToken, SandboxProvider, build
from plugins.payment.settings import PaymentSettings

INTENT = Intent(
    payment_id=uuid7(),
    order_id=uuid7(),
    order_number="VRK-2026-000001",
    amount=Paise(29_700),
    currency="INR",
    method="CARD",
)


@pytest.fixture
def provider() -> SandboxProvider:
    return SandboxProvider("s" * 32)


async def token_of(provider: SandboxProvider, intent: Intent = INTENT) -> str:
    started = await provider.create(intent)
    assert started.page is not None
    page, _, token = started.page.partition("#")
    assert page == PAGE
    return token


def kernel(environment: str) -> Settings:
    """As much of the settings as is asked for."""
    auth = AuthSettings(secret=Secret("j" * 32))
    known: dict[str, Any] = {field.name: None for field in attrs.fields(Settings)}
    return Settings(**{**known, "environment": environment, "data_dir": Path(), "auth": auth})


@pytest.mark.parametrize("way", Way)
async def test_every_way_leads_to_the_page(provider: SandboxProvider, way: Way) -> None:
    async with provider.opened():
        bill = provider.bill(await token_of(provider, attrs.evolve(INTENT, way=way, upi_id="asha@upi")))
    assert (bill.order_number, bill.amount, bill.method) == ("VRK-2026-000001", 29_700, "CARD")
    again = await provider.create(attrs.evolve(INTENT, gateway_order_id=bill.gateway_order_id))
    assert again.gateway_order_id == bill.gateway_order_id


@pytest.mark.parametrize(("approve", "state"), [(True, AttemptState.CAPTURED), (False, AttemptState.FAILED)])
async def test_a_decision_is_a_proved_notice(provider: SandboxProvider, approve: bool, state: AttemptState) -> None:
    token = await token_of(provider)
    signed = provider.decide(token, approve=approve)
    notice = provider.verify(signed.body.encode(), {"X-Sandbox-Signature": signed.signature})
    assert notice.attempt is not None
    assert (notice.attempt.state, notice.attempt.amount, notice.attempt.currency) == (state, 29_700, "INR")
    assert notice.attempt.gateway_order_id == f"sbx_{INTENT.payment_id.hex}"
    assert provider.decide(token, approve=approve) == signed


async def test_both_decisions_are_of_one_attempt(provider: SandboxProvider) -> None:
    token = await token_of(provider)
    attempts: list[Attempt | None] = []
    for approve in (False, True):
        signed = provider.decide(token, approve=approve)
        attempts.append(provider.verify(signed.body.encode(), {"x-sandbox-signature": signed.signature}).attempt)
    assert attempts[0] is not None
    assert attempts[1] == attrs.evolve(attempts[0], state=AttemptState.CAPTURED, reason=None)


async def test_others_pages_and_notices_are_refused(provider: SandboxProvider) -> None:
    other = SandboxProvider("o" * 32)
    token = await token_of(other)
    with pytest.raises(BadToken):
        provider.bill(token)
    with pytest.raises(BadToken):
        provider.decide("", approve=True)
    signed = other.decide(token, approve=True)
    for given in ({"x-sandbox-signature": signed.signature}, {}, {"x-sandbox-signature": "é"}):
        with pytest.raises(NoticeForged):
            provider.verify(signed.body.encode(), given)


@pytest.mark.parametrize("body", [{}, {"bill": {}, "event": "x"}, {"bill": {"x": 1}, "event": "payment.failed"}, 5])
def test_a_signed_body_of_another_kind_is_refused(provider: SandboxProvider, body: object) -> None:
    raw = orjson.dumps(body)
    with pytest.raises(NoticeForged) as forged:
        provider.verify(raw, {"x-sandbox-signature": provider._mac(raw).decode()})
    assert forged.value.reason == "unreadable"


async def test_captures_and_refunds_are_done_at_once(provider: SandboxProvider) -> None:
    signed = provider.decide(await token_of(provider), approve=True)
    attempt = provider.verify(signed.body.encode(), {"x-sandbox-signature": signed.signature}).attempt
    assert attempt is not None
    assert await provider.capture(attrs.evolve(attempt, state=AttemptState.AUTHORIZED)) == attempt
    order = RefundOrder(
        refund_id=uuid7(),
        payment_id=INTENT.payment_id,
        gateway_payment_id=attempt.gateway_payment_id,
        amount=Paise(700),
        currency="INR",
        reason="missing",
    )
    news = await provider.refund(order)
    assert (news.state, news.amount, news.refund_id) == (RefundState.PROCESSED, 700, order.refund_id)
    assert await provider.refund(order) == news
    assert not await provider.fetch(attempt.gateway_order_id)
    assert not await provider.refunds(attempt.gateway_payment_id)


def test_it_does_not_exist_in_production() -> None:
    with pytest.raises(BadSettings, match="does not exist in production"):
        build(PaymentSettings(), kernel("production"))


async def test_replicas_share_a_secret_that_is_not_the_kernels() -> None:
    one, two = (build(PaymentSettings(), kernel("test")) for _ in range(2))
    assert two.bill(await token_of(one)) == one.bill(await token_of(one))
    assert one._secret != "j" * 32
    own = build(PaymentSettings(sandbox_secret=Secret("p" * 32)), kernel("development"))
    with pytest.raises(BadToken):
        own.bill(await token_of(one))
