"""Refunds under real concurrency: whatever is asked at once, what goes back never exceeds what came in."""

import asyncio
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Problem
from core.store.db import Tx
from core.types import Paise, uuid7
from plugins.order.ports import ORDERS, OrderSummary
from plugins.payment.models import Payment, Wanted, Why
from plugins.payment.ports import Attempt, AttemptState, RefundNews, RefundState
from plugins.payment.queries import Attempts, NewPayment, Payments
from plugins.payment.refund_queries import Refunds
from plugins.payment.refunding import NotYet, Refunding
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer
from tests.plugins.payment.conftest import Till

asked = st.one_of(
    st.tuples(st.just("lines"), st.integers(1, 6)),
    st.tuples(st.just("whole"), st.just(0)),
    st.tuples(st.just("cancelled"), st.just(0)),
    st.tuples(st.just("elsewhere"), st.integers(1, 200_000)),
    st.tuples(st.just("outside"), st.integers(1, 6)),
)


class Bank:
    """One captured payment, and those who want its money back."""

    def __init__(self, till: Till, order: OrderSummary, product: ProductId) -> None:
        self.till, self.order, self.product = till, order, product
        self.refunding = Refunding()
        self.id, self.attempt = uuid7(), f"pay_{uuid7().hex}"

    async def fill(self) -> None:
        """Capture it."""
        new = NewPayment(
            id=self.id,
            order_id=uuid7(),
            order_number="VRK",
            user_id=self.order.user_id,
            method="UPI",
            provider="fake",
            amount=self.order.total,
            currency="INR",
        )
        attempt = Attempt(
            gateway_payment_id=self.attempt,
            gateway_order_id=f"order_{self.id.hex}",
            amount=self.order.total,
            currency="INR",
            state=AttemptState.CAPTURED,
        )
        self.till.provider.attempts[self.attempt] = attempt  # which workers ask meanwhile
        async with self.till.app.db.transaction() as tx:
            await Payments().add(tx, new)
            await Attempts().put(tx, "fake", self.id, attempt)
            await Payments().complete(tx, self.id, self.attempt)

    async def wants(self, kind: str, number: int) -> None:
        """One of many at once; a refusal is an answer."""

        async def once(tx: Tx) -> None:
            payment = await Payments().lock(tx, self.id)
            assert payment is not None
            await self._one(tx, payment, kind, number)

        with suppress(Problem, NotYet):
            await self.till.app.db.run(once)

    async def _one(self, tx: Tx, payment: Payment, kind: str, number: int) -> None:
        match kind:
            case "cancelled":
                await self.refunding.rest(tx, payment, Why.ORDER_CANCELLED)
            case "elsewhere":
                news = RefundNews(
                    gateway_refund_id=f"rfnd_{uuid7().hex}",
                    gateway_payment_id=self.attempt,
                    amount=Paise(number),
                    currency="INR",
                    state=RefundState.PROCESSED,
                )
                await self.refunding.news(tx, payment, "fake", news)
            case _:
                pieces: dict[UUID, int] = {} if kind == "whole" else {self.product: number}
                why = Why.LINES if pieces else Why.WHOLE
                wanted = Wanted(why=why, pieces=pieces, outside=kind == "outside")
                await self.refunding.by_staff(tx, payment, self.order, wanted)


@pytest.fixture(scope="module")
def races() -> list[list[tuple[str, int]]]:
    """Drawn while nothing else runs: jitter elsewhere would disturb what is drawn."""
    drawn: list[list[tuple[str, int]]] = []

    @settings(max_examples=30, deadline=None, database=None)
    @given(st.lists(asked, min_size=2, max_size=7))
    def draw(wishes: list[tuple[str, int]]) -> None:
        drawn.append(wishes)

    draw()
    return drawn


async def test_refunds_never_exceed_what_was_paid(
    till: Till, buyer: Buyer, mango: ProductId, races: list[list[tuple[str, int]]]
) -> None:
    placed = await till.shop.ordered(buyer, mango, 6)
    order = await till.app.services.get(ORDERS).summary(till.app.db, UUID(placed["id"]))
    assert order is not None
    for wishes in races:
        bank = Bank(till, order, mango)
        await bank.fill()
        await asyncio.gather(*(bank.wants(*wish) for wish in wishes))
        payment = await Payments().find(till.app.db, bank.id)
        assert payment is not None
        refunds = await Refunds().of_payment(till.app.db, bank.id)
        total = sum(refund.amount for refund in refunds)
        assert total == payment.refunded <= payment.captured == order.total, wishes
        assert sum(line.quantity for refund in refunds for line in refund.lines) <= 6, wishes


async def test_staff_at_once_with_a_cancellation_refund_an_order_once(
    till: Till, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    order, attempt = await till.paid(buyer, mango)
    path = f"/payments/{order['id']}/refunds"
    await asyncio.gather(
        till.app.post(f"/orders/{order['id']}/cancel", json={}, as_=buyer),
        *(till.app.post(path, json={"kind": "whole"}, as_=staff) for _ in range(4)),
    )
    await till.until(order, lambda payment: payment.refunded == attempt.amount)
    await till.idle()
    back = await till.provider.refunds(attempt.gateway_payment_id)
    assert sum(one.amount for one in back) == attempt.amount
