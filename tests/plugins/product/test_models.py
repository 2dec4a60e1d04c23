import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.types import Paise, uuid7
from plugins.product.editing import expected, hundredths
from plugins.product.models import (
    MAX_SEARCH,
    Banner,
    like,
    normal,
    share_price,
    share_stock,
    unit_price,
)

PRICES = st.integers(1, 10**11).map(Paise)
DISCOUNTS = st.integers(0, 9_999)


@given(PRICES, DISCOUNTS)
def test_a_unit_price_is_the_nearest_paisa_and_a_half_goes_up(price: Paise, discount: int) -> None:
    exact = price * (10_000 - discount)
    assert -5_000 < unit_price(price, discount) * 10_000 - exact <= 5_000
    assert isinstance(unit_price(price, discount), int)


@given(PRICES)
def test_no_discount_leaves_the_price(price: Paise) -> None:
    assert unit_price(price, 0) == price


@given(PRICES, DISCOUNTS, DISCOUNTS)
def test_a_larger_discount_never_costs_more(price: Paise, one: int, other: int) -> None:
    assert unit_price(price, max(one, other)) <= unit_price(price, min(one, other))


@given(PRICES, st.integers(1, 5000))
def test_a_share_costs_the_nearest_paisa_and_a_half_goes_up(price: Paise, share: int) -> None:
    assert -500 < share_price(price, share) * 1000 - price * share <= 500
    assert (share_price(Paise(1), 499), share_price(Paise(1), 500)) == (0, 1)


@given(PRICES)
def test_a_whole_share_costs_the_whole_price(price: Paise) -> None:
    assert share_price(price, 1000) == price


@given(st.integers(0, 10**6), st.integers(1, 5000))
def test_packs_never_hold_more_than_the_stock(available: int, share: int) -> None:
    assert share_stock(available, share) * share <= available * 1000 < (share_stock(available, share) + 1) * share


@given(st.text(max_size=200))
def test_a_search_is_normal_after_one_pass(text: str) -> None:
    once = normal(text)
    assert len(once) <= MAX_SEARCH
    assert "\0" not in once
    assert normal(unicodedata.normalize("NFD", "टमाटर क़")) == normal("टमाटर क़")


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        (" Red\t ONION\n", "red onion"),
        ("red\0onion", "red onion"),
        ("Ä\u0308pfel", "ä\u0308pfel"),
        ("E\u0301", "é"),
        ("a" * 79 + " bc", "a" * 79),
    ],
)
def test_a_search_is_compared_in_one_spelling(text: str, searched: str) -> None:
    assert normal(text) == searched


def test_a_pattern_takes_no_orders_from_the_search() -> None:
    assert like("50%_\\") == "%50\\%\\_\\\\%"
    assert like("XL") == "%XL%"


@pytest.mark.parametrize(
    ("starts", "ends", "shown"),
    [(None, None, True), (0, 1, True), (None, 1, True), (0, None, True), (1, None, False), (None, 0, False)],
)
def test_a_banner_is_shown_from_its_start_until_its_end(starts: int | None, ends: int | None, shown: bool) -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    starts_at, ends_at = (None if hours is None else now + timedelta(hours=hours) for hours in (starts, ends))
    banner = Banner(
        id=uuid7(), position="top", title="Mangoes", subtitle=None, image_url="/m.svg", tag="", link_type=None,
        link_value=None, starts_at=starts_at, ends_at=ends_at,
    )  # fmt: skip
    assert banner.shown(now) is shown


@pytest.mark.parametrize(("amount", "units"), [(40.0, 4_000), (0.1, 10), (19.995, 2_000), (12.5, 1_250), (0.29, 29)])
def test_a_decimal_number_is_taken_as_it_was_written(amount: float, units: int) -> None:
    assert hundredths(amount) == units


@pytest.mark.parametrize(
    ("header", "version"),
    [(None, None), ("*", None), ('"7"', 7), ("7", 7), ('W/"abc"', -1), ('"' + "9" * 30 + '"', -1)],
)
def test_if_match_is_a_version_or_matches_nothing(header: str | None, version: int | None) -> None:
    assert expected(header) == version
