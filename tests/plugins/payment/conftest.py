"""A shop that takes payments through a provider in this process."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import attrs
import pytest

from core.plugins import find
from core.settings import Settings
from core.store.db import Db
from core.testing import Answer, NewDatabase, TestApp
from core.testing.running import running, settings_for
from core.types import uuid7
from plugins.payment.models import Payment
from plugins.payment.ports import Attempt, AttemptState, RefundNews
from plugins.payment.queries import Payments
from plugins.product.ports import CATALOG, ProductId
from tests.plugins.order.conftest import CATEGORY, Buyer, Shop
from tests.plugins.payment.fake import PROVIDER, FakePayPlugin, FakeProvider, notice_of, signed

WAIT = 10.0
BUILT_IN = ("user", "product", "cart", "order", "notification", "payment")
DUE = "UPDATE payments.errands SET due_at = now() - interval '1 second' WHERE subject = $1 RETURNING subject"
EVENTS = "SELECT event_type FROM kernel.outbox WHERE payload->>'orderId' = $1 ORDER BY seq"


@pytest.fixture(scope="package")
def plugins() -> list[type]:
    """Every built-in plugin, payments, and the provider's plugin."""
    return [*find(BUILT_IN), FakePayPlugin]


@pytest.fixture(scope="package")
async def app(
    plugins: list[type], new_database: NewDatabase, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TestApp]:
    """A shop of this folder's own."""
    more = {"VURKSHA_PAYMENT__PROVIDER": "fake", "VURKSHA_PAYMENT__POLL": "0.05"}
    settings = settings_for(await new_database(), redis_url, tmp_path_factory.mktemp("data"), plugins, **more)
    async with running(settings, plugins) as started:
        yield started


@pytest.fixture(scope="package")
def db(app: TestApp) -> Db:
    """The app's database."""
    return app.db


@pytest.fixture(scope="package")
async def shop(app: TestApp) -> Shop:
    return await shop_of(app)


async def shop_of(app: TestApp) -> Shop:
    """With a category of its own."""
    category = uuid7()
    async with app.db.transaction() as tx:
        await tx.execute(CATEGORY, category, f"payment-tests-{category}")
    return Shop(app, app.db, app.services.get(CATALOG), category)


@pytest.fixture
async def buyer(shop: Shop) -> Buyer:
    return await shop.buyer()


@pytest.fixture
async def staff(shop: Shop) -> Buyer:
    return await shop.buyer("ADMIN")


@pytest.fixture
async def mango(shop: Shop) -> ProductId:
    return await shop.product()


@pytest.fixture
def provider() -> FakeProvider:
    """Whatever an earlier test told it to do is over."""
    PROVIDER.failing.clear()
    PROVIDER.answering.set()
    return PROVIDER


@attrs.frozen
class Till:
    """What tests do with payments."""

    app: TestApp
    shop: Shop
    provider: FakeProvider

    async def ordered(self, buyer: Buyer, product: UUID, quantity: int = 1, method: str = "UPI") -> dict[str, Any]:
        """An order that is to be paid online, whose payment is ready."""
        order = await self.shop.ordered(buyer, product, quantity, paymentMethod=method)
        await self.until(order, lambda payment: payment.started is not None)
        return order

    async def cancelled(self, buyer: Buyer, product: UUID) -> dict[str, Any]:
        """An order that was cancelled before it was paid; its payment knows."""
        order = await self.ordered(buyer, product)
        await self.app.post(f"/orders/{order['id']}/cancel", json={}, as_=buyer)
        await self.until(order, lambda payment: payment.closed)
        return order

    async def payment(self, order: dict[str, Any]) -> Payment | None:
        """As it is kept."""
        return await Payments().of_order(self.app.db, UUID(order["id"]))

    async def until(self, order: dict[str, Any], is_so: Callable[[Payment], object]) -> Payment:
        """The payment of an order as soon as it is so."""
        end, payment = time.monotonic() + WAIT, None
        while time.monotonic() < end:
            payment = await self.payment(order)
            if payment is not None and is_so(payment):
                return payment
            await asyncio.sleep(0.01)
        raise TimeoutError(f"{order['orderNumber']} is not so: {payment}")

    async def gateway_order(self, order: dict[str, Any]) -> str:
        """The provider's own id of an order."""
        payment = await self.until(order, lambda payment: payment.started is not None)
        assert payment.started is not None
        return payment.started.gateway_order_id

    async def pays(self, order: dict[str, Any], state: AttemptState = AttemptState.CAPTURED, **other: Any) -> Attempt:
        """The customer tries to pay, and the provider tells nobody."""
        return self.provider.pay(await self.gateway_order(order), state, **other)

    async def tell(self, news: Attempt | RefundNews, event_id: str = "") -> Answer:
        """The provider's webhook."""
        raw = notice_of(news, event_id)
        return await self.app.post("/webhooks/fake", body=raw, headers=signed(raw))

    async def paid(self, buyer: Buyer, product: UUID, quantity: int = 1) -> tuple[dict[str, Any], Attempt]:
        """An order that is paid and confirmed."""
        order = await self.ordered(buyer, product, quantity)
        attempt = await self.pays(order)
        assert (await self.tell(attempt)).status == 200
        await self.status(order, buyer, "CONFIRMED")
        return order, attempt

    async def status(self, order: dict[str, Any], buyer: Buyer, *words: str) -> dict[str, Any]:
        """The order, once it has this status."""
        end, now = time.monotonic() + WAIT, order
        while time.monotonic() < end:
            now = await self.shop.order(buyer, order["id"])
            if now["status"] in words:
                return now
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{order['orderNumber']} is {now['status']}")

    async def due(self, subject: UUID) -> None:
        """Its errands are due now."""
        await self.app.db.fetchval(DUE, subject)

    async def idle(self) -> None:
        """Nothing that is due is left to do."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            await self.app.quiet()
            if not await self.app.db.fetchval(
                "SELECT count(*) FROM payments.errands WHERE due_at <= now() OR lease IS NOT NULL"
            ):
                await self.app.quiet()
                return
            await asyncio.sleep(0.02)
        raise TimeoutError("payments never came to rest")

    async def events(self, order: dict[str, Any], prefix: str = "payment.") -> list[str]:
        """Types of the events about an order, in their order."""
        found = [row["event_type"] for row in await self.app.db.fetch(EVENTS, order["id"])]
        return [one for one in found if one.startswith(prefix)]

    async def view(self, order: dict[str, Any], buyer: Buyer) -> dict[str, Any]:
        """What the owner sees."""
        answer = await self.app.get(f"/payments/{order['id']}", as_=buyer)
        assert answer.status == 200, answer
        view: dict[str, Any] = answer.data["payment"]
        return view


@pytest.fixture
def till(app: TestApp, shop: Shop, provider: FakeProvider) -> Till:
    return Till(app, shop, provider)


@asynccontextmanager
async def opened_till(settings: Settings, plugins: Sequence[type]) -> AsyncIterator[Till]:
    """A shop beside this folder's own, for the block."""
    async with running(settings, plugins) as app:
        yield Till(app, await shop_of(app), FakeProvider())
