"""What other domains may contribute to orders: price adjusters, checkout checks, transitions, ways to pay.

The order domain's own rules are contributed in the same way (builtin.py), so there is one way for all of them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import attrs

from core.errors import Code
from core.types import Paise, UserId
from plugins.order.standing import Actor, Method, State, Status


class Phase(StrEnum):
    """When an adjuster runs: one phase after the other, in this order, and within one in the plugins' order.

    No phase's sum may point the wrong way: base, fee and tax never end below zero, discounts never above; rounding
    stays below a rupee; and what is to be paid never falls below zero.
    """

    BASE = "base"
    DISCOUNT = "discount"
    FEE = "fee"
    TAX = "tax"
    ROUNDING = "rounding"


@attrs.frozen(kw_only=True)
class Charge:
    """One line that explains a part of the total."""

    code: str
    """For machines: lower-case words joined by dots or underscores, such as `delivery`."""
    label: str
    """For the customer."""
    amount: Paise
    """What it adds; below zero for what it takes off."""
    product_id: UUID | None = None
    """The line that it concerns; None when it concerns the order."""
    coupon: str | None = None
    """The coupon that it redeems. A coupon that no line redeems refuses the order."""


@attrs.frozen(kw_only=True)
class Explained:
    """A charge, the phase that it came from, and the plugin that explains it."""

    phase: Phase
    plugin: str
    charge: Charge


@attrs.frozen(kw_only=True)
class Item:
    """One line of an order, as it was when placed: at the catalogue's price."""

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
class Purchase:
    """What a customer is about to order, without name, phone or street. `charges` is what earlier adjusters made."""

    user_id: UserId
    items: Sequence[Item]
    method: Method
    city: str
    state: str
    pin_code: str
    scheduled_for: datetime | None
    delivery_slot: str | None
    coupon: str | None
    charges: tuple[Explained, ...] = ()

    def sum_of(self, phase: Phase) -> Paise:
        """What one phase comes to so far."""
        return Paise(sum(one.charge.amount for one in self.charges if one.phase is phase))

    @property
    def subtotal(self) -> Paise:
        """The goods."""
        return self.sum_of(Phase.BASE)

    @property
    def total(self) -> Paise:
        """What is to be paid so far."""
        return Paise(sum(one.charge.amount for one in self.charges))


@attrs.frozen(kw_only=True)
class PriceAdjuster:
    """Adds lines to a bill. `adjust` is pure and quick: it asks no store, and is asked again while prices move.

    What an optional plugin's adjuster gets wrong (it raises, answers no whole paise, or would turn a sum the wrong
    way) is left out whole and counted against the plugin; a required plugin's fails the request.
    """

    phase: Phase
    adjust: Callable[[Purchase], Sequence[Charge]]


@attrs.frozen(kw_only=True)
class CheckoutProblem:
    """Why an order cannot be placed, and what its customer can do. `code` is a 4xx, never 401."""

    code: Code
    remedy: str
    message: str | None = None
    """None: the code's own."""
    product_id: UUID | None = None
    """The line that it is about; None for the order."""
    details: Mapping[str, object] | None = None
    """Public, as a Problem's."""


CheckoutCheck = Callable[[Purchase], Awaitable[Sequence[CheckoutProblem]]]
"""Asked before an order is placed, with its whole bill. All problems of all checks are answered at once.

It may read, within half a second in an optional plugin. One that raises is left out and counted, unless its plugin is
required.
"""


@attrs.frozen
class Guard:
    """A named condition on a move. Pure."""

    name: str
    allows: Callable[[State], bool]


ALWAYS = Guard("always", lambda _: True)
SETTLED = Guard("settled", lambda state: state.settled)
PAID = Guard("paid", lambda state: state.paid)


@attrs.frozen(kw_only=True)
class Transition:
    """A move that orders may make, and who may make it.

    Declaring one that is there already is fine when guard and people are the same, and refused when they are not.
    """

    start: Status
    end: Status
    by: frozenset[Actor]
    guard: Guard = ALWAYS

    def same(self, other: "Transition") -> bool:
        """Whether two declarations of one move agree."""
        return (self.by, self.guard.name) == (other.by, other.guard.name)


class PaymentMethods(Protocol):
    """Ways to pay that a plugin can collect."""

    def offered(self) -> frozenset[str]:
        """Those that it can collect now, as values of Method. Pure and quick: from memory."""
        ...
