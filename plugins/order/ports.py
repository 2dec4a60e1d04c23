"""The door of the order domain: what others may contribute, its port and codes, the events it emits or listens to.

The codes of stock and prices are the catalogue's. The types of contributions stand in contributions.py.

Every event carries `order_number`, `amount` in rupees and `user_id` beside its own payload (CONTRACT B.8).
"""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Protocol
from uuid import UUID

import attrs

from core.errors import Code
from core.events.model import Event
from core.extensions import Point
from core.services import Port
from core.types import UserId
from plugins.order.contributions import (
    ALWAYS,
    PAID,
    SETTLED,
    Charge,
    CheckoutCheck,
    CheckoutProblem,
    Explained,
    Guard,
    Item,
    PaymentMethods,
    Phase,
    PriceAdjuster,
    Purchase,
    Transition,
)
from plugins.order.standing import Actor, Method, OrderLine, OrderSummary, Payment, State, Status

if TYPE_CHECKING:
    from core.store.db import Db, Tx

__all__ = (
    "ALWAYS",
    "PAID",
    "SETTLED",
    "Actor",
    "Charge",
    "CheckoutCheck",
    "CheckoutProblem",
    "Explained",
    "Guard",
    "Item",
    "Method",
    "OrderLine",
    "OrderSummary",
    "Payment",
    "PaymentMethods",
    "Phase",
    "PriceAdjuster",
    "Purchase",
    "State",
    "Status",
    "Transition",
)

CANNOT_CANCEL = Code("BIZ_002", 422, "This order can no longer be cancelled.")
CART_EMPTY = Code("BIZ_003", 422, "There is nothing to order.")
MINIMUM_NOT_MET = Code("BIZ_006", 422, "The order is below the minimum amount.")
COUPON_INVALID = Code("BIZ_007", 422, "This coupon is not valid.")
METHOD_NOT_OFFERED = Code("PAYMENT_METHOD", 422, "This way of paying is not offered at the moment.")
CANNOT_MOVE = Code("ORDER_STATUS", 409, "The order cannot go to this status from where it is.")

PRICE_ADJUSTERS: Point[PriceAdjuster] = Point("order.price_adjusters")
"""Lines of the bill. `Extends(PRICE_ADJUSTERS, PriceAdjuster(phase=Phase.FEE, adjust=gift_wrap))`."""
CHECKOUT_CHECKS: Point[CheckoutCheck] = Point("order.checkout_checks")
"""Why an order cannot be placed. `Extends(CHECKOUT_CHECKS, self._served_here)`."""
ORDER_TRANSITIONS: Point[Transition] = Point("order.transitions")
"""Moves of orders, merged and proved at start. A plugin whose moves break the proof is refused."""
PAYMENT_METHODS: Point[PaymentMethods] = Point("order.payment_methods")
"""Ways to pay. An order by a method that nobody offers is refused with METHOD_NOT_OFFERED."""


class Orders(Protocol):
    """Orders, for whoever moves their money or their goods. Changes go by events."""

    async def summary(self, source: "Tx | Db", order_id: UUID, owner: UserId | None = None) -> OrderSummary | None:
        """One order; with `owner`, only if it is theirs. One round trip."""
        ...


ORDERS: Port[Orders] = Port("order.orders")


@attrs.frozen(kw_only=True)
class OrderedItem:
    """One line of an order. `price` is per unit, in rupees."""

    product_id: UUID
    quantity: int
    price: float


@attrs.frozen(kw_only=True)
class OrderCreated(Event):
    """An order was placed.

    `delivery_address` is JSON text with city, state and pin code only: an event may end as a dead letter, which must
    not hold an address (RELIABILITY 2). Who needs all of it asks for the order.
    """

    event_type: ClassVar[str] = "order.created"
    aggregate_type: ClassVar[str] = "order"
    aggregate_key: ClassVar[str] = "order_id"

    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    items: list[OrderedItem]
    total_amount: float
    payment_method: str
    delivery_address: str


@attrs.frozen(kw_only=True)
class OrderConfirmed(Event):
    """The shop will deliver: the order is paid, or is paid at the door."""

    event_type: ClassVar[str] = "order.confirmed"
    aggregate_type: ClassVar[str] = "order"
    aggregate_key: ClassVar[str] = "order_id"

    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    confirmed_at: datetime
    estimated_delivery: datetime


@attrs.frozen(kw_only=True)
class OrderShipped(Event):
    """The order is on its way."""

    event_type: ClassVar[str] = "order.shipped"
    aggregate_type: ClassVar[str] = "order"
    aggregate_key: ClassVar[str] = "order_id"

    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    shipped_at: datetime
    tracking_id: str | None
    delivery_partner_id: str | None


@attrs.frozen(kw_only=True)
class OrderDelivered(Event):
    """The order arrived. `delivered_to` is the city, for the reason given at OrderCreated."""

    event_type: ClassVar[str] = "order.delivered"
    aggregate_type: ClassVar[str] = "order"
    aggregate_key: ClassVar[str] = "order_id"

    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    delivered_at: datetime
    delivered_to: str


@attrs.frozen(kw_only=True)
class OrderCancelled(Event):
    """The order will not be delivered; its stock is back. `refund_initiated`: RefundDue was emitted with it."""

    event_type: ClassVar[str] = "order.cancelled"
    aggregate_type: ClassVar[str] = "order"
    aggregate_key: ClassVar[str] = "order_id"

    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    cancelled_at: datetime
    reason: str
    refund_initiated: bool


@attrs.frozen(kw_only=True)
class RefundDue(Event):
    """Money is held for an order that is cancelled: it was paid before, or its payment arrived too late.

    Emitted once a payment. Whoever moves money answers it with `payment.refunded`.
    """

    event_type: ClassVar[str] = "order.refund_due"
    aggregate_type: ClassVar[str] = "order"
    aggregate_key: ClassVar[str] = "order_id"

    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    payment_id: UUID
    reason: str


@attrs.frozen(kw_only=True)
class PaymentInitiated(Event):
    """An online payment is awaited for a new order."""

    event_type: ClassVar[str] = "payment.initiated"
    aggregate_type: ClassVar[str] = "payment"
    aggregate_key: ClassVar[str] = "payment_id"

    payment_id: UUID
    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    method: str


@attrs.frozen(kw_only=True)
class PaymentCompleted(Event):
    """The provider captured the money. Emitted by whoever verified that with the provider, never by a client's word."""

    event_type: ClassVar[str] = "payment.completed"
    aggregate_type: ClassVar[str] = "payment"
    aggregate_key: ClassVar[str] = "payment_id"

    payment_id: UUID
    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    transaction_id: str
    completed_at: datetime


@attrs.frozen(kw_only=True)
class PaymentFailed(Event):
    """The provider refused the payment. The order stays payable until it expires."""

    event_type: ClassVar[str] = "payment.failed"
    aggregate_type: ClassVar[str] = "payment"
    aggregate_key: ClassVar[str] = "payment_id"

    payment_id: UUID
    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    reason: str
    failed_at: datetime


@attrs.frozen(kw_only=True)
class RefundedLine:
    """What of an order was paid back: `amount` in rupees for `quantity` pieces of a product."""

    product_id: UUID
    quantity: int
    amount: float


@attrs.frozen(kw_only=True)
class PaymentRefunded(Event):
    """Money went back to the customer: all of it, or less than was paid. Each `refund_id` counts once.

    `refunded_total`: with all earlier ones, in rupees. `lines`: what it was for, if not for the order as a whole.
    """

    event_type: ClassVar[str] = "payment.refunded"
    aggregate_type: ClassVar[str] = "payment"
    aggregate_key: ClassVar[str] = "payment_id"

    payment_id: UUID
    order_id: UUID
    order_number: str
    user_id: UUID
    amount: float
    refund_id: str
    refunded_at: datetime
    refunded_total: float | None = None
    lines: list[RefundedLine] = attrs.field(factory=list)
    reason: str = ""
