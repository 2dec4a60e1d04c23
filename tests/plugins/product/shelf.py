"""Makes products for tests, straight into the tables."""

from uuid import UUID

import attrs

from core.store.db import Db
from core.testing import TestApp
from core.types import uuid7
from plugins.product.ports import CATALOG, ProductId

CATEGORY = "INSERT INTO products.categories (id, slug, name, parent_id) VALUES ($1, $2, $3, $4) RETURNING id"
PRODUCT = """INSERT INTO products.products (id, slug, name, category_id, price_paise, discount_bp, is_organic, tags,
    other_names, is_featured, sales_count, description)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id"""
STOCK = "SELECT products.adjust_stock($1, $2, 'STOCK_RECEIVED', NULL)"
AVAILABLE = "SELECT available FROM products.stock WHERE product_id = $1"


@attrs.frozen
class Shelf:
    """A category of a test's own, and ways to fill it."""

    app: TestApp
    id: UUID
    name: str

    @property
    def db(self) -> Db:
        return self.app.db

    async def product(
        self,
        name: str = "Test Gourd",
        *,
        price: int = 4_000,
        discount_bp: int = 0,
        stock: int = 0,
        organic: bool = False,
        tags: tuple[str, ...] = (),
        other: str = "",
        featured: bool = False,
        sales: int = 0,
        description: str = "",
    ) -> ProductId:
        """A new product; call `shown` before reading it over HTTP."""
        key = uuid7()
        values = (price, discount_bp, organic, list(tags), other, featured, sales, description)
        async with self.db.transaction() as tx:
            await tx.fetchval(PRODUCT, key, f"p-{key}", name, self.id, *values)
            if stock:
                await tx.fetchval(STOCK, key, stock)
        return ProductId(key)

    async def shown(self) -> None:
        """Memory is as new as the database."""
        await self.app.services.get(CATALOG).refresh()

    async def available(self, key: UUID) -> int:
        """What the database says."""
        level: int = await self.db.fetchval(AVAILABLE, key)
        return level

    async def names(self, query: str = "") -> list[str]:
        """The names that a list of this category holds."""
        answer = await self.app.get(f"/products?categoryId={self.id}{query}")
        assert answer.status == 200, answer.body
        return [product["name"] for product in answer.data["products"]]


async def new_shelf(app: TestApp, parent: UUID | None = None) -> Shelf:
    """A category that no other test knows."""
    key = uuid7()
    async with app.db.transaction() as tx:
        await tx.fetchval(CATEGORY, key, f"c-{key}", f"Shelf {key}", parent)
    return Shelf(app, key, f"Shelf {key}")
