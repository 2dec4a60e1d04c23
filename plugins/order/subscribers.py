"""What the order domain listens to. Every handler survives a repeat: moves are guarded by the state they start from."""

from collections.abc import Sequence
from functools import partial

from core.events.model import EventMeta
from core.events.subscription import Subscription
from core.store.db import Tx
from core.types import UserId
from plugins.cart.ports import Carts
from plugins.order.ports import OrderCreated, PaymentCompleted, PaymentFailed, PaymentRefunded
from plugins.order.service import OrderService
from plugins.order.standing import Method


class Subscribers:
    """One method a subscription."""

    def __init__(self, orders: OrderService, carts: Carts) -> None:
        self._orders, self._carts = orders, carts

    async def confirm(self, tx: Tx, event: OrderCreated, _: EventMeta) -> None:
        """Orders paid at the door need nobody's word but the shop's."""
        if event.payment_method == Method.COD:
            await self._orders.confirm(tx, event.order_id)

    async def forget_cart(self, _: Tx, event: OrderCreated, __: EventMeta) -> None:
        """The placing replica dropped the cart's copy already, if Redis answered and it lived on."""
        await self._carts.forget(UserId(event.user_id))

    async def paid(self, tx: Tx, event: PaymentCompleted, _: EventMeta) -> None:
        """Money arrived."""
        await self._orders.paid(tx, event)

    async def failed(self, tx: Tx, event: PaymentFailed, _: EventMeta) -> None:
        """A payment was refused."""
        await self._orders.payment_failed(tx, event)

    async def refunded(self, tx: Tx, event: PaymentRefunded, _: EventMeta) -> None:
        """Money went back."""
        await self._orders.refunds.refunded(tx, event)


def subscriptions(orders: OrderService, carts: Carts) -> Sequence[Subscription]:
    """The subscription table."""
    on = Subscribers(orders, carts)
    books = partial(Subscription, after_erasure=True)  # money is owed and moves whoever was erased meanwhile
    return (
        books("order.confirmation", OrderCreated, on.confirm),
        books("order.cart", OrderCreated, on.forget_cart),
        books("order.payment_completed", PaymentCompleted, on.paid),
        books("order.payment_completed", PaymentFailed, on.failed),
        books("order.payment_completed", PaymentRefunded, on.refunded),
    )
