from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import attrs
import pytest

from core.errors import Problem
from core.types import Paise, uuid7
from plugins.product.catalogue import TRUSTED, Catalogue
from plugins.product.listing import Sort, Wanted, choose, family
from plugins.product.models import Category, Product, short_text
from plugins.product.ports import ProductId

SHELF = Category(
    id=uuid7(), slug="leafy-greens", name="Leafy Greens", description=None, image_url=None, icon="grass", color=1,
    sort_order=0, parent_id=None, is_active=True,
)  # fmt: skip


def product(**more: Any) -> Product:
    known = Product(
        id=uuid7(), slug="mint", name="Mint", description="A herb. " * 50, short_description=None, category_id=SHELF.id,
        price_paise=Paise(4_000), discount_bp=1_000, unit_price_paise=Paise(3_600), unit="bunch", weight="1 bunch",
        image_url="/m.svg", image_label="Mint", is_organic=True, is_featured=False, is_active=True, rating=4.5,
        review_count=3, sales_count=10, farm_source="Ooty", tags=("herb",), min_order_quantity=1,
        max_order_quantity=10, quantity_step=1, shelf_life=None, storage_instructions=None, nutrition_info={},
        nutritional_benefits="", farming_practices="", weight_options=(), images=(), reviews=(), version=1,
        created_at=datetime(2026, 1, 1, tzinfo=UTC), words="mint pudina",
    )  # fmt: skip
    return attrs.evolve(known, **more)


@pytest.fixture
def catalogue() -> Catalogue:
    made = Catalogue()
    made.shelve([SHELF], ())
    made.seen(datetime(2026, 1, 1, tzinfo=UTC), monotonic())
    return made


def test_an_answer_survives_a_change_of_another_product(catalogue: Catalogue) -> None:
    mine, other = product(), product()
    catalogue.put(mine, 5)
    catalogue.put(other, 5)
    still = catalogue.still([catalogue.entries[mine.id]])
    catalogue.level({other.id: 4, UUID(int=1): 9})
    assert still()
    catalogue.level({mine.id: 4})
    assert not still()


def test_an_answer_ends_when_a_product_sells_out_or_is_edited(catalogue: Catalogue) -> None:
    mine, other = product(), product()
    catalogue.put(mine, 5)
    catalogue.put(other, 1)
    still = catalogue.still([catalogue.entries[mine.id]])
    catalogue.level({other.id: 0})
    assert not still()
    still, fingerprint = catalogue.still([catalogue.entries[mine.id]]), catalogue.fingerprint
    catalogue.put(attrs.evolve(other, name="Spearmint", version=2), 0)
    assert not still()
    assert catalogue.fingerprint != fingerprint


def test_the_same_product_again_changes_nothing_but_its_stock(catalogue: Catalogue) -> None:
    mine = product()
    catalogue.put(mine, 5)
    fingerprint = catalogue.fingerprint
    catalogue.put(mine, 6)
    assert (catalogue.fingerprint, catalogue.entries[mine.id].stock) == (fingerprint, 6)


def test_memory_that_is_too_old_answers_nothing(catalogue: Catalogue) -> None:
    still = catalogue.still([])
    assert still()
    catalogue.seen(datetime(2026, 1, 1, tzinfo=UTC), monotonic() - TRUSTED - 1)
    assert not still()
    with pytest.raises(Problem, match="busy"):
        catalogue.require_fresh()


def test_an_answer_may_also_end_by_the_databases_clock(catalogue: Catalogue) -> None:
    now = catalogue.now()
    assert catalogue.still([], now + timedelta(minutes=1))()
    assert not catalogue.still([], now)()


def test_two_replicas_with_the_same_products_have_the_same_fingerprint(catalogue: Catalogue) -> None:
    one, two, other = product(), product(), Catalogue()
    other.shelve([SHELF], ())
    for each in (one, two):
        catalogue.put(each, 1)
    other.put(attrs.evolve(two, version=0), 1)
    for each in (two, one):
        other.put(each, 2)
    assert catalogue.fingerprint == other.fingerprint
    other.drop(one.id)
    other.drop(one.id)
    assert catalogue.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Spearmint"}, {"unit": "kg"}, {"image_url": "/s.svg"}, {"unit_price_paise": Paise(3_601)},
        {"max_order_quantity": 11}, {"category_id": uuid7()}, {"is_active": False}, {"version": 2},
    ],
)  # fmt: skip
def test_a_fingerprint_is_of_all_that_others_see_of_a_product(catalogue: Catalogue, change: dict[str, Any]) -> None:
    mine = product()
    catalogue.put(mine, 5)
    before = catalogue.fingerprint
    catalogue.put(attrs.evolve(mine, **change), 5)
    assert catalogue.fingerprint != before
    catalogue.put(mine, 4)
    assert catalogue.fingerprint == before


def test_a_fingerprint_tells_a_closed_category_but_no_new_banner(catalogue: Catalogue) -> None:
    catalogue.put(product(), 5)
    before = catalogue.fingerprint
    catalogue.shelve([attrs.evolve(SHELF, is_active=False)], ())
    assert catalogue.fingerprint != before
    catalogue.shelve([SHELF], ())
    assert catalogue.fingerprint == before


def test_a_fingerprint_is_the_same_in_every_process(catalogue: Catalogue) -> None:
    key = UUID(int=1)
    catalogue.shelve([attrs.evolve(SHELF, id=key)], ())
    catalogue.put(product(id=key, category_id=key), 5)
    assert catalogue.fingerprint == 0x065A_FC39_7230_5C6B


def test_what_is_not_sold_is_found_but_not_listed(catalogue: Catalogue) -> None:
    gone = product(is_active=False)
    catalogue.put(gone, 5)
    assert catalogue.on_sale(Sort.NEWEST, descending=True) == []
    view = catalogue.find(gone.id)
    assert view is not None
    assert (view.active, view.unit_price_paise, view.discount_percentage) == (False, 3_600, 10.0)
    assert catalogue.find(uuid7()) is None
    assert set(catalogue.many([ProductId(gone.id), ProductId(uuid7())])) == {gone.id}


def test_a_closed_category_takes_its_products_off_sale(catalogue: Catalogue) -> None:
    mine = product()
    catalogue.put(mine, 5)
    assert catalogue.entries[mine.id].on_sale
    catalogue.shelve([attrs.evolve(SHELF, is_active=False)], ())
    assert not catalogue.entries[mine.id].on_sale


def test_a_family_is_found_by_name_slug_or_id_with_its_children() -> None:
    child = attrs.evolve(SHELF, id=uuid7(), name="Herbs", slug="herbs", parent_id=SHELF.id)
    for word in ("leafy greens", " LEAFY-greens", str(SHELF.id)):
        assert family([SHELF, child], word) == {SHELF.id, child.id}
    assert family([SHELF, child], "Fish") == frozenset()
    assert family([attrs.evolve(SHELF, is_active=False)], "leafy greens") == frozenset()


def test_a_price_of_zero_is_a_bound_like_any_other(catalogue: Catalogue) -> None:
    catalogue.put(product(), 5)
    entries = list(catalogue.entries.values())
    assert choose(entries, Wanted(min_paise=0)) == entries
    assert choose(entries, Wanted(max_paise=0)) == []
    assert choose(entries, Wanted(min_paise=4_000, max_paise=4_000, organic=True, in_stock=True)) == entries
    assert choose(entries, Wanted(organic=False)) == choose(entries, Wanted(in_stock=False)) == []


def test_a_list_shows_at_most_150_characters() -> None:
    assert len(short_text(product())) == 150
    assert short_text(product(short_description="Short.")) == "Short."
