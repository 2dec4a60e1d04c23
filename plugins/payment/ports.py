"""The door of the payment domain: error codes, and the point at which providers of payments plug in.

PAYMENT_PROVIDERS takes anything that speaks `Provider`:

    @hookimpl
    def extends(self) -> Sequence[Extends[Any]]:
        return (Extends(PAYMENT_PROVIDERS, MyProvider(...)),)
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import attrs

from core.errors import Code
from core.extensions import Point
from core.types import Paise

FORGED = Code("PAYMENT_NOTICE", 400, "This notice is not the provider's, or cannot be read.")
NOTHING_TO_PAY = Code("PAYMENT_CLOSED", 409, "This order can no longer be paid.")
WAY_NOT_OFFERED = Code("PAYMENT_WAY", 422, "This order cannot be paid like this.")
REFUND_TOO_MUCH = Code("REFUND_TOO_MUCH", 422, "More cannot be refunded than was paid and is not refunded yet.")
REFUND_NOT_POSSIBLE = Code("REFUND_NOT_POSSIBLE", 409, "This payment cannot be refunded like this.")
TOO_MANY_METHODS = Code("PAYMENT_METHODS", 422, "No more ways to pay can be saved.")
CARD_DATA = Code("CARD_DATA", 422, "Card numbers and security codes are never taken here. Send the provider's token.")


RETURNED = "auto_refunded"
"""Reason of a failed attempt whose money was held, never captured, and given back by the provider itself. Unlike any
other failure it is a last word: nothing can be captured of it any more."""


class Way(StrEnum):
    """How the customer is led to pay."""

    CHECKOUT = "checkout"
    """The provider's own sheet or page offers everything."""
    UPI_INTENT = "upiIntent"
    """A link that opens a UPI app on the same phone."""
    UPI_COLLECT = "upiCollect"
    """A request that appears in the UPI app of the named address."""


class AttemptState(StrEnum):
    """How far one try to pay came. Forward only, to the right; a failed one may still turn out well."""

    CREATED = "CREATED"
    FAILED = "FAILED"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"


class RefundState(StrEnum):
    """What the provider says of a refund."""

    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"


@attrs.frozen(kw_only=True)
class Intent:
    """What a provider is asked to collect."""

    payment_id: UUID
    """Also the receipt: the provider keeps it, and people find the one by the other."""
    order_id: UUID
    order_number: str
    amount: Paise
    currency: str
    method: str
    """UPI, CARD, NET_BANKING or WALLET, as the order says."""
    way: Way = Way.CHECKOUT
    upi_id: str | None = attrs.field(default=None, repr=False)
    """Whom to ask, with UPI_COLLECT. It names a person: not for logs."""
    contact: str | None = attrs.field(default=None, repr=False)
    """The customer's phone number, for providers that must have it to ask a UPI app. Not for logs."""
    client: str | None = attrs.field(default=None, repr=False)
    """The address from which the customer asked, likewise."""
    gateway_order_id: str | None = None
    """Of an earlier `create`. The provider uses it again instead of making another."""


@attrs.frozen(kw_only=True)
class Started:
    """A payment that the customer can now make, and what the app needs for it. All of it is public."""

    gateway_order_id: str
    key: str | None = None
    """Public key for the provider's checkout."""
    upi_link: str | None = None
    """`upi://pay?...`, for UPI_INTENT."""
    page: str | None = None
    """A page to open, where the provider has one of its own."""
    asked: bool = False
    """A collect request is waiting in the customer's UPI app."""
    gateway_payment_id: str | None = None
    """Of the attempt that a UPI link or request began."""


@attrs.frozen(kw_only=True)
class Attempt:
    """One try to pay, as the provider knows it now."""

    gateway_payment_id: str
    gateway_order_id: str
    amount: Paise
    currency: str
    state: AttemptState
    method: str | None = None
    """UPI, CARD, NET_BANKING or WALLET, as far as known."""
    reason: str | None = None
    """Why it failed: RETURNED, or a short code of the provider's, never text about a person."""


@attrs.frozen(kw_only=True)
class RefundOrder:
    """Money that a provider is asked to send back."""

    refund_id: UUID
    """Also the receipt and the idempotency key: asked twice, the provider refunds once."""
    payment_id: UUID
    gateway_payment_id: str
    amount: Paise
    currency: str
    reason: str


@attrs.frozen(kw_only=True)
class RefundNews:
    """A refund as the provider knows it now."""

    gateway_refund_id: str
    gateway_payment_id: str
    amount: Paise
    currency: str
    state: RefundState
    refund_id: UUID | None = None
    """Ours, when the provider gives it back (its receipt); None for a refund that people made at the provider's."""


@attrs.frozen(kw_only=True)
class Notice:
    """What a webhook said, once it was proved to be the provider's. It names no person: this is what is stored."""

    event_id: str
    """Unique per event of this provider; the same again is the same event."""
    kind: str
    """The provider's word, such as `payment.captured`; for people."""
    attempt: Attempt | None = None
    refund: RefundNews | None = None


class ProviderError(Exception):
    """The provider did not do what it was asked. `reason` is short and names nobody: it goes to logs and rows."""

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"{provider}: {reason}")
        self.provider, self.reason = provider, reason


class ProviderAway(ProviderError):
    """No answer, or not now: the same call may succeed later. Whether it had an effect is not known."""


class ProviderRefused(ProviderError):
    """An answer that will stay the same however often it is asked."""


class NoticeForged(ProviderError):
    """The bytes are not the provider's, or they are but cannot be read: nothing in them counts."""


class Provider(Protocol):
    """Moves money. Every call but `verify` is one that may take 3 s at most and goes through a breaker of its own.

    Calls raise ProviderAway or ProviderRefused and nothing else. They are made by workers, outside of transactions, and
    again after a crash: each has the same effect twice as once.
    """

    @property
    def name(self) -> str:
        """Of the webhook's path and of rows: lower case, at most 20 letters. It never changes."""
        ...

    @property
    def methods(self) -> frozenset[str]:
        """Those of UPI, CARD, NET_BANKING, WALLET that it takes."""
        ...

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Held while the process serves: its HTTP session, for instance."""
        ...

    async def create(self, intent: Intent) -> Started:
        """Make the payment payable, or payable in another way when `gateway_order_id` is given."""
        ...

    async def fetch(self, gateway_order_id: str) -> Sequence[Attempt]:
        """All tries to pay a gateway order, as they stand now."""
        ...

    async def capture(self, attempt: Attempt) -> Attempt:
        """Take the money of an authorized attempt, all of it; as it stands then. One that is captured stays so."""
        ...

    async def refund(self, order: RefundOrder) -> RefundNews:
        """Send money of a captured attempt back, or answer what became of the same `refund_id` before."""
        ...

    async def refunds(self, gateway_payment_id: str) -> Sequence[RefundNews]:
        """All refunds of an attempt, as they stand now."""
        ...

    def verify(self, raw: bytes, headers: Mapping[str, str]) -> Notice:
        """Prove a webhook and read it: first the MAC over the raw bytes, in constant time, with each live secret.

        `headers` are looked up without regard to case. No I/O. Raises NoticeForged.
        """
        ...


PAYMENT_PROVIDERS: Point[Provider] = Point("payment.providers")
