"""What clients send about payments. No amount is among it: the client's word about money counts for nothing."""

import re
from typing import Annotated
from uuid import UUID

import attrs

from core.errors import FieldError, Invalid, Problem
from core.http.fields import ManyOf, OneOf, Text, Whole
from plugins.payment.models import NewMethod, Wanted, Why
from plugins.payment.ports import CARD_DATA, Way

WAYS = OneOf(tuple(way.value for way in Way))
UPI_ID = Text(
    max=255,
    pattern=r"[a-zA-Z0-9._\-]{2,200}@[a-zA-Z][a-zA-Z0-9.\-]{1,50}",
    hint="must be a UPI ID",
    example="asha@okbank",
)
WHOLE, LINES, MISSING = "whole", "lines", "missing"
WHYS = {WHOLE: Why.WHOLE, LINES: Why.LINES, MISSING: Why.MISSING}
TYPES = ("creditCard", "debitCard", "upi", "netBanking", "wallet", "cod")
CARDS = ("visa", "mastercard", "amex", "rupay", "discover", "maestro", "unknown")
WALLETS = ("paytm", "phonepe", "googlePay", "amazonPay", "mobikwik", "airtelMoney", "freecharge", "other")
MASKED = re.compile(r"[*xX•.\s-]*([0-9]{4})")
"""Four digits of a number, the rest of it masked."""
DIGITS_ALONE = re.compile(r"[0-9 -]{8,}")
"""What looks like a card's number is one, whatever it is called."""


@attrs.frozen(kw_only=True)
class StartBody:
    """How to pay. A UPI collect request goes to `upiId`, or to the saved method with `methodId`."""

    way: Annotated[str, WAYS] = Way.CHECKOUT.value
    upi_id: Annotated[str, UPI_ID] | None = None
    method_id: UUID | None = None


@attrs.frozen(kw_only=True)
class ConfirmBody:
    """What the provider's checkout gave the app: hints, whose truth the provider is asked for."""

    payment_id: Annotated[str, Text(max=100)] | None = None
    order_id: Annotated[str, Text(max=100)] | None = None
    signature: Annotated[str, Text(max=300)] | None = None


@attrs.frozen(kw_only=True)
class PiecesBody:
    """Pieces of one product of the order."""

    product_id: UUID
    quantity: Annotated[int, Whole(1, 999)]


@attrs.frozen(kw_only=True)
class RefundBody:
    """What to give back: the whole rest, lines of the order, or pieces that were missing."""

    kind: Annotated[str, OneOf((WHOLE, LINES, MISSING))]
    items: Annotated[list[PiecesBody], ManyOf(0, 100)] = attrs.field(factory=list)
    settled_outside: bool = False

    def wanted(self) -> Wanted:
        """Pieces by product."""
        pieces: dict[UUID, int] = {}
        for item in self.items:
            pieces[item.product_id] = pieces.get(item.product_id, 0) + item.quantity
        return Wanted(why=WHYS[self.kind], pieces=pieces, outside=self.settled_outside)


@attrs.frozen(kw_only=True)
class MethodBody:
    """A way to pay to keep: of a card or wallet the provider's token, and the last four digits of its number."""

    type: Annotated[str, OneOf(TYPES)]
    token: Annotated[str, Text(max=255)] | None = None
    card_number: Annotated[str, Text(max=40)] | None = None
    cvv: Annotated[str, Text(max=10)] | None = None
    card_type: Annotated[str, OneOf(CARDS)] | None = None
    upi_id: Annotated[str, UPI_ID] | None = None
    bank_name: Annotated[str, Text(max=100)] | None = None
    wallet_type: Annotated[str, OneOf(WALLETS)] | None = None
    wallet_number: Annotated[str, Text(max=40)] | None = None
    is_default: bool | None = None

    def method(self) -> NewMethod:
        """What is kept of it. Raises CARD_DATA for what must not even arrive, Invalid for what is missing."""
        if self.cvv or (self.token and DIGITS_ALONE.fullmatch(self.token)):
            raise Problem(CARD_DATA)
        card, wallet = self.type in ("creditCard", "debitCard"), self.type == "wallet"
        number = self.card_number if card else self.wallet_number if wallet else None
        masked = MASKED.fullmatch(number or "")
        if self.card_number and not (card and masked):
            raise Problem(CARD_DATA)
        needed = {"token": card and not self.token, "cardNumber": card and not masked}
        needed |= {"upiId": self.type == "upi" and not self.upi_id, "walletType": wallet and not self.wallet_type}
        if missing := [FieldError(name, "is required", "required") for name, lacks in needed.items() if lacks]:
            raise Invalid(missing)
        return NewMethod(
            type=self.type,
            token=(self.upi_id if self.type == "upi" else self.token) or None,
            last_four=masked[1] if masked else (number or "")[-4:] if wallet and _ends_in_four(number) else None,
            card_type=(self.card_type or "unknown") if card else None,
            bank_name=self.bank_name if self.type == "netBanking" else None,
            wallet_type=self.wallet_type if wallet else None,
            is_default=bool(self.is_default),
        )


def _ends_in_four(number: str | None) -> bool:
    return bool(number and number[-4:].isascii() and number[-4:].isdigit() and len(number) >= len("1234"))
