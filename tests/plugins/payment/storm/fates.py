"""What becomes of orders at the bank, and what must be true of them in the end."""

from enum import StrEnum

import attrs

from tests.providers.razorpay_book import Book, Entity


class Fate(StrEnum):
    """One order's. The numbers are parts of a hundred."""

    PAID = "paid"
    LATER = "declined, then paid"
    HELD = "authorized: the shop takes it"
    DECLINED = "declined"
    RETURNED = "paid and cancelled"
    SILENT = "paid, and no webhook comes"


SHARES = {
    Fate.PAID: 45,
    Fate.LATER: 20,
    Fate.HELD: 10,
    Fate.DECLINED: 12,
    Fate.RETURNED: 10,
    Fate.SILENT: 3,
}
EVENTS = {
    Fate.PAID: 3,
    Fate.LATER: 4,
    Fate.HELD: 3,
    Fate.DECLINED: 1,
    Fate.RETURNED: 5,
    Fate.SILENT: 0,
}
"""How many are told of each."""
CONFIRMED = ("CONFIRMED", "COMPLETED", "CAPTURED")
ENDS = {
    Fate.PAID: CONFIRMED,
    Fate.LATER: CONFIRMED,
    Fate.HELD: CONFIRMED,
    Fate.DECLINED: ("PENDING", "FAILED", "FAILED"),
    Fate.RETURNED: ("REFUNDED", "REFUNDED", "CAPTURED"),
    Fate.SILENT: CONFIRMED,
}
"""Status and payment status of the order, and state of the payment."""


@attrs.frozen(kw_only=True)
class Bought:
    """An order of a customer, and what will become of it."""

    id: str
    number: str
    token: str
    """Of its owner, for cancelling."""
    gateway_order_id: str
    fate: Fate


def happen(book: Book, bought: Bought) -> None:
    """What customer and bank do; Razorpay notes its events."""
    order = book.orders[bought.gateway_order_id]
    if bought.fate in (Fate.LATER, Fate.DECLINED):
        book.decline(_pay(book, order)["id"])
    if bought.fate is Fate.DECLINED:
        return
    payment = book.authorize(_pay(book, order)["id"])
    if bought.fate is not Fate.HELD:
        book.capture(payment["id"], {"amount": order["amount"], "currency": "INR"})


def _pay(book: Book, order: Entity) -> Entity:
    return book.pay({"order_id": order["id"], "amount": order["amount"]}, "upi")
