"""Products as they are held in memory, and the pure rules: prices, matching words, the order of a list."""

import unicodedata
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from core.types import Paise

MAX_SEARCH = 80
"""Characters of a search that count; what is longer is no name of a vegetable."""
SHORT_TEXT = 150
WHOLE = 10_000
"""A hundred percent, in hundredths of a percent."""


def unit_price(price: Paise, discount_bp: int) -> Paise:
    """What one unit costs after the discount, half a paisa up. The same rule as the column `unit_price_paise`."""
    return Paise((price * (WHOLE - discount_bp) + WHOLE // 2) // WHOLE)


def share_price(price: Paise, share: int) -> Paise:
    """The price of `share` thousandths of a unit, half a paisa up."""
    return Paise((price * share + 500) // 1000)


def share_stock(available: int, share: int) -> int:
    """How many packs of `share` thousandths of a unit the stock makes."""
    return available * 1000 // share


def normal(text: str) -> str:
    """A search as it is compared: NFC, lower case, single spaces, at most 80 characters."""
    return " ".join(unicodedata.normalize("NFC", text.replace("\0", " ")).lower().split())[:MAX_SEARCH].strip()


def like(text: str) -> str:
    """The LIKE pattern of what contains this text."""
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


@attrs.frozen(kw_only=True)
class Category:
    """A shelf of the shop."""

    id: UUID
    slug: str
    name: str
    description: str | None
    image_url: str | None
    icon: str
    color: int
    """ARGB."""
    sort_order: int
    parent_id: UUID | None
    is_active: bool


@attrs.frozen(kw_only=True)
class Banner:
    """A picture with words at a `position`, shown from `starts_at` until `ends_at`."""

    id: UUID
    position: str
    title: str
    subtitle: str | None
    image_url: str
    tag: str
    link_type: str | None
    link_value: str | None
    starts_at: datetime | None
    ends_at: datetime | None

    def shown(self, now: datetime) -> bool:
        """Whether it is within its window."""
        return (self.starts_at is None or self.starts_at <= now) and (self.ends_at is None or now < self.ends_at)


@attrs.frozen(kw_only=True)
class Product:
    """A product without its stock, which changes far more often. Money in paise, shares in thousandths of a unit."""

    id: UUID
    slug: str
    name: str
    description: str
    short_description: str | None
    category_id: UUID
    price_paise: Paise
    discount_bp: int
    unit_price_paise: Paise
    unit: str
    weight: str
    image_url: str
    image_label: str
    is_organic: bool
    is_featured: bool
    is_active: bool
    rating: float
    review_count: int
    sales_count: int
    farm_source: str
    tags: tuple[str, ...]
    min_order_quantity: int
    max_order_quantity: int
    quantity_step: int
    shelf_life: str | None
    storage_instructions: str | None
    nutrition_info: dict[str, Any]
    nutritional_benefits: str
    farming_practices: str
    weight_options: tuple[dict[str, Any], ...]
    images: tuple[dict[str, Any], ...]
    reviews: tuple[dict[str, Any], ...]
    version: int
    created_at: datetime
    words: str
    """Names in every language, lower case: for searches while the database is away."""


@attrs.define(eq=False)
class Entry:
    """A product in memory. `stamp` says which change it saw last; an edited product is a new entry."""

    product: Product
    stock: int
    stamp: int
    on_sale: bool
    """Whether it is on sale: it and its category are active."""
    fragment: bytes | None = None
    """Its JSON in a list, once somebody has asked for it."""


def short_text(product: Product) -> str:
    """What a list says about it."""
    return product.short_description or product.description[:SHORT_TEXT]
