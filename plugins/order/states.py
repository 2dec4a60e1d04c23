"""By which words people say where an order stands and how it is paid. Pure."""

from plugins.order.standing import State, Status

METHOD_NAMES = {
    "creditCard": "CARD",
    "debitCard": "CARD",
    "netBanking": "NET_BANKING",
    "netbanking": "NET_BANKING",
}
"""Names that the app uses beside the enum's own; case does not matter (CONTRACT B.6)."""

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
