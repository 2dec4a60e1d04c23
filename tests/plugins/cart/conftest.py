"""Shoppers and products of a test's own."""

from collections.abc import Awaitable, Callable
from itertools import count

import attrs
import pytest

from core.extensions import Extends, Extensions
from core.isolation.guards import Guards
from core.settings import IsolationSettings
from core.testing import TestApp
from core.types import UserId, uuid7
from plugins.cart.checking import CartChecks
from plugins.cart.ports import CartCheck
from plugins.product.ports import CATALOG, Catalog, ProductId

NewShopper = Callable[[], "Shopper"]
NewProduct = Callable[..., Awaitable[ProductId]]
serial = count(1)

CATEGORY = "INSERT INTO products.categories (id, slug, name) VALUES ($1, $2, 'Cart tests') RETURNING id"
PRODUCT = """
INSERT INTO products.products
    (id, slug, name, category_id, price_paise, unit, image_url, min_order_quantity, max_order_quantity)
VALUES ($1, $2, $3, $4, $5, 'kg', '/images/carrot.webp', $6, $7)
"""
ADJUST = "SELECT products.adjust_stock($1, $2, 'STOCK_RECEIVED', NULL)"


@attrs.frozen
class Shopper:
    """Somebody with an access token."""

    user_id: UserId
    token: str


@pytest.fixture(scope="session")
def new_shopper(app: TestApp) -> NewShopper:
    """Makes shoppers. The cart trusts the token; it needs no account."""

    def make() -> Shopper:
        user_id = UserId(uuid7())
        return Shopper(user_id, app.kernel.tokens.issue(user_id, uuid7(), "CUSTOMER"))

    return make


@pytest.fixture
def shopper(new_shopper: NewShopper) -> Shopper:
    return new_shopper()


@pytest.fixture(scope="session")
def catalog(app: TestApp) -> Catalog:
    return app.services.get(CATALOG)


@pytest.fixture(scope="session")
async def new_product(app: TestApp, catalog: Catalog) -> NewProduct:
    """Makes products: 100 in stock at 49.50 a piece, at most 10 in an order, unless told otherwise."""
    category = uuid7()
    async with app.db.transaction() as tx:
        await tx.execute(CATEGORY, category, f"cart-tests-{category}")

    async def make(*, paise: int = 4950, stock: int = 100, least: int = 1, most: int = 10) -> ProductId:
        product_id, number = ProductId(uuid7()), next(serial)
        async with app.db.transaction() as tx:
            await tx.execute(
                PRODUCT, product_id, f"carrot-{product_id}", f"Carrot {number}", category, paise, least, most
            )
            if stock:
                await tx.fetchval(ADJUST, product_id, stock)
        await catalog.refresh()
        return product_id

    return make


@pytest.fixture
async def product(new_product: NewProduct) -> ProductId:
    return await new_product()


def contributed(*others: tuple[str, Extends[CartCheck]]) -> tuple[CartChecks, Guards]:
    """The checks of these plugins; `cart` is required, the others are not."""
    guards = Guards(IsolationSettings(), {plugin for plugin, _ in others} - {"cart"})
    extensions = Extensions(guards.available)
    for plugin, extends in others:
        extensions.add(plugin, extends)
    extensions.seal()
    return CartChecks(extensions, guards), guards
