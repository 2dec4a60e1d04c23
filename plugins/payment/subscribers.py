"""What the payment domain listens to. Every handler survives a repeat."""

from collections.abc import Sequence
from functools import partial

from core.events.model import EventMeta
from core.events.subscription import Subscription
from core.store.db import Tx
from plugins.order.ports import OrderCancelled, OrderDelivered, PaymentInitiated, RefundDue
from plugins.payment.service import PaymentService


class Subscribers:
    """One method a subscription."""

    def __init__(self, payments: PaymentService) -> None:
        self._payments = payments

    async def initiated(self, tx: Tx, event: PaymentInitiated, _: EventMeta) -> None:
        """An order awaits money."""
        await self._payments.initiated(tx, event)

    async def cancelled(self, tx: Tx, event: OrderCancelled, _: EventMeta) -> None:
        """An order awaits no more."""
        await self._payments.order_closed(tx, event.order_id)

    async def delivered(self, tx: Tx, event: OrderDelivered, _: EventMeta) -> None:
        """The rider was paid, if it was to be paid at the door."""
        await self._payments.delivered(tx, event.order_id)

    async def refund_due(self, tx: Tx, event: RefundDue, _: EventMeta) -> None:
        """Money is held for an order that is cancelled."""
        await self._payments.refund_due(tx, event.order_id)


def subscriptions(payments: PaymentService) -> Sequence[Subscription]:
    """The subscription table."""
    on = Subscribers(payments)
    books = partial(Subscription, "payment.processing", after_erasure=True)  # money moves whoever was erased meanwhile
    return (
        books(PaymentInitiated, on.initiated),
        books(OrderCancelled, on.cancelled),
        books(OrderDelivered, on.delivered),
        books(RefundDue, on.refund_due),
    )
