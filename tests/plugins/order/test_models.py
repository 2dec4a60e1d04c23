"""Bills, merged lines, addresses on one line."""

from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from core.types import Paise, uuid7
from plugins.order.models import MAX_QUANTITY, Address, Bill, OrderSettings, merge

TERMS = OrderSettings()
AT = Address(
    full_name="Asha Rao",
    phone_number="9876543210",
    address_line1="12 Orchard Road",
    address_line2="",
    landmark=" ",
    city="Pune",
    state="Maharashtra",
    pin_code="411001",
    country="India",
    type="home",
)


@given(lines=st.lists(st.tuples(st.sampled_from([uuid7() for _ in range(4)]), st.integers(1, 99)), max_size=20))
def test_merging_loses_no_piece_and_keeps_the_order(lines: list[tuple[UUID, int]]) -> None:
    merged = merge(lines)
    assert sum(merged.values()) == sum(quantity for _, quantity in lines)
    assert list(merged) == list(dict.fromkeys(product for product, _ in lines))


def test_the_terms_are_those_that_the_app_tells() -> None:
    assert attrs.asdict(TERMS) == {
        "minimum_paise": 19_900,
        "delivery_fee_paise": 4_000,
        "free_delivery_paise": 50_000,
        "delivery_hours": 24,
        "payment_minutes": 15,
        "schedule_days": 30,
    }
    assert MAX_QUANTITY == 99


amounts = st.integers(0, 10**9).map(Paise)


@given(subtotal=amounts, fee=amounts, discount=amounts)
def test_an_order_from_before_is_explained_by_its_sums(subtotal: Paise, fee: Paise, discount: Paise) -> None:
    bill = Bill.of(subtotal=subtotal, delivery_fee=fee, discount=discount)
    assert (bill.subtotal, bill.delivery_fee, bill.discount) == (subtotal, fee, discount)
    assert bill.total == subtotal + fee - discount == sum(one.charge.amount for one in bill.charges)


def test_an_address_is_one_line_without_its_empty_parts() -> None:
    assert AT.line == "12 Orchard Road, Pune, Maharashtra 411001"
