"""Buyers, products and orders of a test's own."""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any
from uuid import UUID

import attrs
import pytest

from core.extensions import Extends, Extensions
from core.isolation.guards import Guards
from core.settings import IsolationSettings
from core.store.db import Db
from core.testing import Answer, TestApp
from core.types import SessionId, UserId, uuid7
from plugins.cart.ports import CARTS, Carts
from plugins.order.builtin import BuiltIn
from plugins.order.buying import Buying
from plugins.order.checking import Checks
from plugins.order.models import OrderSettings
from plugins.order.placing import Placing
from plugins.order.pricing import Pricing
from plugins.order.service import OrderService
from plugins.product.ports import CATALOG, Catalog, ProductId
from plugins.user.ports import ADDRESSES

serial = count(1)
ACCOUNT = "INSERT INTO users.accounts (id, phone, role) VALUES ($1, $2, $3)"
SESSION = """
INSERT INTO users.sessions (id, user_id, salt, address, user_agent, expires_at)
VALUES ($1, $2, 'salt', '127.0.0.1', 'tests', now() + interval '1 day')
"""
CATEGORY = "INSERT INTO products.categories (id, slug, name) VALUES ($1, $2, 'Order tests')"
PRODUCT = """
INSERT INTO products.products (id, slug, name, category_id, price_paise, unit, image_url)
VALUES ($1, $2, $3, $4, $5, 'kg', '/images/mango.webp')
"""
ADJUST = "SELECT products.adjust_stock($1, $2, 'STOCK_RECEIVED', NULL)"
PRICE = "UPDATE products.products SET price_paise = $2 WHERE id = $1 RETURNING id"
RETIRE = "UPDATE products.products SET is_active = false WHERE id = $1 RETURNING id"
LIMIT = "UPDATE products.products SET min_order_quantity = $2, max_order_quantity = $3 WHERE id = $1 RETURNING id"
STOCK = "SELECT available FROM products.stock WHERE product_id = $1"
BUSY = 503

ADDRESS = {
    "id": "1763800000000",
    "fullName": "Asha Rao",
    "phoneNumber": "9876543210",
    "addressLine1": "12 Orchard Road",
    "addressLine2": "Near the lake",
    "city": "Pune",
    "state": "Maharashtra",
    "pinCode": "411001",
    "country": "India",
    "type": "home",
}


@attrs.frozen(kw_only=True)
class Buyer:
    """Somebody with an account, a session and an access token."""

    user_id: UserId
    session_id: SessionId
    token: str
    phone: str


@attrs.frozen
class Shop:
    """What tests do with the shop."""

    app: TestApp
    db: Db
    catalog: Catalog
    category: UUID

    async def product(self, *, paise: int = 30_000, stock: int = 100, name: str = "Mango") -> ProductId:
        """A product of the test's own."""
        product_id = ProductId(uuid7())
        async with self.db.transaction() as tx:
            label = f"{name} {next(serial)}"
            await tx.execute(PRODUCT, product_id, f"mango-{product_id}", label, self.category, paise)
            if stock:
                await tx.fetchval(ADJUST, product_id, stock)
        await self.catalog.refresh()
        return product_id

    async def buyer(self, role: str = "CUSTOMER") -> Buyer:
        """Somebody new."""
        user_id, session_id = UserId(uuid7()), SessionId(uuid7())
        phone = f"+917{next(serial):09}"
        async with self.db.transaction() as tx:
            await tx.execute(ACCOUNT, user_id, phone, role)
            await tx.execute(SESSION, session_id, user_id)
        token = self.app.kernel.tokens.issue(user_id, session_id, role)
        return Buyer(user_id=user_id, session_id=session_id, token=token, phone=phone)

    async def stock(self, product_id: UUID) -> int:
        """What is there, by the database."""
        level: int = await self.db.fetchval(STOCK, product_id)
        return level

    async def reprice(self, product_id: UUID, paise: int) -> None:
        """A new price that the catalogue in memory has not heard of yet."""
        await self.db.fetchval(PRICE, product_id, paise)

    async def limit(self, product_id: UUID, least: int, most: int) -> None:
        """How many pieces one order may have."""
        await self.db.fetchval(LIMIT, product_id, least, most)
        await self.catalog.refresh()

    async def retire(self, product_id: UUID) -> None:
        """No longer sold."""
        await self.db.fetchval(RETIRE, product_id)
        await self.catalog.refresh()

    async def place(
        self,
        buyer: Buyer,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        retries: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST /orders; again after a 503, as the app does."""
        headers = {**(headers or {}), **({} if key is None else {"X-Idempotency-Key": key})}
        answer = await self.app.post("/orders", json=body, as_=buyer, headers=headers)
        for _ in range(retries):
            if answer.status != BUSY:
                break
            await asyncio.sleep(0.2)
            answer = await self.app.post("/orders", json=body, as_=buyer, headers=headers)
        return answer

    async def ordered(self, buyer: Buyer, product_id: UUID, quantity: int = 1, **more: Any) -> dict[str, Any]:
        """An order as its answer has it."""
        answer = await self.place(buyer, body(product_id, quantity, **more))
        assert answer.status == 201, answer.body
        order: dict[str, Any] = answer.data["order"]
        return order

    async def order(self, buyer: Buyer, order_id: str) -> dict[str, Any]:
        """An order as it is now."""
        answer = await self.app.get(f"/orders/{order_id}", as_=buyer)
        assert answer.status == 200, answer.body
        order: dict[str, Any] = answer.data["order"]
        return order


def body(product_id: UUID, quantity: int = 1, **more: Any) -> dict[str, Any]:
    """The body of an order of one product."""
    lines = [{"productId": str(product_id), "quantity": quantity}]
    return {"items": lines, "deliveryAddress": ADDRESS, "paymentMethod": "COD", **more}


async def move(shop: Shop, staff: Buyer, order_id: str, word: str, **more: str) -> Answer:
    """POST /admin/orders/{id}/status."""
    return await shop.app.post(f"/admin/orders/{order_id}/status", json={"status": word, **more}, as_=staff)


@pytest.fixture(scope="session")
async def shop(app: TestApp) -> Shop:
    category = uuid7()
    async with app.db.transaction() as tx:
        await tx.execute(CATEGORY, category, f"order-tests-{category}")
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


@pytest.fixture(scope="session")
def orders(app: TestApp) -> OrderService:
    """A service beside the app's own, on the same database."""
    return OrderService(db=app.db, catalog=app.services.get(CATALOG))


def contributed(*others: tuple[str, Extends[Any]], terms: OrderSettings | None = None) -> tuple[Extensions, Guards]:
    """The order domain's own contributions and those of others, by plugin: `order` is required, the others are not."""
    guards = Guards(IsolationSettings(), {plugin for plugin, _ in others} - {"order"})
    extensions = Extensions(guards.available)
    for one in BuiltIn(terms or OrderSettings(), extensions, guards).declared():
        extensions.add("order", one)
    for plugin, extends in others:
        extensions.add(plugin, extends)
    extensions.seal()
    return extensions, guards


def placing_of(
    app: TestApp, catalog: Catalog, *others: tuple[str, Extends[Any]], carts: Carts | None = None
) -> Placing:
    """A placing service beside the app's own."""
    extensions, guards = contributed(*others)
    carts = carts or app.services.get(CARTS)
    buying = Buying(
        db=app.db,
        catalog=catalog,
        carts=carts,
        addresses=app.services.get(ADDRESSES),
        pricing=Pricing(extensions, guards),
    )
    return Placing(
        db=app.db,
        catalog=catalog,
        carts=carts,
        buying=buying,
        checks=Checks(extensions, guards),
        terms=OrderSettings(),
    )


@pytest.fixture(scope="session")
def placing(app: TestApp) -> Placing:
    return placing_of(app, app.services.get(CATALOG))
