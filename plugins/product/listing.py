"""Choosing and ordering products: pure rules over what is in memory."""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from uuid import UUID

import attrs

from plugins.product.models import Category, Entry


class Sort(StrEnum):
    """What a list is ordered by."""

    NEWEST = "newest"
    POPULARITY = "popularity"
    PRICE = "price"
    NAME = "name"
    RATING = "rating"


KEYS: dict[Sort, Callable[[Entry], tuple[object, ...]]] = {
    Sort.NEWEST: lambda e: (e.product.created_at, e.product.id),
    Sort.POPULARITY: lambda e: (e.product.sales_count, e.product.review_count, e.product.id),
    Sort.PRICE: lambda e: (e.product.price_paise, e.product.id),
    Sort.NAME: lambda e: (e.product.name.casefold(), e.product.id),
    Sort.RATING: lambda e: (e.product.rating, e.product.review_count, e.product.id),
}


@attrs.frozen(kw_only=True)
class Wanted:
    """What a list must have. None asks for nothing; prices are before the discount, bounds included."""

    categories: frozenset[UUID] | None = None
    organic: bool | None = None
    in_stock: bool | None = None
    min_paise: int | None = None
    max_paise: int | None = None

    def fits(self, entry: Entry) -> bool:
        """Whether a product belongs to the list."""
        product = entry.product
        return (
            (self.categories is None or product.category_id in self.categories)
            and (self.organic is None or product.is_organic == self.organic)
            and (self.in_stock is None or (entry.stock > 0) == self.in_stock)
            and (self.min_paise is None or product.price_paise >= self.min_paise)
            and (self.max_paise is None or product.price_paise <= self.max_paise)
        )


def choose(entries: Sequence[Entry], wanted: Wanted) -> Sequence[Entry]:
    """Those that fit, in the order given."""
    if wanted == Wanted():
        return entries
    return [entry for entry in entries if wanted.fits(entry)]


def ordered(entries: Iterable[Entry], sort: Sort, *, descending: bool) -> list[Entry]:
    """In one order, the same on every replica: ties are broken by id."""
    return sorted(entries, key=KEYS[sort], reverse=descending)


def family(categories: Iterable[Category], word: str) -> frozenset[UUID]:
    """The category of that name, slug or id, and those below it. Empty if there is none."""
    word = word.strip().casefold()
    known = [c for c in categories if c.is_active]
    heads = {c.id for c in known if word in (c.name.casefold(), c.slug, str(c.id))}
    return frozenset(heads | {c.id for c in known if c.parent_id in heads})
