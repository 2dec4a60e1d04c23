"""What an order is and what it costs. Pure: no I/O, no clock."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from core.types import Paise
from plugins.order.states import State, Status

MAX_QUANTITY = 99
"""Pieces of one product in one order; the app's own limit (CONTRACT B.5)."""


@attrs.frozen(kw_only=True)
class OrderSettings:
    """Section [order]. Amounts in paise; `payment_minutes` is how long an unpaid online order holds its stock."""

    minimum_paise: int = 19_900
    delivery_fee_paise: int = 4_000
    free_delivery_paise: int = 50_000
    delivery_hours: int = 24
    payment_minutes: int = 15
    schedule_days: int = 30


@attrs.frozen(kw_only=True)
class Item:
    """One line of an order, as it was when placed."""

    product_id: UUID
    name: str
    image: str
    unit: str
    unit_price: Paise
    quantity: int

    @property
    def total(self) -> Paise:
        """Of the line."""
        return Paise(self.unit_price * self.quantity)


@attrs.frozen(kw_only=True)
class Bill:
    """What an order costs."""

    subtotal: Paise
    delivery_fee: Paise
    discount: Paise

    @property
    def total(self) -> Paise:
        """What the customer pays."""
        return Paise(self.subtotal + self.delivery_fee - self.discount)


def price(items: Iterable[Item], terms: OrderSettings) -> Bill:
    """The bill of these lines: delivery is free from an amount on."""
    subtotal = Paise(sum(item.total for item in items))
    fee = 0 if subtotal >= terms.free_delivery_paise else terms.delivery_fee_paise
    return Bill(subtotal=subtotal, delivery_fee=Paise(fee), discount=Paise(0))


def merge(lines: Iterable[tuple[UUID, int]]) -> dict[UUID, int]:
    """Quantities by product, in the order in which the products were first named."""
    wanted: dict[UUID, int] = {}
    for product_id, quantity in lines:
        wanted[product_id] = wanted.get(product_id, 0) + quantity
    return wanted


@attrs.frozen(kw_only=True)
class DoorInstructions:
    """What the person at the door should know."""

    special_notes: str | None = None
    security_code: str | None = None
    preferred_time_slot: str | None = None


@attrs.frozen(kw_only=True)
class Address:
    """Where an order goes, kept with the order: later edits of the customer's address do not change it."""

    full_name: str
    phone_number: str
    address_line1: str
    address_line2: str
    landmark: str
    city: str
    state: str
    pin_code: str
    country: str
    type: str
    latitude: float | None = None
    longitude: float | None = None
    delivery_instructions: DoorInstructions | None = None

    @property
    def line(self) -> str:
        """All of it but name and phone on one line, as the app shows it."""
        parts = (self.address_line1, self.address_line2, self.landmark, self.city, f"{self.state} {self.pin_code}")
        return ", ".join(part.strip() for part in parts if part.strip())


@attrs.frozen(kw_only=True)
class Draft:
    """An order that is decided but not placed: it has no number and no time yet."""

    id: UUID
    payment_id: UUID | None
    """Of the payment to await; None when it is paid at the door."""
    state: State
    items: Sequence[Item]
    bill: Bill
    address: Address
    scheduled_for: datetime | None
    delivery_slot: str | None
    note: str | None


@attrs.frozen(kw_only=True)
class Entry:
    """One entry of a timeline."""

    event: str
    status: Status
    at: datetime
    notes: str | None


@attrs.frozen(kw_only=True)
class Order:
    """An order with all that answers show."""

    id: UUID
    user_id: UUID
    number: str
    state: State
    bill: Bill
    items: Sequence[Item]
    address: Address
    scheduled_for: datetime | None
    estimated_delivery: datetime
    delivery_slot: str | None
    note: str | None
    tracking_id: str | None
    delivery_partner_id: str | None
    cancel_reason: str | None
    created_at: datetime
    confirmed_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    cancelled_at: datetime | None
    timeline: Sequence[Entry]
