"""Words, typing mistakes and other scripts; and that a large shop is searched by its indexes."""

import unicodedata
from urllib.parse import quote
from uuid import UUID

import pytest

from core.errors import UNAVAILABLE, Problem
from core.types import uuid7
from plugins.product import service as module
from plugins.product.catalogue import Catalogue
from plugins.product.ports import CATALOG
from plugins.product.queries import CatalogueReads, Hunt
from plugins.product.service import Ask, SharedCatalogue, Shop
from tests.plugins.product.shelf import Shelf, new_shelf

MANY = """INSERT INTO products.products (id, slug, name, category_id, price_paise, other_names, description)
    SELECT gen_random_uuid(), 'many-' || $1::text || n, 'Item ' || md5(n::text), $2, 1000, md5((n * 7)::text),
    md5((n * 3)::text) FROM generate_series(1, 20000) n"""


async def found(shelf: Shelf, words: str) -> list[str]:
    return await shelf.names(f"&search={quote(words)}")


@pytest.fixture
async def tomatoes(shelf: Shelf) -> Shelf:
    await shelf.product("Tomato", other="टमाटर, தக்காளி, tamatar", organic=True, tags=("salad",), sales=9)
    await shelf.product("Salad Box", description="With tomatoes, lettuce and क़ोरमा")
    await shelf.product("Okra", other="भिंडी")
    await shelf.shown()
    return shelf


@pytest.mark.parametrize(
    "words", ["tomato", "TOMATO", "tamato", "tomatos", "टमाटर", "தக்காளி", "tamatar", "टमा", "  tomato  "]
)
async def test_a_tomato_is_found_first_however_it_is_written(tomatoes: Shelf, words: str) -> None:
    assert (await found(tomatoes, words))[0] == "Tomato"


async def test_what_only_mentions_the_words_comes_later(tomatoes: Shelf) -> None:
    assert await found(tomatoes, "tomatoes") == ["Tomato", "Salad Box"]
    assert await found(tomatoes, "organic tomato") == ["Tomato"]
    assert await found(tomatoes, unicodedata.normalize("NFD", "क़ोरमा")) == ["Salad Box"]


@pytest.mark.parametrize("words", ["zzqxyw", "%%%", "___", "\\", "'; DROP", "%00x", "क" * 300])
async def test_nothing_found_is_an_empty_list(tomatoes: Shelf, words: str) -> None:
    assert await found(tomatoes, words) == []


async def test_a_search_keeps_to_filters_order_and_pages(tomatoes: Shelf) -> None:
    await tomatoes.product("Cherry Tomato", price=900, stock=1, other="tomato")
    await tomatoes.shown()
    assert await tomatoes.names("&search=tomato&inStock=true") == ["Cherry Tomato"]
    assert (await tomatoes.names("&search=tomato&sortBy=price_asc"))[0] == "Cherry Tomato"
    assert len(await tomatoes.names("&search=tomato&limit=1")) == 1


async def test_an_edit_is_found_under_its_new_name(tomatoes: Shelf) -> None:
    sql = "UPDATE products.products SET name = 'Brinjal' WHERE category_id = $1 AND name = 'Okra' RETURNING 1"
    assert await found(tomatoes, "brinjal") == []
    await tomatoes.db.fetchval(sql, tomatoes.id)
    await tomatoes.shown()
    assert await found(tomatoes, "brinjal") == ["Brinjal"]


def memory(shelf: Shelf) -> Catalogue:
    catalog = shelf.app.services.get(CATALOG)
    assert isinstance(catalog, SharedCatalogue)
    return catalog._catalogue


class NoDatabase(CatalogueReads):
    """The database is away."""

    async def search(self, hunt: Hunt) -> list[UUID]:
        raise Problem(UNAVAILABLE)


async def test_while_the_database_is_away_memory_searches_by_name(tomatoes: Shelf) -> None:
    app = tomatoes.app
    shop = Shop(memory(tomatoes), NoDatabase(app.db), app.kernel.cache)
    page = await shop.page(Ask(page=1, limit=20, search="टमाटर", categories=(str(tomatoes.id),)))
    assert [entry.product.name for entry in page.entries] == ["Tomato"]
    assert not page.lasting


@pytest.fixture
async def gherkins(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Four alike, where a search ends after three; the one that differs comes last."""
    monkeypatch.setattr(module, "MOST_FOUND", 3)
    for _ in range(3):
        await shelf.product("Gherkin", sales=9)
    await shelf.product("Gherkin", price=900, stock=1, organic=True)
    await shelf.shown()
    return shelf


@pytest.mark.parametrize("query", ["isOrganic=true", "inStock=true", "maxPrice=10", "filter=organic&sortBy=name"])
async def test_a_search_ends_after_what_was_asked_for(gherkins: Shelf, query: str) -> None:
    assert len(await gherkins.names("&search=gherkin")) == 3
    answer = await gherkins.app.get(f"/products?search=gherkin&categoryId={gherkins.id}&{query}")
    assert answer.json["pagination"]["total"] == 1
    assert answer.data["products"][0]["price"] == 9


async def test_a_search_of_a_category_passes_over_better_ones_of_others(gherkins: Shelf) -> None:
    other = await new_shelf(gherkins.app)
    await other.product("Pickled Gherkin")
    await other.shown()
    assert await found(other, "gherkin") == ["Pickled Gherkin"]
    assert await other.names("&search=gherkin&category=Fish") == []


async def test_a_search_passes_over_what_is_not_sold(gherkins: Shelf) -> None:
    sql = "UPDATE products.products SET is_active = is_organic WHERE category_id = $1 RETURNING 1"
    await gherkins.db.fetchval(sql, gherkins.id)
    await gherkins.shown()
    assert await found(gherkins, "gherkin") == ["Gherkin"]


class Overtaken(CatalogueReads):
    """An edit is made and learned of while the answer of a search is on its way."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf.db)
        self._shelf = shelf

    async def search(self, hunt: Hunt) -> list[UUID]:
        ids = await super().search(hunt)
        await self._shelf.product("Tomato Too")
        await self._shelf.shown()
        return ids


async def test_a_search_that_an_edit_overtakes_is_not_kept(tomatoes: Shelf) -> None:
    catalogue, ask = memory(tomatoes), Ask(page=1, limit=20, search="tomato", categories=(str(tomatoes.id),))
    page = await Shop(catalogue, Overtaken(tomatoes), tomatoes.app.kernel.cache).page(ask)
    assert not page.lasting
    later = await Shop(catalogue, CatalogueReads(tomatoes.db), tomatoes.app.kernel.cache).page(ask)
    assert later.lasting
    assert {entry.product.name for entry in later.entries} == {"Tomato", "Tomato Too", "Salad Box"}


@pytest.mark.slow
async def test_a_search_of_a_large_shop_uses_indexes(shelf: Shelf) -> None:
    async with shelf.db.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute("SET LOCAL statement_timeout = '60s'")
            await connection.execute(MANY, str(uuid7()), shelf.id)
            await connection.execute("ANALYZE products.products")
            body = await connection.fetchval("SELECT prosrc FROM pg_proc WHERE oid = 'products.find'::regproc")
            await connection.execute("SET LOCAL pg_trgm.word_similarity_threshold = 0.5")
            await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            await connection.execute(f"PREPARE hunt (text, text, integer, uuid[], boolean, bigint, bigint) AS {body}")
            rows = await connection.fetch("EXPLAIN EXECUTE hunt('tomato', '%tomato%', 500, '{}', NULL, NULL, NULL)")
            plan = "\n".join(row[0] for row in rows)
            await connection.execute("DEALLOCATE hunt")
        finally:
            await transaction.rollback()
    assert "Seq Scan" not in plan, plan
    for index in ("products_names", "products_document", "products_words"):
        assert index in plan
