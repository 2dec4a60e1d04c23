"""Which events people are told about, and in which words."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from core.events.model import Event, EventMeta
from core.events.subscription import Subscription
from core.store.db import Tx
from core.types import INDIA, UserId
from plugins.notification.models import rupee_text
from plugins.notification.service import NotificationService
from plugins.order.ports import (
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderDelivered,
    OrderShipped,
    PaymentCompleted,
    PaymentFailed,
    PaymentRefunded,
)
from plugins.user.ports import UserDeleted

CONSUMER = "order.notifications"
SILENCER = "user.notifications"
TOLD: dict[type[Event], str] = {
    OrderCreated: "ORDER_PLACED",
    OrderConfirmed: "ORDER_CONFIRMED",
    OrderShipped: "ORDER_SHIPPED",
    OrderDelivered: "ORDER_DELIVERED",
    OrderCancelled: "ORDER_CANCELLED",
    PaymentCompleted: "PAYMENT_SUCCESS",
    PaymentFailed: "PAYMENT_FAILED",
    PaymentRefunded: "PAYMENT_REFUNDED",
}


def subscriptions(service: NotificationService) -> tuple[Subscription, ...]:
    """Every event of `TOLD` becomes an entry of its owner; nothing more is sent for an account that is closed.

    The rest of it stays until the account is erased: until then its owner may have it back, choices included.
    """

    async def silence(tx: Tx, event: UserDeleted, _: EventMeta) -> None:
        await service.silence(tx, UserId(event.user_id))

    told = (Subscription(CONSUMER, event, _teller(service, template)) for event, template in TOLD.items())
    return (*told, Subscription(SILENCER, UserDeleted, silence))


def _teller(service: NotificationService, template: str) -> Callable[[Tx, Any, EventMeta], Awaitable[None]]:
    async def tell(tx: Tx, event: Any, meta: EventMeta) -> None:
        await service.announce(tx, UserId(event.user_id), template, variables(event), meta)

    return tell


def variables(event: Any) -> dict[str, str]:
    """The words for the texts, and the order that a tap opens. Amounts come in rupees."""
    words = {
        "orderId": str(event.order_id),
        "orderNumber": event.order_number,
        "amount": rupee_text(round(event.amount * 100)),
    }
    if isinstance(event, OrderConfirmed):
        words["expected"] = f"on {_day(event.estimated_delivery)}"
    if isinstance(event, OrderCancelled):
        words["refund"] = " Your money is on its way back to you." if event.refund_initiated else ""
    return words


def _day(moment: datetime) -> str:
    """In the shop's own zone: Mon 24 Nov."""
    local = moment.astimezone(INDIA)
    return f"{local:%a} {local.day} {local:%b}"
