"""Where an order and its payment stand, and who moves it: words that the door shows to other domains. Pure."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

import attrs

from core.types import Paise, UserId


class Status(StrEnum):
    """Where an order stands (CONTRACT B.6)."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    PROCESSING = "PROCESSING"
    READY_FOR_PICKUP = "READY_FOR_PICKUP"
    OUT_FOR_DELIVERY = "OUT_FOR_DELIVERY"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"
    REFUNDED = "REFUNDED"


class Method(StrEnum):
    """How a customer pays."""

    COD = "COD"
    UPI = "UPI"
    CARD = "CARD"
    NET_BANKING = "NET_BANKING"
    WALLET = "WALLET"


class Payment(StrEnum):
    """Where the money stands."""

    PENDING = "PENDING"
    PROCESSING = "PROCESSING"
    FAILED = "FAILED"
    COMPLETED = "COMPLETED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"


class Actor(StrEnum):
    """Who moves an order."""

    CUSTOMER = "user"
    STAFF = "admin"
    SYSTEM = "system"


@attrs.frozen
class State:
    """All that decides which moves an order has."""

    status: Status
    method: Method
    payment: Payment

    @property
    def paid(self) -> bool:
        """The shop holds the money."""
        return self.payment in (Payment.COMPLETED, Payment.PARTIALLY_REFUNDED)

    @property
    def settled(self) -> bool:
        """Paid, or to be paid at the door."""
        return self.paid or self.method is Method.COD


@attrs.frozen(kw_only=True)
class OrderLine:
    """A product of an order, at what it was sold for."""

    product_id: UUID
    quantity: int
    total: Paise
    """Its price with the charges that name it; not below zero."""


@attrs.frozen(kw_only=True)
class OrderSummary:
    """An order as other domains see it. Words are values of Method, Status and Payment."""

    id: UUID
    user_id: UserId
    number: str
    method: str
    status: str
    payment_status: str
    total: Paise
    delivery_fee: Paise
    """All of the total that is not goods less discounts: delivery and other fees, tax, rounding. What names a line is
    that line's."""
    refunded: Paise
    lines: Sequence[OrderLine]
