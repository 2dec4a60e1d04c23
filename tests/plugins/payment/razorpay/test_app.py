"""A shop and Razorpay: webhooks late, repeated, reordered, forged, missing, and while the shop is away."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from core.plugins import find
from core.testing import NewDatabase
from core.testing.running import running, settings_for
from core.types import uuid7
from plugins.payment.states import State
from plugins.product.ports import CATALOG
from tests.plugins.order.conftest import CATEGORY, Shop
from tests.plugins.payment.conftest import BUILT_IN, Till
from tests.plugins.payment.fake import FakeProvider
from tests.ports import free_port
from tests.providers.razorpay import KEY_ID, KEY_SECRET, Razorpay
from tests.providers.razorpay_webhooks import SECRET, Webhooks

HOUR = 20.0
Open = Callable[[], AbstractAsyncContextManager[Till]]


@pytest.fixture(scope="module")
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
    settings = settings_for(database, redis_url, folder, plugins, **more)

    @asynccontextmanager
    async def open_shop() -> AsyncIterator[Till]:
        async with running(settings, plugins) as app:
            category = uuid7()
            async with app.db.transaction() as tx:
                await tx.execute(CATEGORY, category, f"razorpay-{category}")
            yield Till(app, Shop(app, app.db, app.services.get(CATALOG), category), FakeProvider())

    return open_shop


@pytest.fixture
async def hooks() -> AsyncIterator[Webhooks]:
    async with aiohttp.ClientSession() as session:
        yield Webhooks(session, "", hour=HOUR)


async def at_the_bank(account: Razorpay, till: Till, order: dict[str, Any]) -> str:
    """A declined try, then one that is captured; the id of that."""
    gateway = {"order_id": await till.gateway_order(order), "amount": round(order["total"] * 100)}
    account.book.decline(account.book.pay(gateway, "upi")["id"])
    payment: str = account.book.pay(gateway, "card")["id"]
    account.book.authorize(payment)
    account.book.capture(payment, {"amount": gateway["amount"], "currency": "INR"})
    return payment


@pytest.mark.slow
async def test_whatever_webhooks_do_the_order_is_paid_once(account: Razorpay, opens: Open, hooks: Webhooks) -> None:
    async with opens() as till:
        buyer = await till.shop.buyer()
        mango = await till.shop.product()
        hooks.url = f"{till.app.url}/api/v1/webhooks/razorpay"
        stormy = await till.ordered(buyer, mango)
        payment = await at_the_bank(account, till, stormy)
        events = list(account.book.events)
        assert {status for event in events for status in await hooks.forged(event)} == {400}
        assert await till.app.db.fetchval("SELECT count(*) FROM payments.notices") == 0
        await hooks.reordered(events, random.Random(3))
        for event in events:
            assert await hooks.repeated(event, 3) == [200, 200, 200]
        await hooks.late(events[0], 60)
        assert (await till.status(stormy, buyer, "CONFIRMED"))["paymentStatus"] == "COMPLETED"
        await till.idle()
        assert (await till.events(stormy)).count("payment.completed") == 1
        assert await till.app.db.fetchval("SELECT count(*) FROM payments.notices") == len(events)

        silent = await till.ordered(buyer, mango)
        await at_the_bank(account, till, silent)
        said = await till.app.post(f"/payments/{silent['id']}/confirm", json={}, as_=buyer)
        assert said.status == 200, said
        await till.status(silent, buyer, "CONFIRMED")

        answer = await till.app.post(f"/orders/{stormy['id']}/cancel", json={"reason": "no"}, as_=buyer)
        assert answer.status == 200
        await till.idle()
        assert account.book.payments[payment]["status"] == "refunded"
        assert (await till.shop.order(buyer, stormy["id"]))["paymentStatus"] == "REFUNDED"


@pytest.mark.slow
async def test_webhooks_find_the_shop_again_after_a_restart(account: Razorpay, opens: Open, hooks: Webhooks) -> None:
    async with opens() as till:
        buyer = await till.shop.buyer()
        order = await till.ordered(buyer, await till.shop.product())
        hooks.url = f"{till.app.url}/api/v1/webhooks/razorpay"
        await at_the_bank(account, till, order)
    assert [await hooks.once(event) for event in account.book.events] == [None] * 4
    async with opens() as till:
        await hooks.on_time(account.book.events)
        payment = await till.until(order, lambda payment: payment.state is State.CAPTURED)
        assert payment.captured == payment.amount
        await till.status(order, buyer, "CONFIRMED")
