"""What answers look like: always the full order, because the app parses nothing less (CONTRACT A.6)."""

from datetime import UTC, datetime
from typing import Annotated

import attrs

from core.http.fields import Moment
from core.types import Rupees, rupees
from plugins.order.contributions import Explained, Item
from plugins.order.models import Address, DoorInstructions, Entry, Order, Refund
from plugins.order.states import LABELS, key

Time = Annotated[str, Moment()]
"""A time as text: the SQL function that places an order writes the same form, so both paths answer the same bytes."""


def stamp(at: datetime) -> str:
    """UTC, six digits, Z: what `orders.stamp` writes."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _maybe(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


@attrs.frozen(kw_only=True)
class OrderItemView:
    """One line, money in rupees."""

    product_id: str
    product_name: str
    product_image: str
    unit: str
    unit_price: Rupees
    quantity: int
    total: Rupees

    @classmethod
    def of(cls, item: Item) -> "OrderItemView":
        """From the entity."""
        return cls(
            product_id=str(item.product_id),
            product_name=item.name,
            product_image=item.image,
            unit=item.unit,
            unit_price=rupees(item.unit_price),
            quantity=item.quantity,
            total=rupees(item.total),
        )


@attrs.frozen(kw_only=True)
class TimelineEntry:
    """One entry of the timeline."""

    event: str
    status: str
    timestamp: Time
    notes: str | None

    @classmethod
    def of(cls, entry: Entry) -> "TimelineEntry":
        """From the entity."""
        return cls(event=entry.event, status=entry.status.value, timestamp=stamp(entry.at), notes=entry.notes)


@attrs.frozen(kw_only=True)
class ChargeView:
    """One explained line of the bill; below zero for what it takes off. Their sum is the total."""

    code: str
    label: str
    amount: Rupees

    @classmethod
    def of(cls, one: Explained) -> "ChargeView":
        """From the entity."""
        return cls(code=one.charge.code, label=one.charge.label, amount=rupees(one.charge.amount))


@attrs.frozen(kw_only=True)
class RefundedItemView:
    """What a refund was for."""

    product_id: str
    quantity: int
    amount: Rupees


@attrs.frozen(kw_only=True)
class OrderRefundView:
    """Money that went back. Without items it was for the order as a whole."""

    id: str
    amount: Rupees
    reason: str | None
    items: list[RefundedItemView]
    refunded_at: Time

    @classmethod
    def of(cls, refund: Refund) -> "OrderRefundView":
        """From the entity."""
        items = [
            RefundedItemView(product_id=str(product), quantity=quantity, amount=rupees(amount))
            for product, quantity, amount in refund.lines
        ]
        return cls(
            id=refund.id, amount=rupees(refund.amount), reason=refund.reason, items=items, refunded_at=stamp(refund.at)
        )


@attrs.frozen(kw_only=True)
class OrderAddressDetails:
    """The address in parts, under both of its names where two clients differ (CONTRACT A.8)."""

    full_name: str
    phone_number: str
    address_line1: str
    address_line2: str
    landmark: str
    city: str
    state: str
    pin_code: str
    pincode: str
    country: str
    type: str
    label: str
    latitude: float | None
    longitude: float | None
    delivery_instructions: DoorInstructions | None

    @classmethod
    def of(cls, address: Address) -> "OrderAddressDetails":
        """From the entity."""
        return cls(
            full_name=address.full_name,
            phone_number=address.phone_number,
            address_line1=address.address_line1,
            address_line2=address.address_line2,
            landmark=address.landmark,
            city=address.city,
            state=address.state,
            pin_code=address.pin_code,
            pincode=address.pin_code,
            country=address.country,
            type=address.type,
            label=address.type.capitalize(),
            latitude=address.latitude,
            longitude=address.longitude,
            delivery_instructions=address.delivery_instructions,
        )


@attrs.frozen(kw_only=True)
class OrderView:
    """An order. `item_count` counts pieces, as the cart's does; `delivery_address` is one line of text."""

    id: str
    order_number: str
    user_id: str
    status: str
    status_key: str
    status_label: str
    items: list[OrderItemView]
    item_count: int
    subtotal: Rupees
    delivery_fee: Rupees
    discount: Rupees
    total: Rupees
    charges: list[ChargeView]
    refunded_amount: Rupees
    refunds: list[OrderRefundView]
    payment_method: str
    payment_status: str
    delivery_address: str
    delivery_address_details: OrderAddressDetails
    scheduled_delivery_date: Time
    estimated_delivery: Time
    delivery_slot: str | None
    customer_note: str | None
    tracking_id: str | None
    delivery_partner_id: str | None
    cancellation_reason: str | None
    created_at: Time
    confirmed_at: Time | None
    shipped_at: Time | None
    delivered_at: Time | None
    cancelled_at: Time | None
    timeline: list[TimelineEntry]

    @classmethod
    def of(cls, order: Order) -> "OrderView":
        """From the entity."""
        state, bill = order.state, order.bill
        return cls(
            id=str(order.id),
            order_number=order.number,
            user_id=str(order.user_id),
            status=state.status.value,
            status_key=key(state.status),
            status_label=LABELS[state.status],
            items=[OrderItemView.of(item) for item in order.items],
            item_count=sum(item.quantity for item in order.items),
            subtotal=rupees(bill.subtotal),
            delivery_fee=rupees(bill.delivery_fee),
            discount=rupees(bill.discount),
            total=rupees(bill.total),
            charges=[ChargeView.of(one) for one in bill.charges],
            refunded_amount=rupees(order.refunded),
            refunds=[OrderRefundView.of(refund) for refund in order.refunds],
            payment_method=state.method.value,
            payment_status=state.payment.value,
            delivery_address=order.address.line,
            delivery_address_details=OrderAddressDetails.of(order.address),
            scheduled_delivery_date=stamp(order.scheduled_for or order.estimated_delivery),
            estimated_delivery=stamp(order.estimated_delivery),
            delivery_slot=order.delivery_slot,
            customer_note=order.note,
            tracking_id=order.tracking_id,
            delivery_partner_id=order.delivery_partner_id,
            cancellation_reason=order.cancel_reason,
            created_at=stamp(order.created_at),
            confirmed_at=_maybe(order.confirmed_at),
            shipped_at=_maybe(order.shipped_at),
            delivered_at=_maybe(order.delivered_at),
            cancelled_at=_maybe(order.cancelled_at),
            timeline=[TimelineEntry.of(entry) for entry in order.timeline],
        )


@attrs.frozen(kw_only=True)
class OneOrder:
    """Answer with one order."""

    order: OrderView


@attrs.frozen(kw_only=True)
class OrderPage:
    """Answer with a page of orders, newest first."""

    orders: list[OrderView]
