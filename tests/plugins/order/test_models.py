"""Bills, merged lines, addresses on one line."""

from uuid import UUID

import attrs
from hypothesis import given
from hypothesis import strategies as st

from core.types import Paise, rupees, uuid7
from plugins.order.models import MAX_QUANTITY, Address, Bill, Item, OrderSettings, merge, price

TERMS = OrderSettings()
items = st.builds(
    Item,
    product_id=st.uuids(),
    name=st.just("Mango"),
    image=st.just(""),
    unit=st.just("kg"),
    unit_price=st.integers(1, 10_000_000).map(Paise),
    quantity=st.integers(1, 99),
)
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


@given(lines=st.lists(items, min_size=1, max_size=20))
def test_the_total_is_the_lines_and_the_fee_without_the_discount(lines: list[Item]) -> None:
    bill = price(lines, TERMS)
    assert bill.subtotal == sum(line.unit_price * line.quantity for line in lines)
    assert bill.total == sum(line.total for line in lines) + bill.delivery_fee - bill.discount
    assert bill.delivery_fee == (0 if bill.subtotal >= 50_000 else 4_000)


@given(lines=st.lists(items, min_size=1, max_size=20))
def test_rupees_on_the_wire_add_up_to_the_paisa(lines: list[Item]) -> None:
    bill = price(lines, TERMS)
    wire = sum(round(rupees(line.total) * 100) for line in lines) + round(rupees(bill.delivery_fee) * 100)
    assert wire == round(rupees(bill.total) * 100) == bill.total


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


def test_delivery_is_free_from_the_amount_that_the_app_shows() -> None:
    line = Item(product_id=uuid7(), name="", image="", unit="kg", unit_price=Paise(49_999), quantity=1)
    assert price([line], TERMS).total == 53_999
    assert price([attrs.evolve(line, unit_price=Paise(50_000))], TERMS).total == 50_000


def test_a_discount_is_taken_off() -> None:
    assert Bill(subtotal=Paise(30_000), delivery_fee=Paise(4_000), discount=Paise(500)).total == 33_500


def test_an_address_is_one_line_without_its_empty_parts() -> None:
    assert AT.line == "12 Orchard Road, Pune, Maharashtra 411001"
