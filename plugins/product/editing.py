"""Changes that people make to products, one at a time and never over each other."""

from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

import attrs

from core import audit
from core.auth import Principal
from core.errors import PRECONDITION_FAILED, Problem, not_found
from core.store.db import Tx
from core.types import Paise
from plugins.product.feed import Feed
from plugins.product.models import Category, Entry
from plugins.product.ports import OutOfStock, ProductId, ShortLine, StockUpdated
from plugins.product.queries import CatalogueWrites

BY_HAND = "MANUAL_ADJUSTMENT"
MOST_DIGITS = 18
"""Of a version: what a bigint surely holds."""


@attrs.frozen(kw_only=True)
class Edit:
    """What to change; None leaves it. Money in rupees, as it came."""

    name: str | None = None
    price: float | None = None
    discount_percentage: float | None = None
    is_active: bool | None = None
    stock_delta: int | None = None


def hundredths(amount: float) -> int:
    """Rupees as paise, or percent as hundredths of one: the decimal number that was written, half up."""
    return int((Decimal(str(amount)) * 100).quantize(Decimal(1), ROUND_HALF_UP))


def expected(if_match: str | None) -> int | None:
    """The version in an `If-Match`; None if any will do. What is no version of ours matches nothing."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip().strip('"')
    return int(tag) if tag.isascii() and tag.isdigit() and len(tag) <= MOST_DIGITS else -1


class Editor:
    """Edits, inside the kernel's keyed transaction."""

    def __init__(self, feed: Feed, writes: CatalogueWrites) -> None:
        self._feed, self._writes = feed, writes

    async def edit(
        self, tx: Tx, product_id: UUID, edit: Edit, version: int | None, by: Principal
    ) -> tuple[Entry, Category]:
        """Change one product, which is audited; answers it as it will be after the commit.

        Raises NOT_FOUND, PRECONDITION_FAILED, OutOfStock. Emits StockUpdated, and LowStock if the level falls that far.
        """
        known = await self._writes.lock(tx, product_id)
        if known is None:
            raise not_found("Product")
        if version is not None and version != known:
            raise Problem(PRECONDITION_FAILED)
        if attrs.evolve(edit, stock_delta=None) != Edit():
            await self._writes.edit(
                tx,
                product_id,
                name=edit.name,
                price=None if edit.price is None else Paise(hundredths(edit.price)),
                discount_bp=None if edit.discount_percentage is None else hundredths(edit.discount_percentage),
                active=edit.is_active,
            )
        if edit.stock_delta:
            await self._move(tx, product_id, edit.stock_delta, by.user_id)
        product, stock = await self._writes.read(tx, product_id)
        tx.after_commit(self._feed.edited)
        category = await self._writes.category(tx, product.category_id)
        if changes := attrs.asdict(edit, filter=lambda _, value: value is not None):
            await audit.record(
                tx, actor=audit.person(by), action="product.edit", subject=f"product:{product_id}", details=changes
            )
        return Entry(product=product, stock=stock, stamp=0, on_sale=product.is_active and category.is_active), category

    async def _move(self, tx: Tx, product_id: UUID, change: int, by: UUID) -> None:
        level = await self._writes.adjust(tx, product_id, change, BY_HAND, by)
        if level is None:
            _, available = await self._writes.read(tx, product_id)
            short = ShortLine(product_id=ProductId(product_id), requested=-change, available=available)
            raise OutOfStock([short])
        tx.emit(StockUpdated(product_id=product_id, previous_stock=level - change, new_stock=level, reason=BY_HAND))
