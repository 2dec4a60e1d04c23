"""Wires the catalogue together and declares it to the kernel."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from core.errors import Problem
from core.hookspecs import hookimpl
from core.http.routing import Files, Route
from core.jobs import Job
from core.kernel import Kernel, Manifest, Seed
from core.privacy.model import PersonalData
from core.services import Provided
from core.store.redis import RedisDown
from core.tasks import SILENCE
from plugins.product.catalogue import Catalogue
from plugins.product.editing import Editor
from plugins.product.feed import Feed
from plugins.product.personal import PERSONAL_DATA
from plugins.product.ports import CATALOG
from plugins.product.queries import CatalogueReads, CatalogueWrites
from plugins.product.routes import routes
from plugins.product.seed_queries import SeedWrites
from plugins.product.seeding import Seeding
from plugins.product.service import SharedCatalogue, Shop

CHANNEL = b"catalogue"
STOP = 1.0
"""Seconds that the feed has to end."""


class ProductPlugin:
    """The shop's shelves."""

    manifest = Manifest(
        name="product",
        version="1.0.0",
        schema="products",
        owner="catalogue team",
        required=True,
        paths=("products", "categories", "banners", "images"),
        events=("inventory",),
    )

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """The catalogue in memory, empty until the lifespan fills it."""
        self._kernel, self._writes = kernel, CatalogueWrites()
        reads, catalogue = CatalogueReads(kernel.db), Catalogue()
        self._feed = Feed(reads, catalogue)
        self._shop = Shop(catalogue, reads, kernel.cache)
        self._editor = Editor(self._feed, self._writes)
        return [Provided(CATALOG, SharedCatalogue(catalogue, self._feed, self._writes))]

    @hookimpl
    def routes(self) -> Sequence[Route | Files]:
        """The catalogue, the edits and the pictures."""
        return routes(self._shop, self._editor)

    @hookimpl
    def migrations(self) -> Path:
        """Schema `products`."""
        return Path(__file__).parent / "migrations"

    @hookimpl
    def personal_data(self) -> PersonalData:
        """Reviews."""
        return PERSONAL_DATA

    @hookimpl
    def jobs(self) -> Sequence[Job]:
        """Housekeeping of the notes that the feed reads."""

        async def forget() -> None:
            await self._writes.forget_changes(self._kernel.db)

        return [Job(name="product.forget_changes", every=3600, run=forget, single=True)]

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Fills the memory and keeps it true."""
        return self._serving()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        tasks, feed, redis = self._kernel.tasks, self._feed, self._kernel.redis

        async def publish(message: bytes) -> None:
            with suppress(RedisDown):  # the others look by themselves within a second
                await redis.publish(CHANNEL, message)

        def send(message: bytes) -> None:
            tasks.spawn("catalogue broadcast", publish(message))

        feed.send = send
        redis.subscribe(CHANNEL, feed.heard)
        with suppress(Problem):  # the feed goes on trying; until then the catalogue answers 503
            await feed.refresh()
        tasks.forever("catalogue feed", feed.run, silence=SILENCE)
        try:
            yield
        finally:
            feed.send = silence
            await tasks.stop(STOP)

    @hookimpl
    def seeds(self) -> Sequence[Seed]:
        """The demo shop."""

        async def seed() -> str:
            told = await Seeding(self._kernel.db, SeedWrites()).run()
            await self._feed.refresh()  # who seeds while serving shows it at once
            return told

        return [seed]


def silence(_: bytes) -> None:
    """Says nothing: this replica is leaving."""


plugin = ProductPlugin
