"""Which events people are told about, and in which words."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from core.events.model import Event, EventMeta
from core.events.subscription import Subscription
from core.extensions import Extends, Extension
from core.store.db import Tx
from core.types import INDIA, UserId
from plugins.notification.models import rupee_text
from plugins.notification.ports import TEMPLATES, Telling, Told
from plugins.notification.service import NotificationService
from plugins.notification.templates import BUILT_IN
from plugins.notification.texts import Texts
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

OWN = "notification"
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


def declared() -> Sequence[Extends[Telling[Any]]]:
    """For the hook `extends`: every event of `TOLD` in its built-in texts, contributed as any plugin's."""
    return [
        Extends(TEMPLATES, Telling(name=name, event=event, template=BUILT_IN[name], tell=_tell))
        for event, name in TOLD.items()
    ]


def subscriptions(service: NotificationService, texts: Texts) -> tuple[Subscription, ...]:
    """Every event that is told becomes an entry of its owner; nothing more is sent for an account that is closed.

    The rest of it stays until the account is erased: until then its owner may have it back, choices included.
    """

    async def silence(tx: Tx, event: UserDeleted, _: EventMeta) -> None:
        await service.silence(tx, UserId(event.user_id), event.deleted_at)

    told = (Subscription(_consumer(one.plugin), one.item.event, _teller(service, texts, one)) for one in texts.read())
    return (*told, Subscription(SILENCER, UserDeleted, silence))


def _consumer(plugin: str) -> str:
    return CONSUMER if plugin == OWN else f"{OWN}.{plugin}"


def _teller(
    service: NotificationService, texts: Texts, one: Extension[Telling[Any]]
) -> Callable[[Tx, Any, EventMeta], Awaitable[None]]:
    async def tell(tx: Tx, event: Any, meta: EventMeta) -> None:
        told = texts.told(one, event)
        if told is not None:
            await service.announce(tx, told.user_id, one.item.name, told.words, meta)

    return tell


def _tell(event: Any) -> Told:
    return Told(user_id=UserId(event.user_id), words=variables(event))


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
