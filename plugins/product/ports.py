"""The door of the catalogue: its port, views, SQL functions for other domains' SQL, events and errors."""

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, NewType, Protocol
from uuid import UUID

import attrs

from core.errors import Code, Problem
from core.events.model import Event
from core.services import Port
from core.store.db import Tx
from core.types import Paise, rupees

ProductId = NewType("ProductId", UUID)

INSUFFICIENT_STOCK = Code("BIZ_001", 422, "Some items are not available in this quantity.")
PRICES_MOVED = Code("PRICE_CHANGED", 409, "A price has changed. Please look at your cart again.")

TAKE_STOCK = "products.take_stock"
"""take_stock(uuid[], int[], bigint[] prices seen, uuid reference) RETURNS int[] levels; ids merged and rising.

Refusals, with a list as DETAIL: OUT_OF_STOCK [{productId, requested, available}] and
PRICE_CHANGED [{productId, price, seen}].
"""
GIVE_BACK_STOCK = "products.give_back_stock"
"""give_back_stock(uuid[], int[], text reason, uuid reference) RETURNS int[] levels; ids merged and rising."""

ORDER_CANCELLED = "ORDER_CANCELLED"
"""The reason to give when an order is undone."""


@attrs.frozen(kw_only=True)
class ProductView:
    """A product as other domains see it. `available` is whole units, as this replica knows it."""

    id: ProductId
    name: str
    slug: str
    unit: str
    image_url: str
    unit_price_paise: Paise
    """What a customer pays for one unit."""
    price_paise: Paise
    """Before the discount."""
    discount_percentage: float
    min_order_quantity: int
    max_order_quantity: int
    available: int
    active: bool


@attrs.frozen(kw_only=True)
class ShortLine:
    """One line that asks for more than there is."""

    product_id: ProductId
    requested: int
    available: int


class OutOfStock(Problem):
    """Refuses a whole order; `details.items` names every short line."""

    def __init__(self, lines: Sequence[ShortLine]) -> None:
        items = [{"productId": str(x.product_id), "requested": x.requested, "available": x.available} for x in lines]
        super().__init__(INSUFFICIENT_STOCK, details={"items": items})
        self.lines = tuple(lines)

    @classmethod
    def of(cls, detail: Sequence[Mapping[str, object]]) -> "OutOfStock":
        """From the DETAIL of a refused `products.take_stock`."""
        return cls(
            [
                ShortLine(
                    product_id=ProductId(UUID(str(line["productId"]))),
                    requested=int(str(line["requested"])),
                    available=int(str(line["available"])),
                )
                for line in detail
            ]
        )


class PriceChanged(Problem):
    """A price is no longer the one that was seen; nothing was taken. `details.items` has both, in rupees."""

    def __init__(self, detail: Sequence[Mapping[str, object]] = ()) -> None:
        items = [{"productId": x["productId"], "price": _money(x["price"]), "seen": _money(x["seen"])} for x in detail]
        super().__init__(PRICES_MOVED, details={"items": items} if items else None)


def _money(paise: object) -> float | None:
    return None if paise is None else rupees(int(str(paise)))


class Catalog(Protocol):
    """Reads answer from memory, at once; none of them costs a round trip."""

    @property
    def revision(self) -> int:
        """Another number when a name, price, picture, limit or the being sold of any product changes; not with stock.

        Not negative, below 2**64. Replicas that show the same products have the same one, and only those: it may be
        kept where other processes, and later releases, read it.
        """
        ...

    def find(self, product_id: ProductId) -> ProductView | None:
        """One product, also one that is no longer sold; None if it never was."""
        ...

    def many(self, ids: Collection[ProductId]) -> Mapping[ProductId, ProductView]:
        """Those of the ids that are products."""
        ...

    async def refresh(self) -> None:
        """Read what changed, now: after a refusal that says memory is behind. Raises Problem(UNAVAILABLE)."""
        ...

    def sold(self, levels: Mapping[ProductId, int]) -> None:
        """The new stock levels after a commit of this replica; the others are told."""
        ...

    async def give_back(
        self, tx: Tx, lines: Mapping[ProductId, int], reason: str, reference: UUID
    ) -> Mapping[ProductId, int]:
        """Return stock in the caller's transaction. Answers the new levels: hand them to `sold` after the commit."""
        ...


CATALOG: Port[Catalog] = Port("product.catalog")


@attrs.frozen(kw_only=True)
class StockUpdated(Event):
    """Stock was changed by hand: a delivery, a correction. Sales do not announce themselves one by one."""

    event_type: ClassVar[str] = "inventory.stock_updated"
    aggregate_type: ClassVar[str] = "product"
    aggregate_key: ClassVar[str] = "product_id"

    product_id: UUID
    previous_stock: int
    new_stock: int
    reason: str


@attrs.frozen(kw_only=True)
class LowStock(Event):
    """Stock fell to its threshold or below; said once per fall."""

    event_type: ClassVar[str] = "inventory.low_stock"
    aggregate_type: ClassVar[str] = "product"
    aggregate_key: ClassVar[str] = "product_id"

    product_id: UUID
    current_stock: int
    threshold: int
