"""Which provider is chosen, and what becomes of a shop without the plugin."""

import asyncio

import pytest

from core.plugins import PluginError, find
from core.testing import NewKernel
from core.types import uuid7
from plugins.payment.working import Worker
from plugins.product.ports import CATALOG
from tests.plugins.order.conftest import CATEGORY, Shop

OTHERS = ("user", "product", "cart", "order", "notification")
SECRETS = {
    "VURKSHA_PAYMENT__RAZORPAY_KEY_ID": "rzp_test_1",
    "VURKSHA_PAYMENT__RAZORPAY_KEY_SECRET": "k" * 24,
    "VURKSHA_PAYMENT__RAZORPAY_WEBHOOK_SECRETS": "w" * 32,
}


@pytest.fixture(scope="session")
def others() -> list[type]:
    return find(OTHERS)


@pytest.fixture(scope="session")
def with_payments() -> list[type]:
    return find((*OTHERS, "payment"))


async def test_without_the_plugin_orders_are_paid_at_the_door(kernel: NewKernel, others: list[type]) -> None:
    app = await kernel(others)
    category = uuid7()
    async with app.db.transaction() as tx:
        await tx.execute(CATEGORY, category, f"door-{category}")
    shop = Shop(app, app.db, app.services.get(CATALOG), category)
    buyer, mango = await shop.buyer(), await shop.product()
    order = await shop.ordered(buyer, mango)
    await app.quiet()
    assert (await shop.order(buyer, order["id"]))["status"] == "CONFIRMED"
    assert (await app.get(f"/payments/{order['id']}", as_=buyer)).status == 404


async def test_in_development_the_sandbox_takes_payments(kernel: NewKernel, with_payments: list[type]) -> None:
    app = await kernel(with_payments)
    paths = (await app.get("/openapi.json")).json["paths"]
    assert {"/api/v1/webhooks/{provider}", "/api/v1/payments/sandbox/decisions"} <= set(paths)


async def test_razorpay_is_chosen_by_its_keys(kernel: NewKernel, with_payments: list[type]) -> None:
    app = await kernel(with_payments, None, **SECRETS)
    assert "razorpay" in app.kernel.breakers.states
    assert (await app.post("/webhooks/razorpay", body=b"{}")).code == "PAYMENT_NOTICE"
    assert (await app.post("/webhooks/sandbox", body=b"{}")).status == 404


async def test_half_of_razorpays_keys_are_a_mistake(kernel: NewKernel, with_payments: list[type]) -> None:
    with pytest.raises(PluginError, match="razorpay_key_secret"):
        await kernel(with_payments, VURKSHA_PAYMENT__RAZORPAY_KEY_ID="rzp_test_1")


async def test_another_plugins_provider_may_be_chosen(kernel: NewKernel, with_payments: list[type]) -> None:
    app = await kernel(with_payments, VURKSHA_PAYMENT__PROVIDER="elsewhere")
    assert (await app.post("/webhooks/sandbox", body=b"{}")).status == 404


async def test_workers_that_keep_failing_put_the_plugin_aside(
    kernel: NewKernel, with_payments: list[type], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Worker) -> None:
        raise LookupError

    monkeypatch.setattr("core.tasks.LONGEST_PAUSE", 0.001)
    with monkeypatch.context() as broken:
        broken.setattr(Worker, "run", fail)
        app = await kernel(with_payments)
        guards = app.app.kernel.guards
        async with asyncio.timeout(5):
            while guards.available("payment"):
                await asyncio.sleep(0.01)
    assert guards.aside["payment"].reason in ("payment calls keeps failing", "payment notices keeps failing")
    guards.follow({})
    async with asyncio.timeout(5):
        while "payment calls" not in app.app.wiring.tasks["payment"].names:
            await asyncio.sleep(0.01)
