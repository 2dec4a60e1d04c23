"""What the shop shows, from memory; and the port through which other domains see it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

import attrs
import orjson

from core.errors import UNAVAILABLE, Problem, not_found
from core.store.cache import Cache
from core.store.db import Tx
from plugins.product.catalogue import Catalogue
from plugins.product.feed import Feed
from plugins.product.listing import Sort, Wanted, choose, family, ordered
from plugins.product.models import Banner, Category, Entry, like, normal
from plugins.product.ports import ProductId, ProductView
from plugins.product.queries import CatalogueReads, CatalogueWrites, Hunt

MOST_FOUND = 500
"""Products that a search answers; nobody pages further."""
MOST_SIFTED = 5_000
"""Products that a search looks at for what is in stock, or out of it. Memory chooses those: levels move too often for
ids that are kept."""
REMEMBERED = 60.0
"""Seconds that the ids of a search are kept (CONTRACT B.9)."""
MOST_FEATURED = 10
ID = 16
"""Bytes of an id; a kept search is nothing else."""


@attrs.frozen(kw_only=True)
class Ask:
    """A list that somebody asked for. Without `sort` a search is in order of likeness, any other list newest first."""

    page: int
    limit: int
    categories: tuple[str, ...] = ()
    """Names, slugs or ids; a product must be in all of them."""
    search: str = ""
    sort: Sort | None = None
    descending: bool = True
    wanted: Wanted = attrs.field(factory=Wanted)


@attrs.frozen(kw_only=True)
class Page:
    """A page of a list. `lasting`: whether it may be kept until one of its products changes."""

    entries: Sequence[Entry]
    total: int
    lasting: bool = True


@attrs.frozen(kw_only=True)
class Shelf:
    """A category with what belongs to it."""

    category: Category
    count: int
    children: list[Category]
    parent: Category | None


class Shop:
    """Public reads. Each raises Problem(UNAVAILABLE) once memory is too old; none but a search touches the database."""

    def __init__(self, catalogue: Catalogue, reads: CatalogueReads, cache: Cache) -> None:
        self.catalogue, self._reads, self._cache = catalogue, reads, cache

    async def page(self, ask: Ask) -> Page:
        """One page of products."""
        self.catalogue.require_fresh()
        words, wanted, lasting = normal(ask.search), self._wanted(ask), True
        if words:
            before = self.catalogue.membership
            found, lasting = await self._found(words, wanted)
            # Ids found before an edit say nothing of the time after it, and no later change would end such an answer.
            lasting = lasting and self.catalogue.membership == before
            fitting = choose(found, wanted)[:MOST_FOUND]
            if ask.sort is not None:
                fitting = ordered(fitting, ask.sort, descending=ask.descending)
        else:
            fitting = choose(self.catalogue.on_sale(ask.sort or Sort.NEWEST, descending=ask.descending), wanted)
        start = (ask.page - 1) * ask.limit
        return Page(entries=fitting[start : start + ask.limit], total=len(fitting), lasting=lasting)

    def _wanted(self, ask: Ask) -> Wanted:
        if not ask.categories:
            return ask.wanted
        families = [family(self.catalogue.categories.values(), word) for word in ask.categories]
        return attrs.evolve(ask.wanted, categories=frozenset.intersection(*families))

    async def _found(self, words: str, wanted: Wanted) -> tuple[Sequence[Entry], bool]:
        """What a search finds, best first; while the database is away, what contains the words, and not for keeping."""
        shown = {category.id for category in self.catalogue.categories.values() if category.is_active}
        hunt = Hunt(
            words=words,
            pattern=like(words),
            most=MOST_FOUND if wanted.in_stock is None else MOST_SIFTED,
            categories=sorted(shown if wanted.categories is None else shown & wanted.categories),
            organic=wanted.organic,
            min_paise=wanted.min_paise,
            max_paise=wanted.max_paise,
        )

        async def load() -> bytes:
            return b"".join(found.bytes for found in await self._reads.search(hunt))

        try:
            raw = await self._cache.get("found", f"{self.catalogue.fingerprint:x}:{_key(hunt)}", REMEMBERED, load)
        except Problem as problem:
            if problem.code.status < UNAVAILABLE.status:
                raise
            popular = self.catalogue.on_sale(Sort.POPULARITY, descending=True)
            return [entry for entry in popular if words in entry.product.words], False
        ids = (UUID(bytes=raw[at : at + ID]) for at in range(0, len(raw), ID))
        known = (self.catalogue.entries.get(found) for found in ids)
        return [entry for entry in known if entry is not None and entry.on_sale], True

    def featured(self) -> Sequence[Entry]:
        """At most ten, in stock, the best sold first."""
        self.catalogue.require_fresh()
        popular = self.catalogue.on_sale(Sort.POPULARITY, descending=True)
        return [entry for entry in popular if entry.product.is_featured and entry.stock > 0][:MOST_FEATURED]

    def product(self, product_id: UUID) -> Entry:
        """One product that is on sale; raises NOT_FOUND."""
        self.catalogue.require_fresh()
        entry = self.catalogue.entries.get(product_id)
        if entry is None or not entry.on_sale:
            raise not_found("Product")
        return entry

    def category_of(self, entry: Entry) -> Category:
        """The category of a product on sale."""
        return self.catalogue.categories[entry.product.category_id]

    def shelves(self) -> list[Shelf]:
        """The active categories of the top level, in their order."""
        self.catalogue.require_fresh()
        return [self._shelf(c) for c in self.catalogue.categories.values() if c.is_active and c.parent_id is None]

    def shelf(self, slug: str) -> Shelf:
        """One active category by its slug; raises NOT_FOUND."""
        self.catalogue.require_fresh()
        for category in self.catalogue.categories.values():
            if category.is_active and category.slug == slug.casefold():
                return self._shelf(category)
        raise not_found("Category")

    def _shelf(self, category: Category) -> Shelf:
        known = self.catalogue.categories
        children = [c for c in known.values() if c.is_active and c.parent_id == category.id]
        ids = {category.id, *(child.id for child in children)}
        shown = self.catalogue.on_sale(Sort.NEWEST, descending=True)
        return Shelf(
            category=category,
            count=sum(entry.product.category_id in ids for entry in shown),
            children=children,
            parent=known.get(category.parent_id) if category.parent_id else None,
        )

    def banners(self, position: str) -> tuple[list[Banner], datetime | None]:
        """What is shown at a position now, and when that will change by the clock."""
        self.catalogue.require_fresh()
        now = self.catalogue.now()
        here = [banner for banner in self.catalogue.banners if banner.position == position]
        edges = [edge for b in here for edge in (b.starts_at, b.ends_at) if edge is not None and edge > now]
        return [banner for banner in here if banner.shown(now)], min(edges, default=None)


def _key(hunt: Hunt) -> str:
    """As short for many categories as for one, and of no word that could be another's."""
    return blake2b(orjson.dumps(attrs.astuple(hunt)), digest_size=16).hexdigest()


class SharedCatalogue:
    """The port `CATALOG`."""

    def __init__(self, catalogue: Catalogue, feed: Feed, writes: CatalogueWrites) -> None:
        self._catalogue, self._feed, self._writes = catalogue, feed, writes

    @property
    def revision(self) -> int:
        """See the port."""
        return self._catalogue.fingerprint

    def find(self, product_id: ProductId) -> ProductView | None:
        """See the port."""
        self._catalogue.require_filled()
        return self._catalogue.find(product_id)

    def many(self, ids: Collection[ProductId]) -> Mapping[ProductId, ProductView]:
        """See the port."""
        self._catalogue.require_filled()
        return self._catalogue.many(ids)

    async def refresh(self) -> None:
        """See the port."""
        await self._feed.refresh()

    def sold(self, levels: Mapping[ProductId, int]) -> None:
        """See the port."""
        self._feed.sold(levels)

    async def give_back(
        self, tx: Tx, lines: Mapping[ProductId, int], reason: str, reference: UUID
    ) -> Mapping[ProductId, int]:
        """See the port."""
        ids = sorted(lines)
        levels = await self._writes.give_back(tx, ids, [lines[key] for key in ids], reason, reference)
        return {key: level for key, level in zip(ids, levels, strict=True) if level is not None}
