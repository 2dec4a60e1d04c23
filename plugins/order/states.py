"""Where an order and its payment may go, and by which words people say it. Pure: no I/O, no clock."""

from enum import StrEnum

import attrs


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


METHOD_NAMES = {
    "creditCard": "CARD",
    "debitCard": "CARD",
    "netBanking": "NET_BANKING",
    "netbanking": "NET_BANKING",
}
"""Names that the app uses beside the enum's own; case does not matter (CONTRACT B.6)."""

MOVES: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.CONFIRMED, Status.CANCELLED}),
    Status.CONFIRMED: frozenset({Status.PROCESSING, Status.CANCELLED}),
    # A shop without a packing step goes straight from packing to the road.
    Status.PROCESSING: frozenset({Status.READY_FOR_PICKUP, Status.OUT_FOR_DELIVERY, Status.CANCELLED}),
    Status.READY_FOR_PICKUP: frozenset({Status.OUT_FOR_DELIVERY, Status.CANCELLED}),
    Status.OUT_FOR_DELIVERY: frozenset({Status.DELIVERED}),
    Status.DELIVERED: frozenset({Status.REFUNDED}),
    Status.CANCELLED: frozenset({Status.REFUNDED}),
    Status.REFUNDED: frozenset(),
}
OWNER_CANCELS = frozenset({Status.PENDING, Status.CONFIRMED})
"""From here the customer may cancel; the shop may as long as MOVES allows it."""

FORWARD = tuple(Payment)
"""Payments move to the right only: a late or repeated notice never takes one back (RELIABILITY 4.14).
A failed payment may still complete, when the provider captured a second attempt."""

KEYS = {
    Status.OUT_FOR_DELIVERY: "in_transit",
    Status.DELIVERED: "delivered",
    Status.CANCELLED: "cancelled",
    Status.REFUNDED: "cancelled",
}
LABELS = {
    Status.PENDING: "Pending",
    Status.CONFIRMED: "Pending",
    Status.PROCESSING: "Processing",
    Status.READY_FOR_PICKUP: "Processing",
    Status.OUT_FOR_DELIVERY: "Shipped",
    Status.DELIVERED: "Delivered",
    Status.CANCELLED: "Cancelled",
    Status.REFUNDED: "Refunded",
}


class NotAllowed(ValueError):
    """A move that the state machine does not have."""


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


def advance(state: State, to: Status) -> State:
    """The state after a move, or NotAllowed. Cash is paid on delivery; only settled orders are confirmed."""
    if to not in MOVES[state.status]:
        raise NotAllowed(f"{state.status} -> {to}")
    if to is Status.CONFIRMED and not state.settled:
        raise NotAllowed("not paid yet")
    if to is Status.REFUNDED:
        if not state.paid:
            raise NotAllowed("nothing was paid")
        return attrs.evolve(state, status=to, payment=Payment.REFUNDED)
    if to is Status.DELIVERED and state.method is Method.COD:
        return attrs.evolve(state, status=to, payment=max(state.payment, Payment.COMPLETED, key=FORWARD.index))
    return attrs.evolve(state, status=to)


def pay(state: State, to: Payment) -> State:
    """The state after news of a payment; the same state when the news is old. Confirms a pending order once paid."""
    if FORWARD.index(to) <= FORWARD.index(state.payment):
        return state
    after = attrs.evolve(state, payment=to)
    return advance(after, Status.CONFIRMED) if after.paid and after.status is Status.PENDING else after


def key(status: Status) -> str:
    """The customer screens' word (CONTRACT A.6)."""
    return KEYS.get(status, "processing")


WORDS = tuple(dict.fromkeys([*map(key, Status), *LABELS.values(), *(status.value for status in Status)]))
"""All three vocabularies. They differ by case alone (`processing`, `Processing`, `PROCESSING`): exact spelling counts,
and any other spelling means the last of them."""


def meanings(word: str) -> tuple[Status, ...]:
    """The statuses that a word of a filter stands for."""
    return tuple(s for s in Status if word in (s.value, LABELS[s], key(s)))


def target(state: State, word: str) -> Status | None:
    """The status that staff mean by a word, or None when the order is there already."""
    exact = [s for s in Status if s.value == word]
    said = exact or [s for s in Status if LABELS[s].casefold() == word.casefold()] or list(meanings(word))
    return None if state.status in said else said[0]
