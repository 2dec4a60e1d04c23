"""What a payment and its refunds are. Pure: no I/O, no clock."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import attrs

from core.types import Paise
from plugins.payment.ports import RETURNED, Attempt, AttemptState, RefundState, Started, Way
from plugins.payment.states import State

CURRENCY = "INR"
CASH = "cash"
"""The provider of what is paid at the door: nobody."""
ATTEMPTS = tuple(AttemptState)
REFUNDS = (RefundState.PENDING, RefundState.FAILED, RefundState.PROCESSED)
"""Forward only, to the right."""


@attrs.frozen(kw_only=True)
class Payment:
    """What an order asks of a customer, and how far that came."""

    id: UUID
    order_id: UUID
    order_number: str
    user_id: UUID
    method: str
    provider: str
    amount: Paise
    currency: str
    state: State
    captured: Paise
    """By the attempt that completed it; what came twice is not counted."""
    refunded: Paise
    """Of `captured`, refunds that are under way included."""
    started: Started | None
    way: Way
    upi_id: str | None = attrs.field(repr=False)
    """Whom the provider is to ask, until it was told to. It names a person, and so does `client`."""
    client: str | None = attrs.field(repr=False)
    gateway_payment_id: str | None
    """Of the attempt that completed it."""
    failure: str | None
    flag: str | None
    """Why people have to look at it."""
    asking: bool
    """The provider is being asked for a way to pay."""
    closed: bool
    """The order is cancelled: nothing more is to be collected."""
    created_at: datetime
    completed_at: datetime | None


@attrs.frozen(kw_only=True)
class KnownAttempt:
    """A try to pay, as kept here."""

    gateway_payment_id: str
    provider: str
    payment_id: UUID
    amount: Paise
    currency: str
    state: AttemptState
    refunded: Paise
    reason: str | None = None


class Why(StrEnum):
    """What a refund is for."""

    ORDER_CANCELLED = "order_cancelled"
    PAID_TWICE = "paid_twice"
    WHOLE = "whole"
    LINES = "lines"
    MISSING = "missing"
    OUTSIDE = "settled_outside"
    """Cash, or a transfer by hand: no provider is asked."""
    AT_PROVIDER = "made_at_provider"
    """Somebody made it in the provider's own console."""


@attrs.frozen(kw_only=True)
class Refund:
    """Money on its way back."""

    id: UUID
    payment_id: UUID
    provider: str
    gateway_payment_id: str
    amount: Paise
    why: Why
    lines: Sequence["RefundLine"] = ()
    state: RefundState = RefundState.PENDING
    gateway_refund_id: str | None = None
    created_at: datetime | None = None
    """The database's time, None before it is written down."""
    finished_at: datetime | None = None


@attrs.frozen(kw_only=True)
class RefundLine:
    """Pieces of one product of an order that are refunded, and what for them."""

    product_id: UUID
    quantity: int
    amount: Paise


@attrs.frozen(kw_only=True)
class Line:
    """One line of an order: what is paid for one product."""

    product_id: UUID
    quantity: int
    total: Paise
    """Of all pieces, before anything that concerns the whole order."""


@attrs.frozen(kw_only=True)
class Wanted:
    """What staff want to give back. Amounts are never theirs to name: they follow from the order."""

    why: Why
    pieces: Mapping[UUID, int]
    """By product, for LINES and MISSING."""
    outside: bool = False
    """It was settled by hand, in cash or by transfer: no provider is asked."""


@attrs.frozen(kw_only=True)
class NewMethod:
    """A way to pay that a customer wants to keep."""

    type: str
    token: str | None = attrs.field(repr=False)
    """The provider's own word for a card or wallet, or a UPI address; never a number."""
    last_four: str | None
    card_type: str | None
    bank_name: str | None
    wallet_type: str | None
    is_default: bool


@attrs.frozen(kw_only=True)
class SavedMethod:
    """A way to pay that a customer keeps."""

    id: UUID
    type: str
    token: str | None = attrs.field(repr=False)
    last_four: str | None
    card_type: str | None
    bank_name: str | None
    wallet_type: str | None
    is_default: bool
    created_at: datetime
    updated_at: datetime


class NotThatMany(ValueError):
    """More pieces than are left of a product."""

    def __init__(self, product_id: UUID, left: int) -> None:
        super().__init__(f"{left} left of {product_id}")
        self.product_id, self.left = product_id, left


class Verdict(StrEnum):
    """What news of an attempt means."""

    OLD = "old"
    """It was known, or was overtaken by what is known."""
    NOTED = "noted"
    FAILED = "failed"
    AUTHORIZED = "authorized"
    COMPLETED = "completed"
    """The payment is paid by it."""
    PAID_TWICE = "paid twice"
    """Another attempt paid already: this money goes back."""
    MISMATCH = "mismatch"
    """It is not what was asked for: nothing is confirmed, and people look at it."""


def judge(payment: Payment, known: KnownAttempt | None, news: Attempt) -> Verdict:
    """What news of an attempt means for its payment. Amount, currency and payment must match (RELIABILITY 4.14)."""
    if known is not None and known.payment_id != payment.id:
        return Verdict.MISMATCH
    if known is not None and _reached(news) <= _reached(known):
        return Verdict.OLD
    asked = news.amount == payment.amount and news.currency == payment.currency
    match news.state:
        case AttemptState.CAPTURED if payment.state is State.CAPTURED and news.currency == payment.currency:
            return Verdict.PAID_TWICE
        case AttemptState.CAPTURED:
            return Verdict.COMPLETED if asked else Verdict.MISMATCH
        case AttemptState.AUTHORIZED:
            return Verdict.AUTHORIZED if asked else Verdict.MISMATCH
        case AttemptState.FAILED:
            return Verdict.FAILED
        case AttemptState.CREATED:
            return Verdict.NOTED


def returned(attempt: Attempt | KnownAttempt) -> bool:
    """Whether the provider gave it back by itself: it never was ours."""
    return attempt.state is AttemptState.FAILED and attempt.reason == RETURNED


def _reached(attempt: Attempt | KnownAttempt) -> tuple[int, bool]:
    """How far it came. What was given back was held before: it is further than that, and not as far as captured."""
    back = returned(attempt)
    return ATTEMPTS.index(AttemptState.AUTHORIZED if back else attempt.state), back


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Shares of an amount by weight, in whole paise, that add up to it: largest remainder, first come on a tie."""
    whole = sum(weights)
    if whole <= 0:
        return [0] * len(weights)
    shares = [amount * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % whole), i))
    for i in order[: amount - sum(shares)]:
        shares[i] += 1
    return shares


def worth(
    lines: Sequence[Line], goods: Paise, wanted: Mapping[UUID, int], gone: Mapping[UUID, int]
) -> Sequence[RefundLine]:
    """What was paid for these pieces: their part of `goods`, which is what was paid for all lines together.

    `gone` are pieces refunded before. The pieces of a line add up to the line's part however they are cut. Raises
    NotThatMany for pieces that the order does not have any more.
    """
    parts = dict(zip((line.product_id for line in lines), split(goods, [line.total for line in lines]), strict=True))
    quantities = {line.product_id: line.quantity for line in lines}
    found = []
    for product_id, pieces in wanted.items():
        before, all_ = gone.get(product_id, 0), quantities.get(product_id, 0)
        if before + pieces > all_:
            raise NotThatMany(product_id, all_ - before)
        amount = parts[product_id] * (before + pieces) // all_ - parts[product_id] * before // all_
        found.append(RefundLine(product_id=product_id, quantity=pieces, amount=Paise(amount)))
    return found
