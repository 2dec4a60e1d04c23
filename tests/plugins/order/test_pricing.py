"""Bills: phases, explained lines, and adjusters that misbehave."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.extensions import Extends
from core.types import Paise, UserId, rupees, uuid7
from plugins.order.models import OrderSettings
from plugins.order.ports import PRICE_ADJUSTERS, Charge, Item, Method, Phase, PriceAdjuster, Purchase
from plugins.order.pricing import MOST_LINES, Nonsense, Pricing
from tests.plugins.order.conftest import contributed

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
MANGO = Item(product_id=uuid7(), name="Mango", image="", unit="kg", unit_price=Paise(30_000), quantity=1)


def purchase(*lines: Item, coupon: str | None = None) -> Purchase:
    return Purchase(
        user_id=UserId(uuid7()),
        items=lines or (MANGO,),
        method=Method.COD,
        city="Pune",
        state="Maharashtra",
        pin_code="411001",
        scheduled_for=None,
        delivery_slot=None,
        coupon=coupon,
    )


def adds(phase: Phase, amount: Any, *, plugin: str = "extra", **more: Any) -> tuple[str, Extends[PriceAdjuster]]:
    """A plugin's adjuster that adds one line."""
    charge = Charge(**{"code": "extra", "label": "Extra", "amount": amount, **more})
    return plugin, Extends(PRICE_ADJUSTERS, PriceAdjuster(phase=phase, adjust=lambda _: (charge,)))


def answers(adjust: Callable[[Purchase], Any], *, plugin: str = "extra") -> tuple[str, Extends[PriceAdjuster]]:
    """A plugin's adjuster that answers this."""
    return plugin, Extends(PRICE_ADJUSTERS, PriceAdjuster(phase=Phase.FEE, adjust=adjust))


def priced(wish: Purchase, *others: tuple[str, Extends[PriceAdjuster]]) -> Purchase:
    return Pricing(*contributed(*others)).priced(wish)


def codes(bill: Purchase) -> list[str]:
    return [one.charge.code for one in bill.charges]


@given(lines=st.lists(items, min_size=1, max_size=20))
def test_a_plain_bill_is_its_goods_and_their_delivery(lines: list[Item]) -> None:
    bill = priced(purchase(*lines))
    assert bill.subtotal == sum(line.unit_price * line.quantity for line in lines)
    assert bill.sum_of(Phase.FEE) == (0 if bill.subtotal >= 50_000 else 4_000)
    assert bill.total == bill.subtotal + bill.sum_of(Phase.FEE)


@given(lines=st.lists(items, min_size=1, max_size=20))
def test_rupees_on_the_wire_add_up_to_the_paisa(lines: list[Item]) -> None:
    bill = priced(purchase(*lines))
    assert sum(round(rupees(one.charge.amount) * 100) for one in bill.charges) == round(rupees(bill.total) * 100)


amounts = st.integers(-10_000_000, 10_000_000) | st.floats() | st.none() | st.booleans() | st.text(max_size=3)


@given(
    lines=st.lists(items, min_size=1, max_size=5),
    wild=st.lists(st.tuples(st.sampled_from(Phase), amounts, st.sampled_from("abc")), max_size=12),
)
def test_whatever_adjusters_answer_a_total_is_the_sum_of_its_explained_lines(
    lines: list[Item], wild: list[tuple[Phase, Any, str]]
) -> None:
    others = sorted((adds(phase, amount, plugin=plugin) for phase, amount, plugin in wild), key=lambda one: one[0])
    bill = priced(purchase(*lines), *others)
    assert bill.total == sum(one.charge.amount for one in bill.charges)
    assert all(type(one.charge.amount) is int for one in bill.charges)
    assert bill.total >= 0
    assert min(bill.subtotal, bill.sum_of(Phase.FEE), bill.sum_of(Phase.TAX), -bill.sum_of(Phase.DISCOUNT)) >= 0
    assert abs(bill.sum_of(Phase.ROUNDING)) < 100
    ranks = [list(Phase).index(one.phase) for one in bill.charges]
    assert ranks == sorted(ranks), "phase after phase"
    assert codes(bill)[0] == "goods"


def test_delivery_is_free_from_the_amount_that_the_app_shows() -> None:
    assert priced(purchase(attrs.evolve(MANGO, unit_price=Paise(49_999)))).total == 53_999
    assert priced(purchase(attrs.evolve(MANGO, unit_price=Paise(50_000)))).total == 50_000


def test_each_phase_sees_what_the_earlier_ones_made_and_plugins_keep_their_order() -> None:
    seen: list[tuple[str, ...]] = []

    def look(name: str) -> Callable[[Purchase], Sequence[Charge]]:
        def adjust(so_far: Purchase) -> Sequence[Charge]:
            seen.append((name, *codes(so_far)))
            return (Charge(code=name, label=name, amount=Paise(1)),)

        return adjust

    def declared(plugin: str, phase: Phase) -> tuple[str, Extends[PriceAdjuster]]:
        return plugin, Extends(PRICE_ADJUSTERS, PriceAdjuster(phase=phase, adjust=look(plugin)))

    priced(purchase(), declared("gst", Phase.TAX), declared("wrap", Phase.FEE), declared("crate", Phase.BASE))
    assert seen == [
        ("crate", "goods"),
        ("wrap", "goods", "crate", "delivery"),
        ("gst", "goods", "crate", "delivery", "wrap"),
    ]


def test_a_fee_may_be_waived_and_a_line_named() -> None:
    waived = adds(Phase.FEE, Paise(-4_000), code="delivery.waived")
    bill = priced(purchase(), waived, adds(Phase.DISCOUNT, Paise(-500), product_id=MANGO.product_id))
    assert (bill.sum_of(Phase.FEE), bill.total) == (0, 29_500)
    assert bill.charges[1].charge.product_id == MANGO.product_id


def raises(_: Purchase) -> Sequence[Charge]:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(answers(raises), id="raises"),
        pytest.param(answers(lambda _: None), id="nothing"),
        pytest.param(answers(lambda _: ["delivery"]), id="no-charges"),
        pytest.param(answers(lambda _: [Charge(code="x", label="x", amount=Paise(1))] * (MOST_LINES + 1)), id="many"),
        pytest.param(adds(Phase.FEE, 12.5), id="float"),
        pytest.param(adds(Phase.FEE, True), id="bool"),
        pytest.param(adds(Phase.FEE, "1"), id="text"),
        pytest.param(adds(Phase.FEE, Paise(1), code="Not A Code"), id="code"),
        pytest.param(adds(Phase.FEE, Paise(1), code=None), id="no-code"),
        pytest.param(adds(Phase.FEE, Paise(1), label=""), id="label"),
        pytest.param(adds(Phase.FEE, Paise(1), product_id=UUID(int=1)), id="stranger"),
        pytest.param(adds(Phase.DISCOUNT, Paise(-1), coupon="FREE"), id="coupon"),
        pytest.param(adds(Phase.DISCOUNT, Paise(1)), id="discount-up"),
        pytest.param(adds(Phase.DISCOUNT, Paise(-30_001)), id="below-zero"),
        pytest.param(adds(Phase.FEE, Paise(-4_001)), id="fee-down"),
        pytest.param(adds(Phase.TAX, Paise(-1)), id="tax-down"),
        pytest.param(adds(Phase.ROUNDING, Paise(100)), id="a-rupee"),
    ],
)
def test_an_optional_plugins_mistake_is_left_out_and_counted(wrong: tuple[str, Extends[PriceAdjuster]]) -> None:
    extensions, guards = contributed(wrong)
    pricing = Pricing(extensions, guards)
    plain = codes(priced(purchase()))
    for _ in range(guards.settings.failures):
        assert codes(pricing.priced(purchase())) == plain
    assert not guards.available("extra")
    assert "order.price_adjusters" in guards.aside["extra"].reason
    assert codes(pricing.priced(purchase())) == plain


def test_a_required_plugins_mistake_fails_the_bill() -> None:
    with pytest.raises(Nonsense):
        priced(purchase(), adds(Phase.FEE, 12.5, plugin="order"))


def test_a_coupon_is_redeemed_by_a_line() -> None:
    bill = priced(purchase(coupon="FRESH10"), adds(Phase.DISCOUNT, Paise(-3_000), coupon="FRESH10"))
    assert bill.total == 31_000
