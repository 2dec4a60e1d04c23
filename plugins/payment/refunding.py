"""Sending money back: how much, once, and never more than came in. Everything in the caller's transaction."""

import logging
from uuid import UUID

import attrs

from core.errors import INVALID_INPUT, FieldError, Invalid, Problem
from core.store.db import Tx
from core.types import Paise, uuid7
from plugins.order.ports import OrderSummary
from plugins.payment import announcing
from plugins.payment.errand_queries import Errands, Kind
from plugins.payment.models import (
    CASH,
    REFUNDS,
    Line,
    NotThatMany,
    Payment,
    Refund,
    RefundLine,
    Wanted,
    Why,
    returned,
    worth,
)
from plugins.payment.ports import REFUND_NOT_POSSIBLE, REFUND_TOO_MUCH, RefundNews, RefundState
from plugins.payment.queries import Attempts, Payments
from plugins.payment.refund_queries import Refunds
from plugins.payment.states import State

log = logging.getLogger(__name__)


class Refunding:
    """Refunds of payments that the caller has locked."""

    def __init__(self) -> None:
        self._payments, self._attempts = Payments(), Attempts()
        self._refunds, self._errands = Refunds(), Errands()

    async def rest(self, tx: Tx, payment: Payment, why: Why) -> Refund | None:
        """All that is left of what completed the payment; None when nothing is."""
        left = Paise(payment.captured - payment.refunded)
        if payment.gateway_payment_id is None or left == 0:
            return None
        return await self._open(tx, self._of(payment, payment.gateway_payment_id, left, why))

    async def paid_twice(self, tx: Tx, payment: Payment, gateway_payment_id: str, amount: Paise) -> Refund:
        """What another attempt brought after the payment was complete."""
        return await self._open(tx, self._of(payment, gateway_payment_id, amount, Why.PAID_TWICE))

    async def by_staff(self, tx: Tx, payment: Payment, order: OrderSummary, wanted: Wanted) -> Refund:
        """As staff want it. Raises REFUND_NOT_POSSIBLE, REFUND_TOO_MUCH, or Invalid for pieces that nobody ordered."""
        outside = wanted.outside
        if payment.gateway_payment_id is None or (payment.provider == CASH and not outside):
            raise Problem(REFUND_NOT_POSSIBLE, details={"state": payment.state.value, "method": payment.method})
        if (wanted.why is Why.WHOLE) == bool(wanted.pieces):
            raise Problem(INVALID_INPUT, "Name items for lines and missing, and none for whole.")
        left = Paise(payment.captured - payment.refunded)
        lines = await self._lines(tx, payment, order, wanted)
        amount = Paise(sum(line.amount for line in lines)) if wanted.pieces else left
        if not 0 < amount <= left:
            raise Problem(REFUND_TOO_MUCH, details={"left": left / 100})
        why = Why.OUTSIDE if outside else wanted.why
        refund = self._of(payment, payment.gateway_payment_id, amount, why)
        return await self._open(tx, attrs.evolve(refund, lines=lines), payment if outside else None)

    async def _lines(self, tx: Tx, payment: Payment, order: OrderSummary, wanted: Wanted) -> tuple[RefundLine, ...]:
        if not wanted.pieces:
            return ()
        lines = [Line(product_id=one.product_id, quantity=one.quantity, total=one.total) for one in order.lines]
        goods, gone = Paise(order.total - order.delivery_fee), await self._refunds.gone(tx, payment.id)
        try:
            return tuple(worth(lines, goods, wanted.pieces, gone))
        except NotThatMany as error:
            message = f"only {max(0, error.left)} of {error.product_id} are left to refund"
            raise Invalid([FieldError("items", message)]) from None

    def _of(self, payment: Payment, gateway_payment_id: str, amount: Paise, why: Why) -> Refund:
        return Refund(
            id=uuid7(),
            payment_id=payment.id,
            provider=payment.provider,
            gateway_payment_id=gateway_payment_id,
            amount=amount,
            why=why,
        )

    async def _open(self, tx: Tx, refund: Refund, settled: Payment | None = None) -> Refund:
        """Reserve and write down. `settled`: the payment, when the money went by hand; else a worker sends it."""
        if not await self._refunds.reserve(tx, refund.provider, refund.gateway_payment_id, refund.amount):
            raise Problem(REFUND_TOO_MUCH)
        if settled is None:
            await self._refunds.add(tx, refund)
            await self._errands.wake(tx, Kind.REFUND, refund.id)
        else:
            refund = attrs.evolve(refund, state=RefundState.PROCESSED)
            await self._refunds.add(tx, refund)
            await self._announce(tx, settled, refund)
        return await self._refunds.find(tx, refund.id) or refund

    async def news(self, tx: Tx, payment: Payment, provider: str, news: RefundNews) -> str:
        """What a provider says of a refund; how it was taken. Raises NotYet."""
        refund = await self._refunds.by_gateway(tx, provider, news.gateway_refund_id)
        if refund is None and news.refund_id is not None:
            refund = await self._refunds.find(tx, news.refund_id)
        # A second one with our receipt is money that went back once more.
        if refund is None or refund.gateway_refund_id not in (None, news.gateway_refund_id):
            return await self._made_elsewhere(tx, payment, provider, news)
        asked = (refund.payment_id, refund.gateway_payment_id, refund.amount)
        if asked != (payment.id, news.gateway_payment_id, news.amount) or news.currency != payment.currency:
            await self._flag(tx, payment, "a refund is not as it was asked for")
            return "mismatch"
        if REFUNDS.index(news.state) < REFUNDS.index(refund.state) or refund.state is RefundState.PROCESSED:
            return "old"
        if news.state is RefundState.FAILED and refund.state is not RefundState.FAILED:
            await self._refunds.release(tx, refund)
            await self._flag(tx, payment, "a refund failed")
        revived = news.state is RefundState.PROCESSED and refund.state is RefundState.FAILED
        if revived and not await self._refunds.reserve(tx, provider, refund.gateway_payment_id, refund.amount):
            await self._flag(tx, payment, "more went back than came in")
            return "mismatch"
        await self._refunds.move(tx, refund.id, news.state, news.gateway_refund_id)
        if news.state is RefundState.PROCESSED:
            await self._announce(tx, payment, attrs.evolve(refund, gateway_refund_id=news.gateway_refund_id))
        return news.state.value.lower()

    async def refused(self, tx: Tx, payment: Payment, refund: Refund) -> None:
        """The provider will never send it: the money may go another way, and people look at it."""
        if refund.state is RefundState.PENDING:
            await self._refunds.release(tx, refund)
            await self._refunds.move(tx, refund.id, RefundState.FAILED, None)
            await self._flag(tx, payment, "a refund was refused")

    async def _made_elsewhere(self, tx: Tx, payment: Payment, provider: str, news: RefundNews) -> str:
        """Somebody made it in the provider's own console. It counts like any other, once it is processed.

        Of what never was captured it is the provider's own return, which is in nobody's books.
        """
        if news.state is not RefundState.PROCESSED:
            return "not ours"
        if not await self._refunds.reserve(tx, provider, news.gateway_payment_id, news.amount):
            attempt = await self._attempts.find(tx, provider, news.gateway_payment_id)
            if attempt is not None and returned(attempt):
                return "returned by the provider"
            raise NotYet(payment.id)
        refund = self._of(payment, news.gateway_payment_id, news.amount, Why.AT_PROVIDER)
        refund = attrs.evolve(refund, state=RefundState.PROCESSED, gateway_refund_id=news.gateway_refund_id)
        await self._refunds.add(tx, refund)
        await self._announce(tx, payment, refund)
        return "made at the provider"

    async def _announce(self, tx: Tx, payment: Payment, refund: Refund) -> None:
        """Orders hear of what went back of their own money, not of what was paid twice."""
        if payment.state is State.CAPTURED and refund.gateway_payment_id == payment.gateway_payment_id:
            total = await self._refunds.total(tx, payment.id, refund.gateway_payment_id)
            announcing.refunded(tx, payment, refund, total)

    async def _flag(self, tx: Tx, payment: Payment, reason: str) -> None:
        log.error("payment %s needs people: %s", payment.id, reason)
        await self._payments.flag(tx, payment.id, reason)


class NotYet(Exception):
    """News of something that is not known yet: it may have overtaken what makes it known."""

    def __init__(self, payment_id: UUID | None = None) -> None:
        super().__init__("not known yet")
        self.payment_id = payment_id
