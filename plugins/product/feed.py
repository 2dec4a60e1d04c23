"""Keeps the memory true: a look at the database each second, and a word from the other replicas to make it sooner."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import TypeVar
from uuid import UUID

import orjson

from core.errors import Problem
from core.types import uuid7
from plugins.product.catalogue import Catalogue
from plugins.product.queries import NOTHING_SINCE, CatalogueReads

K = TypeVar("K", bound=UUID)
EVERY = 1.0
"""Seconds between looks."""
GATHER = 0.02
"""Seconds that sales are gathered into one message."""
log = logging.getLogger(__name__)


class Feed:
    """Reads what changed since the last look, whoever changed it."""

    def __init__(self, reads: CatalogueReads, catalogue: Catalogue) -> None:
        self._reads, self._catalogue = reads, catalogue
        self.send: Callable[[bytes], None] = lambda _: None
        """Tells the other replicas; set while serving."""
        self._horizon = NOTHING_SINCE
        self._server: datetime | None = None
        self._touched: set[UUID] = set()
        """Levels learned from someone else than a look: the next look has the last word on them."""
        self._unsent: dict[str, int] = {}
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._begun = self._ended = 0
        self._me = uuid7().hex
        """Redis repeats to a replica what it said itself, when it may know better already."""

    async def refresh(self) -> None:
        """Look now. Callers that wait for the same look share it."""
        asked = self._begun
        async with self._lock:
            if self._ended <= asked:
                self._begun += 1
                await self._look()
                self._ended = self._begun

    async def run(self) -> None:
        """Look each second, sooner when woken, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.refresh()
            except Problem as problem:
                log.warning("the catalogue could not look at the database: %s", problem.code.name)

    def sold(self, levels: Mapping[K, int]) -> None:
        """Stock after a commit of this replica."""
        self._learn(levels)
        if not self._unsent and levels:
            asyncio.get_running_loop().call_later(GATHER, self._flush)
        self._unsent |= {str(key): level for key, level in levels.items()}

    async def edited(self) -> None:
        """Something was edited on this replica and is committed."""
        self.send(orjson.dumps({"from": self._me, "edited": True}))
        await self.refresh()

    def heard(self, message: bytes) -> None:
        """What another replica said. What cannot be read only means to look."""
        try:
            said = orjson.loads(message)
            if said.get("from") == self._me:
                return
            self._learn({UUID(key): int(level) for key, level in said.get("levels", {}).items()})
            look = bool(said.get("edited"))
        except (ValueError, AttributeError, TypeError):
            look = True
        if look:
            self._wake.set()

    def _learn(self, levels: Mapping[K, int]) -> None:
        self._touched.update(levels)
        self._catalogue.level(levels)

    def _tell_edited(self) -> None:
        self.send(orjson.dumps({"from": self._me, "edited": True}))

    def _flush(self) -> None:
        levels, self._unsent = self._unsent, {}
        self.send(orjson.dumps({"from": self._me, "levels": levels}))

    async def _look(self) -> None:
        began, again = monotonic(), self._touched
        self._touched = set()
        try:
            look = await self._reads.poll(self._horizon, again)
            if look.server != self._server or look.horizon < self._horizon != NOTHING_SINCE:
                await self._read_all()
            else:
                if look.shelves:
                    await self._read_shelves()
                if look.edited:
                    await self._read_some(look.edited)
                self._catalogue.level({key: n for key, n in look.levels.items() if key not in self._touched})
        except BaseException:
            self._touched |= again
            raise
        self._horizon, self._server = look.horizon, look.server
        self._catalogue.seen(look.now, began)

    async def _read_all(self) -> None:
        """At the start, and when another server answers than before."""
        await self._read_shelves()
        found = await self._reads.all_products()
        for gone in self._catalogue.entries.keys() - {product.id for product, _ in found}:
            self._catalogue.drop(gone)
        for product, stock in found:
            self._catalogue.put(product, stock)

    async def _read_shelves(self) -> None:
        self._catalogue.shelve(await self._reads.categories(), await self._reads.banners())

    async def _read_some(self, ids: frozenset[UUID]) -> None:
        found = await self._reads.products(list(ids))
        for gone in ids - {product.id for product, _ in found}:
            self._catalogue.drop(gone)
        for product, stock in found:
            touched = product.id in self._touched and product.id in self._catalogue.entries
            self._catalogue.put(product, self._catalogue.entries[product.id].stock if touched else stock)
