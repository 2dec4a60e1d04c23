"""What an order is and what it costs. Pure: no I/O, no clock."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import attrs

from core.types import Paise
from plugins.order.contributions import Charge, Explained, Item, Phase
from plugins.order.standing import State, Status

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


GOODS, DELIVERY, DISCOUNT = "goods", "delivery", "discount"
"""Codes of the lines that the order domain itself explains."""


@attrs.frozen(kw_only=True)
class Bill:
    """What an order costs: the sum of its explained lines."""

    charges: tuple[Explained, ...]

    @classmethod
    def of(cls, *, subtotal: Paise, delivery_fee: Paise, discount: Paise) -> "Bill":
        """Of an order from the time before lines were explained."""
        lines = (
            (Phase.BASE, GOODS, "Items", subtotal),
            (Phase.FEE, DELIVERY, "Delivery", delivery_fee),
            (Phase.DISCOUNT, DISCOUNT, "Discount", Paise(-discount)),
        )
        return cls(
            charges=tuple(
                Explained(phase=phase, plugin="order", charge=Charge(code=code, label=label, amount=amount))
                for phase, code, label, amount in lines
                if amount or phase is Phase.BASE
            )
        )

    def sum_of(self, phase: Phase) -> Paise:
        """What one phase comes to."""
        return Paise(sum(one.charge.amount for one in self.charges if one.phase is phase))

    @property
    def subtotal(self) -> Paise:
        """The goods."""
        return self.sum_of(Phase.BASE)

    @property
    def delivery_fee(self) -> Paise:
        """Delivery and every other fee: the app knows one."""
        return self.sum_of(Phase.FEE)

    @property
    def discount(self) -> Paise:
        """What was taken off, as the app has it: not below zero."""
        return Paise(-self.sum_of(Phase.DISCOUNT))

    @property
    def total(self) -> Paise:
        """What the customer pays."""
        return Paise(sum(one.charge.amount for one in self.charges))

    def of_line(self, product_id: UUID, price: Paise) -> Paise:
        """What explains one line: its price with the charges that name it."""
        named = sum(one.charge.amount for one in self.charges if one.charge.product_id == product_id)
        return Paise(max(0, price + named))

    @property
    def beside_goods(self) -> Paise:
        """What is paid for no line: fees, tax and rounding of the whole order."""
        whole = (one for one in self.charges if one.charge.product_id is None)
        beside = sum(one.charge.amount for one in whole if one.phase not in (Phase.BASE, Phase.DISCOUNT))
        return Paise(min(max(0, beside), self.total))


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
class Refund:
    """Money that went back. `lines`: product, pieces and amount of what it was for; none for the order as a whole."""

    id: str
    amount: Paise
    lines: Sequence[tuple[UUID, int, Paise]]
    reason: str | None
    at: datetime


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
    refunded: Paise
    refunds: Sequence[Refund]
