"""A merchant's account at a local Razorpay, and the provider that speaks to it."""

from collections.abc import AsyncIterator, Callable

import attrs
import pytest

from core.resilience.breaker import Breakers
from core.settings import Secret
from core.types import Paise, uuid7
from plugins.payment.ports import Intent
from plugins.payment.razorpay.provider import RazorpayProvider, build
from plugins.payment.settings import PaymentSettings
from tests.providers.razorpay import KEY_ID, KEY_SECRET, Razorpay
from tests.providers.razorpay_webhooks import SECRET

NewProvider = Callable[[PaymentSettings], RazorpayProvider]


@pytest.fixture
async def account() -> AsyncIterator[Razorpay]:
    server = Razorpay()
    async with server.running():
        yield server


@pytest.fixture
def settings(account: Razorpay) -> PaymentSettings:
    return PaymentSettings(
        call_timeout=0.5,
        razorpay_url=f"{account.url}/v1",
        razorpay_key_id=KEY_ID,
        razorpay_key_secret=Secret(KEY_SECRET),
        razorpay_webhook_secrets=[Secret(SECRET)],
    )


@pytest.fixture
def breakers() -> Breakers:
    return Breakers()


@pytest.fixture
async def provider(settings: PaymentSettings, breakers: Breakers) -> AsyncIterator[RazorpayProvider]:
    built = build(settings, breakers)
    async with built.opened():
        yield built


@pytest.fixture
def intent() -> Intent:
    return Intent(
        payment_id=uuid7(),
        order_id=uuid7(),
        order_number="VRK-2026-000001",
        amount=Paise(29_700),
        currency="INR",
        method="UPI",
        contact="+919876543210",
        client="203.0.113.7",
    )


@pytest.fixture
def settled(settings: PaymentSettings) -> PaymentSettings:
    """The settings with an address at which nobody listens."""
    return attrs.evolve(settings, razorpay_url="http://127.0.0.1:1/v1")
