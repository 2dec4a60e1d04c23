"""How memory keeps up with the database and with the other replicas."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

import attrs
import orjson
import pytest

from core.errors import UNAVAILABLE, Problem
from core.types import uuid7
from plugins.product import feed as module
from plugins.product.catalogue import Catalogue
from plugins.product.feed import Feed
from plugins.product.models import Banner, Category, Product
from plugins.product.ports import ProductId
from plugins.product.queries import CatalogueReads, CatalogueWrites, Look
from plugins.product.service import SharedCatalogue
from tests.plugins.product.shelf import Shelf
from tests.plugins.product.test_catalogue import SHELF, product

DELETE = "DELETE FROM products.products WHERE id = $1 RETURNING 1"


class Script(CatalogueReads):
    """A database that answers what a test put down, and waits when told to."""

    def __init__(self) -> None:
        self.look = Look(
            server=datetime(2026, 1, 1, tzinfo=UTC), horizon=100, now=datetime.now(UTC), edited=frozenset(),
            shelves=False, levels={},
        )  # fmt: skip
        self.known: dict[UUID, tuple[Product, int]] = {}
        self.asked: list[tuple[int, set[UUID]]] = []
        self.read_all = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def poll(self, horizon: int, again: Iterable[UUID]) -> Look:
        self.asked.append((horizon, set(again)))
        await self.gate.wait()
        if self.broken:
            raise Problem(UNAVAILABLE)
        return self.look

    async def all_products(self) -> list[tuple[Product, int]]:
        self.read_all += 1
        return list(self.known.values())

    async def products(self, ids: Iterable[UUID]) -> list[tuple[Product, int]]:
        return [self.known[key] for key in ids if key in self.known]

    async def categories(self) -> list[Category]:
        return [SHELF]

    async def banners(self) -> list[Banner]:
        return []


@pytest.fixture
async def script() -> Script:
    return Script()


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture
def key(script: Script) -> ProductId:
    made = product()
    script.known[made.id] = (made, 5)
    return ProductId(made.id)


@pytest.fixture
def feed(script: Script, catalogue: Catalogue) -> Feed:
    return Feed(script, catalogue)


async def test_the_first_look_reads_everything_and_the_next_only_what_changed(
    feed: Feed, script: Script, catalogue: Catalogue, key: ProductId
) -> None:
    await feed.refresh()
    script.look = attrs.evolve(script.look, horizon=120, levels={key: 4})
    await feed.refresh()
    assert (script.read_all, catalogue.entries[key].stock) == (1, 4)
    assert script.asked[1][0] == 100


async def test_a_look_that_began_before_a_sale_does_not_undo_it(
    feed: Feed, script: Script, catalogue: Catalogue, key: ProductId
) -> None:
    await feed.refresh()
    script.look = attrs.evolve(script.look, levels={key: 5}, edited=frozenset({key}))
    script.gate.clear()
    looking = asyncio.create_task(feed.refresh())
    await asyncio.sleep(0)
    feed.sold({key: 3})
    script.gate.set()
    await looking
    assert catalogue.entries[key].stock == 3
    script.look = attrs.evolve(script.look, levels={key: 2}, edited=frozenset())
    await feed.refresh()
    assert script.asked[-1][1] == {key}, "what was learned from a sale is looked up in any case"
    assert catalogue.entries[key].stock == 2


async def test_a_look_that_fails_forgets_nothing(feed: Feed, script: Script, key: ProductId) -> None:
    await feed.refresh()
    feed.sold({key: 3})
    script.broken = True
    with pytest.raises(Problem):
        await feed.refresh()
    script.broken = False
    await feed.refresh()
    assert script.asked[-1] == (100, {key})


async def test_a_memory_that_was_never_filled_does_not_say_that_nothing_is_sold(
    feed: Feed, catalogue: Catalogue, script: Script, key: ProductId
) -> None:
    shared = SharedCatalogue(catalogue, feed, CatalogueWrites())
    for ask in (lambda: shared.find(key), lambda: shared.many([key])):
        with pytest.raises(Problem) as caught:
            ask()
        assert caught.value.code is UNAVAILABLE
    await feed.refresh()
    assert shared.find(key) is not None
    assert set(shared.many([key])) == {key}


async def test_another_server_is_read_from_the_beginning(
    feed: Feed, script: Script, catalogue: Catalogue, key: ProductId
) -> None:
    await feed.refresh()
    script.known.clear()
    script.look = attrs.evolve(script.look, server=datetime(2026, 1, 2, tzinfo=UTC))
    await feed.refresh()
    assert (script.read_all, dict(catalogue.entries)) == (2, {})
    script.look = attrs.evolve(script.look, horizon=50)
    await feed.refresh()
    assert script.read_all == 3


async def test_those_who_wait_for_the_same_look_share_it(feed: Feed, script: Script) -> None:
    script.gate.clear()
    waiting = [asyncio.create_task(feed.refresh()) for _ in range(5)]
    await asyncio.sleep(0)
    script.gate.set()
    await asyncio.gather(*waiting)
    assert len(script.asked) == 2, "one that had begun, and one for all who came later"


async def test_sales_are_told_to_the_others_in_one_message(
    script: Script, catalogue: Catalogue, feed: Feed, key: ProductId
) -> None:
    other = Feed(script, Catalogue())
    await feed.refresh()
    await other.refresh()
    sent: list[bytes] = []
    feed.send = sent.append
    feed.sold({key: 4})
    feed.sold({key: 3})
    await asyncio.sleep(module.GATHER * 3)
    (message,) = sent
    assert orjson.loads(message)["levels"] == {str(key): 3}
    other.heard(message)
    assert other._catalogue.entries[key].stock == 3
    catalogue.level({key: 1})
    feed.heard(message)
    assert catalogue.entries[key].stock == 1, "nobody learns from an echo"


@pytest.mark.parametrize("message", [b"", b"[]", b"{", b'{"levels": {"x": 1}}', b'{"edited": true}'])
async def test_whatever_is_said_that_is_not_a_level_means_to_look(
    feed: Feed, script: Script, monkeypatch: pytest.MonkeyPatch, message: bytes
) -> None:
    monkeypatch.setattr(module, "EVERY", 60)
    running = asyncio.create_task(feed.run())
    feed.heard(message)
    async with asyncio.timeout(1):
        while not script.asked:
            await asyncio.sleep(0.001)
    running.cancel()


async def test_a_feed_outlives_a_database_that_is_away(
    feed: Feed, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY", 0.005)
    script.broken = True
    running = asyncio.create_task(feed.run())
    async with asyncio.timeout(1):
        while len(script.asked) < 3:
            await asyncio.sleep(0.001)
    running.cancel()


async def test_a_replica_on_the_real_database_learns_of_everything(shelf: Shelf) -> None:
    catalogue = Catalogue()
    replica = Feed(CatalogueReads(shelf.db), catalogue)
    kept, lost = await shelf.product("Kept", stock=5), await shelf.product("Lost")
    await replica.refresh()
    assert catalogue.entries[kept].stock == 5
    await shelf.db.fetchval("SELECT products.take_stock($1, $2, $3, $4)", [kept], [2], [4_000], uuid7())
    await shelf.db.fetchval("UPDATE products.products SET name = 'Kale' WHERE id = $1 RETURNING 1", kept)
    await shelf.db.fetchval("UPDATE products.categories SET name = 'Greens' WHERE id = $1 RETURNING 1", shelf.id)
    await shelf.db.fetchval(DELETE, lost)
    await replica.refresh()
    assert (catalogue.entries[kept].stock, catalogue.entries[kept].product.name) == (3, "Kale")
    assert catalogue.categories[shelf.id].name == "Greens"
    assert lost not in catalogue.entries


async def test_a_commit_that_comes_late_is_not_missed(shelf: Shelf) -> None:
    catalogue = Catalogue()
    replica = Feed(CatalogueReads(shelf.db), catalogue)
    early, late = await shelf.product(stock=5), await shelf.product(stock=5)
    await replica.refresh()
    sql = "SELECT products.take_stock($1, $2, $3, $4)"
    async with shelf.db.transaction() as tx:
        await tx.fetchval(sql, [late], [1], [4_000], uuid7())
        await shelf.db.fetchval(sql, [early], [1], [4_000], uuid7())
        await replica.refresh()
        assert (catalogue.entries[early].stock, catalogue.entries[late].stock) == (4, 5)
    await replica.refresh()
    assert catalogue.entries[late].stock == 4


async def test_notes_of_edits_are_kept_for_a_day(shelf: Shelf) -> None:
    key = await shelf.product()
    old = "UPDATE products.changes SET at = now() - interval '25 hours' WHERE id = $1 RETURNING 1"
    await shelf.db.fetchval(old, key)
    await CatalogueWrites().forget_changes(shelf.db)
    count = "SELECT count(*) FROM products.changes WHERE id = $1"
    assert await shelf.db.fetchval(count, key) == 0
    assert await shelf.db.fetchval(count, shelf.id) == 1
