"""Every product in memory, and how an answer made from it learns that it has aged.

`version` rises with every change, `membership` when a list may hold other products than before. An answer remembers
the version; when that moved, it looks at the stamps of its products and at the membership. Both count in this process
only; what is compared with other replicas is the `fingerprint`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from time import monotonic
from typing import TypeVar
from uuid import UUID

import orjson

from core.errors import UNAVAILABLE, Problem
from core.types import Paise
from plugins.product.listing import Sort, ordered
from plugins.product.models import Banner, Category, Entry, Product
from plugins.product.ports import ProductId, ProductView

K = TypeVar("K", bound=UUID)
TRUSTED = 60.0
"""Seconds that memory answers without having seen the database (RELIABILITY 2, "all dependencies gone")."""


class Catalogue:
    """The memory. Nothing here waits."""

    def __init__(self) -> None:
        self.version = self.membership = 0
        self.fingerprint = 0
        """Equal on two replicas, or before and after a restart, if they show others the same products: not of stock."""
        self.entries: dict[UUID, Entry] = {}
        self.categories: dict[UUID, Category] = {}
        self.banners: Sequence[Banner] = ()
        self._orders: dict[tuple[Sort, bool], list[Entry]] = {}
        self._good_until = float("-inf")
        self._clock = (datetime.fromtimestamp(0, UTC), 0.0)

    # ------------------------------------------------------------------ reading

    def require_fresh(self) -> None:
        """Raises Problem(UNAVAILABLE) when the database was last seen too long ago."""
        if monotonic() > self._good_until:
            raise Problem(UNAVAILABLE)

    def require_filled(self) -> None:
        """Raises Problem(UNAVAILABLE) until the database was seen once: an empty memory does not mean an empty shop."""
        if self._good_until < 0:
            raise Problem(UNAVAILABLE)

    def now(self) -> datetime:
        """The database's clock, as of the last look at it."""
        seen, at = self._clock
        return seen + timedelta(seconds=monotonic() - at)

    def find(self, product_id: UUID) -> ProductView | None:
        """A product as others see it."""
        entry = self.entries.get(product_id)
        return None if entry is None else _view(entry)

    def many(self, ids: Collection[ProductId]) -> Mapping[ProductId, ProductView]:
        """The same for several; unknown ones are left out."""
        return {key: _view(self.entries[key]) for key in ids if key in self.entries}

    def on_sale(self, sort: Sort, *, descending: bool) -> Sequence[Entry]:
        """What can be shown, in order. Sorted once per edit."""
        known = self._orders.get((sort, descending))
        if known is None:
            shown = (entry for entry in self.entries.values() if entry.on_sale)
            known = self._orders[sort, descending] = ordered(shown, sort, descending=descending)
        return known

    def still(self, entries: Sequence[Entry], until: datetime | None = None) -> Callable[[], bool]:
        """Says, for about a microsecond a call, whether an answer made from these entries may still be sent."""
        version, membership = self.version, self.membership
        stamps = [(entry, entry.stamp) for entry in entries]

        def valid() -> bool:
            nonlocal version
            if monotonic() > self._good_until or (until is not None and self.now() >= until):
                return False
            if self.version == version:
                return True
            if self.membership != membership or any(entry.stamp != stamp for entry, stamp in stamps):
                return False
            version = self.version
            return True

        return valid

    # ------------------------------------------------------------------ changing

    def seen(self, now: datetime, at: float) -> None:
        """The database answered a look that began at `at` (monotonic), saying that it is `now`."""
        self._clock = (now, at)
        self._good_until = at + TRUSTED

    def shelve(self, categories: Iterable[Category], banners: Sequence[Banner]) -> None:
        """New categories and banners. Every product is a new entry, because it shows its category."""
        self.fingerprint ^= self._open()
        self.categories = {category.id: category for category in categories}
        self.fingerprint ^= self._open()
        self.banners = banners
        for entry in list(self.entries.values()):
            self._enter(entry.product, entry.stock)
        self._edited()

    def put(self, product: Product, stock: int) -> None:
        """A product as it is now."""
        known = self.entries.get(product.id)
        if known is not None and known.product == product:
            self.level({product.id: stock})
            return
        if known is not None:
            self.fingerprint ^= _mark(known.product)
        self.fingerprint ^= _mark(product)
        self._enter(product, stock)
        self._edited()

    def drop(self, product_id: UUID) -> None:
        """A product that is gone altogether."""
        known = self.entries.pop(product_id, None)
        if known is not None:
            self.fingerprint ^= _mark(known.product)
            self._edited()

    def level(self, levels: Mapping[K, int]) -> None:
        """Stock as it is now. Only these products are encoded again."""
        for key, level in levels.items():
            entry = self.entries.get(key)
            if entry is None or entry.stock == level:
                continue
            self.version += 1
            if (entry.stock > 0) != (level > 0):
                self.membership += 1
            entry.stock, entry.stamp, entry.fragment = level, self.version, None

    def _enter(self, product: Product, stock: int) -> None:
        category = self.categories.get(product.category_id)
        shown = product.is_active and category is not None and category.is_active
        self.entries[product.id] = Entry(product=product, stock=stock, stamp=self.version, on_sale=shown)

    def _open(self) -> int:
        """The part of the fingerprint that says which categories are active: they decide what is on sale."""
        marks = 0
        for category in self.categories.values():
            marks ^= _digest(category.id) if category.is_active else 0
        return marks

    def _edited(self) -> None:
        self.version += 1
        self.membership += 1
        self._orders.clear()


def _mark(product: Product) -> int:
    """Of what others see of it. The version alone would not do: a server that took over may count one twice."""
    p = product
    bounds = (p.min_order_quantity, p.max_order_quantity)
    prices = (p.unit_price_paise, p.price_paise, p.discount_bp)
    return _digest((p.id, p.version, p.name, p.slug, p.unit, p.image_url, prices, bounds, p.category_id, p.is_active))


def _digest(value: object) -> int:
    """The same in every process, which Python's own hash of a text is not."""
    return int.from_bytes(blake2b(orjson.dumps(value), digest_size=8).digest())


def _view(entry: Entry) -> ProductView:
    product = entry.product
    return ProductView(
        id=ProductId(product.id),
        name=product.name,
        slug=product.slug,
        unit=product.unit,
        image_url=product.image_url,
        unit_price_paise=Paise(product.unit_price_paise),
        price_paise=Paise(product.price_paise),
        discount_percentage=product.discount_bp / 100,
        min_order_quantity=product.min_order_quantity,
        max_order_quantity=product.max_order_quantity,
        available=entry.stock,
        active=entry.on_sale,
    )
