"""The rules of money, alone: shares that add up, pieces that add up, and what news of an attempt means."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.types import Paise, uuid7
from plugins.payment.models import (
    KnownAttempt,
    Line,
    NotThatMany,
    Payment,
    Verdict,
    judge,
    split,
    worth,
)
from plugins.payment.ports import RETURNED, Attempt, AttemptState, Way
from plugins.payment.states import FORWARD, State, after

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
PAYMENT = Payment(
    id=uuid7(),
    order_id=uuid7(),
    order_number="VRK-2026-000001",
    user_id=uuid7(),
    method="UPI",
    provider="fake",
    amount=Paise(30_000),
    currency="INR",
    state=State.STARTED,
    captured=Paise(0),
    refunded=Paise(0),
    started=None,
    way=Way.CHECKOUT,
    upi_id=None,
    client=None,
    gateway_payment_id=None,
    failure=None,
    flag=None,
    asking=False,
    closed=False,
    created_at=NOW,
    completed_at=None,
)
NEWS = Attempt(
    gateway_payment_id="pay_1",
    gateway_order_id="order_1",
    amount=Paise(30_000),
    currency="INR",
    state=AttemptState.CAPTURED,
)
states = st.sampled_from(AttemptState)
BACK = {"state": AttemptState.FAILED, "reason": RETURNED}


def known(state: AttemptState, payment_id: UUID = PAYMENT.id, reason: str | None = None) -> KnownAttempt:
    """The attempt of NEWS, as kept."""
    return KnownAttempt(
        gateway_payment_id="pay_1",
        provider="fake",
        payment_id=payment_id,
        amount=NEWS.amount,
        currency="INR",
        state=state,
        refunded=Paise(0),
        reason=reason,
    )


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**7), max_size=20))
def test_shares_add_up_and_are_fair_to_the_paisa(amount: int, weights: list[int]) -> None:
    shares = split(amount, weights)
    whole = sum(weights)
    assert sum(shares) == (amount if whole else 0)
    for share, weight in zip(shares, weights, strict=True):
        assert not whole or abs(share - amount * weight / whole) < 1


@given(
    st.lists(st.tuples(st.integers(1, 99), st.integers(0, 10**6)), min_size=1, max_size=6),
    st.integers(0, 10**7),
    st.data(),
)
def test_pieces_of_an_order_are_worth_what_was_paid_however_they_are_cut(
    shape: list[tuple[int, int]], goods: int, data: st.DataObject
) -> None:
    lines = [Line(product_id=uuid7(), quantity=quantity, total=Paise(total)) for quantity, total in shape]
    left, gone, paid = {line.product_id: line.quantity for line in lines}, dict[UUID, int](), 0
    while any(left.values()):
        product = data.draw(st.sampled_from([one for one, count in left.items() if count]))
        pieces = data.draw(st.integers(1, left[product]))
        cut = worth(lines, Paise(goods), {product: pieces}, gone)
        assert all(line.amount >= 0 for line in cut)
        paid += sum(line.amount for line in cut)
        left[product] -= pieces
        gone[product] = gone.get(product, 0) + pieces
    assert paid == (goods if any(total for _, total in shape) else 0)


def test_without_charges_of_the_whole_order_a_line_is_worth_what_it_was_sold_for() -> None:
    lines = [Line(product_id=uuid7(), quantity=1, total=Paise(total)) for total in (10_000, 29_999, 0)]
    back = worth(lines, Paise(39_999), {line.product_id: 1 for line in lines}, {})
    assert [one.amount for one in back] == [10_000, 29_999, 0]


def test_more_pieces_than_are_left_are_worth_nothing() -> None:
    line = Line(product_id=uuid7(), quantity=2, total=Paise(200))
    with pytest.raises(NotThatMany, match="1 left"):
        worth([line], Paise(200), {line.product_id: 2}, {line.product_id: 1})
    with pytest.raises(NotThatMany):
        worth([line], Paise(200), {uuid7(): 1}, {})


@given(st.lists(states, max_size=8))
def test_a_payment_only_moves_forward(news: list[AttemptState]) -> None:
    state = State.CREATED
    for one in news:
        moved = after(state, one)
        assert FORWARD.index(moved) >= FORWARD.index(state)
        state = moved


@pytest.mark.parametrize(
    ("payment", "kept", "news", "verdict"),
    [
        ({}, None, {}, Verdict.COMPLETED),
        ({}, known(AttemptState.AUTHORIZED), {}, Verdict.COMPLETED),
        ({}, known(AttemptState.CAPTURED), {}, Verdict.OLD),
        ({}, known(AttemptState.CAPTURED), {"state": AttemptState.FAILED}, Verdict.OLD),
        ({}, known(AttemptState.FAILED), {}, Verdict.COMPLETED),
        ({}, None, {"amount": Paise(1)}, Verdict.MISMATCH),
        ({}, None, {"currency": "USD"}, Verdict.MISMATCH),
        ({}, None, {"amount": Paise(1), "state": AttemptState.AUTHORIZED}, Verdict.MISMATCH),
        ({}, known(AttemptState.FAILED, uuid7()), {}, Verdict.MISMATCH),
        ({"state": State.CAPTURED}, None, {}, Verdict.PAID_TWICE),
        ({"state": State.CAPTURED}, None, {"amount": Paise(1)}, Verdict.PAID_TWICE),
        ({"state": State.CAPTURED}, None, {"currency": "USD"}, Verdict.MISMATCH),
        ({}, None, {"state": AttemptState.AUTHORIZED}, Verdict.AUTHORIZED),
        ({}, None, {"state": AttemptState.FAILED, "amount": Paise(1)}, Verdict.FAILED),
        ({}, None, {"state": AttemptState.CREATED}, Verdict.NOTED),
        ({}, known(AttemptState.AUTHORIZED), {"state": AttemptState.FAILED}, Verdict.OLD),
        ({}, known(AttemptState.AUTHORIZED), BACK, Verdict.FAILED),
        ({}, known(AttemptState.FAILED), BACK, Verdict.FAILED),
        ({}, known(AttemptState.FAILED, reason=RETURNED), BACK, Verdict.OLD),
        ({}, known(AttemptState.FAILED, reason=RETURNED), {"state": AttemptState.AUTHORIZED}, Verdict.OLD),
        ({}, known(AttemptState.FAILED, reason=RETURNED), {}, Verdict.COMPLETED),
        ({"state": State.CAPTURED}, None, BACK, Verdict.FAILED),
        ({}, known(AttemptState.CAPTURED), BACK, Verdict.OLD),
    ],
)
def test_what_news_means(
    payment: dict[str, Any], kept: KnownAttempt | None, news: dict[str, Any], verdict: Verdict
) -> None:
    assert judge(attrs.evolve(PAYMENT, **payment), kept, attrs.evolve(NEWS, **news)) is verdict
