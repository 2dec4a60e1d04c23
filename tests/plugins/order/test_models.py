"""Bills, merged lines, addresses on one line."""

from uuid import UUID

import attrs
from hypothesis import assume, given
from hypothesis import strategies as st

from core.types import Paise, uuid7
from plugins.order.contributions import Charge, Explained, Phase
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


def test_its_sums_are_told_as_the_lines_that_they_were() -> None:
    def told(bill: Bill) -> list[tuple[str, str, str, str, int]]:
        return [(one.phase, one.plugin, one.charge.code, one.charge.label, one.charge.amount) for one in bill.charges]

    assert told(Bill.of(subtotal=Paise(500), delivery_fee=Paise(40), discount=Paise(90))) == [
        ("base", "order", "goods", "Items", 500),
        ("fee", "order", "delivery", "Delivery", 40),
        ("discount", "order", "discount", "Discount", -90),
    ]
    nothing = Bill.of(subtotal=Paise(0), delivery_fee=Paise(0), discount=Paise(0))
    assert told(nothing) == [("base", "order", "goods", "Items", 0)]


def explained(phase: Phase, amount: int, product: UUID | None = None) -> Explained:
    return Explained(
        phase=phase, plugin="extra", charge=Charge(code="x", label="X", amount=Paise(amount), product_id=product)
    )


PRODUCTS = [uuid7() for _ in range(3)]
charges = st.builds(
    explained,
    st.sampled_from(Phase),
    st.integers(-(10**5), 10**5),
    st.sampled_from([None, *PRODUCTS]),
)


@given(prices=st.lists(amounts, min_size=3, max_size=3), others=st.lists(charges, max_size=8))
def test_lines_and_what_is_beside_them_explain_the_total(prices: list[Paise], others: list[Explained]) -> None:
    goods = Bill.of(subtotal=Paise(sum(prices)), delivery_fee=Paise(0), discount=Paise(0)).charges
    bill = Bill(charges=(*goods, *others))
    assume(bill.total >= 0)  # no other is placed
    lines = [bill.of_line(product, price) for product, price in zip(PRODUCTS, prices, strict=True)]
    assert min(lines) >= 0
    assert 0 <= bill.beside_goods <= bill.total
    whole = {
        phase: sum(o.charge.amount for o in others if (o.phase, o.charge.product_id) == (phase, None))
        for phase in Phase
    }
    if min(lines) > 0 and 0 < bill.beside_goods < bill.total:  # nothing was cut off
        assert bill.beside_goods == whole[Phase.FEE] + whole[Phase.TAX] + whole[Phase.ROUNDING]
        assert sum(lines) + whole[Phase.BASE] + whole[Phase.DISCOUNT] + bill.beside_goods == bill.total


def test_a_line_is_explained_by_its_price_and_what_names_it() -> None:
    bill = Bill(charges=(
        explained(Phase.BASE, 30_000), explained(Phase.DISCOUNT, -9_000, PRODUCTS[0]), explained(Phase.FEE, 500),
        explained(Phase.FEE, 200, PRODUCTS[0]), explained(Phase.TAX, 30), explained(Phase.DISCOUNT, -4_000),
    ))  # fmt: skip
    assert [bill.of_line(product, Paise(10_000)) for product in PRODUCTS[:2]] == [1_200, 10_000]
    assert bill.of_line(PRODUCTS[0], Paise(8_800)) == bill.of_line(PRODUCTS[0], Paise(8_799)) == 0
    assert bill.beside_goods == 530


def test_what_is_beside_the_goods_is_a_part_of_the_total() -> None:
    assert Bill(charges=(explained(Phase.BASE, 100), explained(Phase.FEE, -30))).beside_goods == 0
    assert Bill(charges=(explained(Phase.DISCOUNT, -100), explained(Phase.FEE, 140))).beside_goods == 40


def test_an_address_is_one_line_without_its_empty_parts() -> None:
    assert AT.line == "12 Orchard Road, Pune, Maharashtra 411001"
