"""Encoding an order before it is placed: its answer and events, with a mark where only the database knows the text."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

import attrs
import orjson

from core.convert import wire
from core.events.model import Event
from core.types import Paise, rupees
from plugins.order.models import Address, DoorInstructions, Draft, Entry, Order
from plugins.order.placing_queries import Prepared
from plugins.order.ports import OrderCreated, OrderedItem, PaymentInitiated
from plugins.order.views import OneOrder, OrderView
from plugins.user.ports import AddressView

NEVER = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for times that only the database knows; the mark replaces it before anything is encoded."""


def prepared(user_id: UUID, draft: Draft) -> Prepared:
    """Everything encoded. No client can know the mark, so none can have it replaced in a text of its own."""
    mark = secrets.token_hex(16)
    view = OrderView.of(_unnumbered(user_id, draft))
    due = view.scheduled_delivery_date if draft.scheduled_for else mark + "E"
    entry = attrs.evolve(view.timeline[0], timestamp=mark + "T")
    view = attrs.evolve(
        view,
        order_number=mark + "N",
        created_at=mark + "T",
        scheduled_delivery_date=due,
        estimated_delivery=due,
        timeline=[entry],
    )
    return Prepared(
        draft=draft, answer=wire.dump(OneOrder(order=view)), events=_events(user_id, draft, mark + "N"), mark=mark
    )


def _unnumbered(user_id: UUID, draft: Draft) -> Order:
    return Order(
        id=draft.id,
        user_id=user_id,
        number="",
        state=draft.state,
        bill=draft.bill,
        items=draft.items,
        address=draft.address,
        scheduled_for=draft.scheduled_for,
        estimated_delivery=draft.scheduled_for or NEVER,
        delivery_slot=draft.delivery_slot,
        note=draft.note,
        tracking_id=None,
        delivery_partner_id=None,
        cancel_reason=None,
        created_at=NEVER,
        confirmed_at=None,
        shipped_at=None,
        delivered_at=None,
        cancelled_at=None,
        timeline=[Entry(event="order_created", status=draft.state.status, at=NEVER, notes=None)],
        refunded=Paise(0),
        refunds=(),
    )


def _events(user_id: UUID, draft: Draft, number: str) -> list[Event]:
    total, address = rupees(draft.bill.total), draft.address
    area = {"city": address.city, "state": address.state, "pinCode": address.pin_code}
    created = OrderCreated(
        order_id=draft.id,
        order_number=number,
        user_id=user_id,
        amount=total,
        items=[
            OrderedItem(product_id=i.product_id, quantity=i.quantity, price=rupees(i.unit_price)) for i in draft.items
        ],
        total_amount=total,
        payment_method=draft.state.method,
        delivery_address=orjson.dumps(area).decode(),
    )
    if draft.payment_id is None:
        return [created]
    initiated = PaymentInitiated(
        payment_id=draft.payment_id,
        order_id=draft.id,
        order_number=number,
        user_id=user_id,
        amount=total,
        method=draft.state.method,
    )
    return [created, initiated]


def kept(view: AddressView) -> Address:
    """A stored address as the order keeps it."""
    texts = (view.special_notes, view.security_code, view.preferred_time_slot)
    door = DoorInstructions(special_notes=texts[0], security_code=texts[1], preferred_time_slot=texts[2])
    return Address(
        full_name=view.full_name,
        phone_number=view.phone,
        address_line1=view.line1,
        address_line2=view.line2,
        landmark=view.landmark or "",
        city=view.city,
        state=view.state,
        pin_code=view.pincode,
        country=view.country,
        type=view.kind,
        latitude=view.latitude,
        longitude=view.longitude,
        delivery_instructions=door if any(texts) else None,
    )
