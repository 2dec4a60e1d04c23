"""The sandbox in a running shop: from the order to the page, from the page's answer through the webhook's own door."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from core.plugins import find
from core.testing import NewDatabase, TestApp
from core.testing.running import running, settings_for
from core.types import uuid7
from plugins.product.ports import CATALOG
from tests.plugins.order.conftest import CATEGORY, Shop
from tests.plugins.payment.conftest import BUILT_IN, Till
from tests.plugins.payment.fake import FakeProvider


@pytest.fixture(scope="module")
def plugins() -> list[type]:
    """Without another provider's."""
    return find(BUILT_IN)


@pytest.fixture(scope="module")
async def till(
    plugins: list[type], new_database: NewDatabase, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Till]:
    """A shop whose settings name no provider: outside production that is the sandbox."""
    settings = settings_for(await new_database(), redis_url, tmp_path_factory.mktemp("data"), plugins)
    async with running(settings, plugins) as app:
        category = uuid7()
        async with app.db.transaction() as tx:
            await tx.execute(CATEGORY, category, f"sandbox-{category}")
        yield Till(app, Shop(app, app.db, app.services.get(CATALOG), category), FakeProvider())


async def fetched(app: TestApp, path: str) -> tuple[int, dict[str, str], str]:
    async with aiohttp.ClientSession() as session, session.get(app.url + path) as answer:
        return answer.status, {name: answer.headers[name] for name in answer.headers}, await answer.text()


async def decided(till: Till, token: str, *, approve: bool) -> Any:
    """What the page's script does with a click."""
    signed = await till.app.post("/payments/sandbox/decisions", json={"token": token, "approve": approve})
    assert signed.status == 200, signed
    notice = signed.data
    path = notice["url"].removeprefix("/api/v1")
    return await till.app.post(path, body=notice["body"].encode(), headers={notice["header"]: notice["signature"]})


async def test_an_order_is_declined_and_then_approved_on_the_page(till: Till) -> None:
    buyer = await till.shop.buyer()
    order = await till.ordered(buyer, await till.shop.product())
    page, _, token = (await till.view(order, buyer))["toPay"]["page"].partition("#")
    status, headers, text = await fetched(till.app, page)
    assert (status, headers["Content-Type"]) == (200, "text/html")
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    for part in ("pay.js", "pay.css"):
        assert part in text
        assert (await fetched(till.app, f"/payments/sandbox/{part}"))[0] == 200
    bill = (await till.app.get(f"/payments/sandbox/bill?token={token}")).data
    assert (bill["orderNumber"], bill["amount"]) == (order["orderNumber"], order["total"])
    assert (await decided(till, token, approve=False)).status == 200
    await till.until(order, lambda payment: payment.state == "FAILED")
    for _ in range(2):
        assert (await decided(till, token, approve=True)).status == 200
    assert (await till.status(order, buyer, "CONFIRMED"))["paymentStatus"] == "COMPLETED"
    await till.idle()
    assert await till.events(order) == ["payment.initiated", "payment.failed", "payment.completed"]


async def test_a_cancelled_order_is_refunded_at_once(till: Till) -> None:
    buyer = await till.shop.buyer()
    order = await till.ordered(buyer, await till.shop.product())
    token = (await till.view(order, buyer))["toPay"]["page"].partition("#")[2]
    await decided(till, token, approve=True)
    await till.status(order, buyer, "CONFIRMED")
    assert (await till.app.post(f"/orders/{order['id']}/cancel", json={"reason": "no"}, as_=buyer)).status == 200
    await till.idle()
    assert (await till.events(order))[-1] == "payment.refunded"


async def test_an_address_that_was_not_made_here_is_refused(till: Till) -> None:
    assert (await till.app.get("/payments/sandbox/bill?token=x")).status == 404
    refused = await till.app.post("/payments/sandbox/decisions", json={"token": "x", "approve": True})
    assert refused.status == 404
    forged = await till.app.post("/webhooks/sandbox", body=b"{}", headers={"x-sandbox-signature": "x"})
    assert (forged.status, forged.code) == (400, "PAYMENT_NOTICE")
