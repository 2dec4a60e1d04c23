"""A merchant's account at a local Razorpay, the provider that speaks to it, and a shop that sells by it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import aiohttp
import attrs
import pytest

from core.plugins import find
from core.resilience.breaker import Breakers
from core.settings import Secret
from core.testing import NewDatabase
from core.testing.running import settings_for
from core.types import Paise, uuid7
from plugins.payment.ports import Intent
from plugins.payment.razorpay.provider import RazorpayProvider, build
from plugins.payment.settings import PaymentSettings
from tests.plugins.payment.conftest import BUILT_IN, Till, opened_till
from tests.ports import free_port
from tests.providers.razorpay import KEY_ID, KEY_SECRET, Razorpay
from tests.providers.razorpay_webhooks import SECRET, Webhooks

HOUR = 20.0
NewProvider = Callable[[PaymentSettings], RazorpayProvider]
Open = Callable[[], AbstractAsyncContextManager[Till]]


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


@pytest.fixture(scope="package")
def plugins() -> list[type]:
    """Without another provider's."""
    return find(BUILT_IN)


@pytest.fixture
async def opens(
    account: Razorpay,
    plugins: list[type],
    new_database: NewDatabase,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Open:
    """Opens the shop, each time at the same address and with what it knew."""
    database, folder = await new_database(), tmp_path_factory.mktemp("data")
    more = {
        "PORT": str(free_port()),
        "VURKSHA_PAYMENT__RAZORPAY_URL": f"{account.url}/v1",
        "VURKSHA_PAYMENT__RAZORPAY_KEY_ID": KEY_ID,
        "VURKSHA_PAYMENT__RAZORPAY_KEY_SECRET": KEY_SECRET,
        "VURKSHA_PAYMENT__RAZORPAY_WEBHOOK_SECRETS": SECRET,
        "VURKSHA_PAYMENT__POLL": "0.05",
    }
    return partial(opened_till, settings_for(database, redis_url, folder, plugins, **more), plugins)


@pytest.fixture
async def hooks() -> AsyncIterator[Webhooks]:
    async with aiohttp.ClientSession() as session:
        yield Webhooks(session, "", hour=HOUR)
