"""Money that goes back: all of it, by line, or for a missing item. Never more than was paid."""

import logging
from collections.abc import Callable

from core.store.db import Tx
from core.types import Paise, rupees
from plugins.order.models import Order, Refund
from plugins.order.money_queries import Payments, Refunds
from plugins.order.ports import PaymentRefunded
from plugins.order.queries import Change, Orders
from plugins.order.standing import Method, Payment, State
from plugins.order.transitions import LAST, Machine

log = logging.getLogger(__name__)


class NotPaidYet(Exception):
    """Money went back of what is not paid here: what tells of the payment failed once and is to come again."""


class Refunding:
    """What `payment.refunded` does to an order."""

    def __init__(self, machine: Callable[[], Machine]) -> None:
        self._orders, self._payments, self._refunds, self._machine = Orders(), Payments(), Refunds(), machine

    async def refunded(self, tx: Tx, event: PaymentRefunded) -> None:
        """Note a refund once. The last paisa of it ends a cancelled or delivered order as REFUNDED.

        One that overtook the news of the payment raises NotPaidYet, so that it is told again. One of more than was paid
        is noted and counted by nobody: then the books of shop and provider differ, which people must settle.
        """
        order = await self._orders.lock(tx, event.order_id)
        if order is None or order.state.payment is Payment.REFUNDED:
            return
        row = await self._payments.find(tx, event.payment_id, order.id)
        if row is None and order.state.method is not Method.COD:
            log.error("refund of a payment that is not known", extra={"payment_id": str(event.payment_id)})
            return
        if not order.state.paid:
            raise NotPaidYet
        refund = _refund(event)
        if await self._refunds.known(tx, order.id, refund.id):
            return
        back = None if refund.amount <= 0 else await self._refunds.count(tx, order.id, refund.amount)
        if back is None:
            log.error("refund of more than was paid", extra={"payment_id": str(event.payment_id)})
            await self._orders.move(tx, order, order.state, Change(event="refund_mismatch", actor="system"))
            return
        await self._refunds.add(tx, order.id, event.payment_id, refund)
        to = Payment.REFUNDED if back == order.bill.total else Payment.PARTIALLY_REFUNDED
        if row is not None:
            await self._payments.refund(tx, row.id, to)
        change = Change(event="payment_refunded", actor="system", notes=_notes(order, refund))
        await self._orders.move(tx, order, self._after(order.state, to), change)

    def _after(self, state: State, to: Payment) -> State:
        machine = self._machine()
        if to is Payment.REFUNDED and LAST in machine.moves(state.status):
            return machine.advance(state, LAST)
        return machine.pay(state, to)


def _refund(event: PaymentRefunded) -> Refund:
    return Refund(
        id=event.refund_id,
        amount=paise_of(event.amount),
        lines=[(line.product_id, line.quantity, paise_of(line.amount)) for line in event.lines],
        reason=event.reason or None,
        at=event.refunded_at,
    )


def paise_of(amount: float) -> Paise:
    """Rupees of an event."""
    return Paise(round(amount * 100))


def _notes(order: Order, refund: Refund) -> str:
    """How much, for what, and why, as customers read it."""
    names = {item.product_id: item.name for item in order.items}
    what = ", ".join(f"{quantity} x {names.get(product, 'item')}" for product, quantity, _ in refund.lines)
    told = f"Rs. {rupees(refund.amount):.2f} of Rs. {rupees(order.bill.total):.2f}" + (f" for {what}" if what else "")
    return f"{told}: {refund.reason}" if refund.reason else told
