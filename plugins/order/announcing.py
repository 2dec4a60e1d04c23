"""Which event tells of which status."""

from uuid import UUID

from core.store.db import Tx
from core.types import rupees
from plugins.order.models import Order
from plugins.order.ports import OrderCancelled, OrderConfirmed, OrderDelivered, OrderShipped, RefundDue
from plugins.order.standing import Status


def refund_due(order: Order, payment_id: UUID, reason: str) -> RefundDue:
    """Money is held for an order that will not be delivered: what was not refunded before."""
    return RefundDue(
        order_id=order.id,
        order_number=order.number,
        user_id=order.user_id,
        amount=rupees(order.bill.total - order.refunded),
        payment_id=payment_id,
        reason=reason,
    )


def announce(tx: Tx, order: Order) -> None:
    """The event of the status that an order has just reached. Statuses inside the shop have none (CONTRACT B.8)."""
    number, user_id, amount = order.number, order.user_id, rupees(order.bill.total)
    match order.state.status:
        case Status.CONFIRMED if order.confirmed_at:
            tx.emit(
                OrderConfirmed(
                    order_id=order.id,
                    order_number=number,
                    user_id=user_id,
                    amount=amount,
                    confirmed_at=order.confirmed_at,
                    estimated_delivery=order.estimated_delivery,
                )
            )
        case Status.OUT_FOR_DELIVERY if order.shipped_at:
            tx.emit(
                OrderShipped(
                    order_id=order.id,
                    order_number=number,
                    user_id=user_id,
                    amount=amount,
                    shipped_at=order.shipped_at,
                    tracking_id=order.tracking_id,
                    delivery_partner_id=order.delivery_partner_id,
                )
            )
        case Status.DELIVERED if order.delivered_at:
            tx.emit(
                OrderDelivered(
                    order_id=order.id,
                    order_number=number,
                    user_id=user_id,
                    amount=amount,
                    delivered_at=order.delivered_at,
                    delivered_to=order.address.city,
                )
            )
        case Status.CANCELLED if order.cancelled_at:
            tx.emit(
                OrderCancelled(
                    order_id=order.id,
                    order_number=number,
                    user_id=user_id,
                    amount=amount,
                    cancelled_at=order.cancelled_at,
                    reason=order.cancel_reason or "",
                    refund_initiated=order.state.paid,
                )
            )
