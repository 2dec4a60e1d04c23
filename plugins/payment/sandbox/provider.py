"""The sandbox as a provider of payments, and the notices that its page sends."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import jwt
import orjson

from core.settings import BadSettings, Settings
from core.types import Paise
from plugins.payment.ports import (
    Attempt,
    AttemptState,
    Intent,
    Notice,
    NoticeForged,
    RefundNews,
    RefundOrder,
    RefundState,
    Started,
)
from plugins.payment.settings import PaymentSettings

PROVIDER = "sandbox"
METHODS = frozenset({"UPI", "CARD", "NET_BANKING", "WALLET"})
PAGE = "/payments/sandbox/pay.html"
SIGNATURE = "x-sandbox-signature"
ALGORITHM = "HS256"
AUDIENCE = "payment.sandbox"
DECLINED = "payment_declined"
KINDS = {"payment.captured": AttemptState.CAPTURED, "payment.failed": AttemptState.FAILED}


@attrs.frozen(kw_only=True)
class Bill:
    """What the page shows, and all that the sandbox ever knows of a payment."""

    gateway_order_id: str
    order_number: str
    amount: Paise
    currency: str
    method: str


@attrs.frozen(kw_only=True)
class SignedNotice:
    """A notice as it goes to the webhook's address."""

    body: str
    signature: str


class BadToken(ValueError):
    """The page's address was not made here."""


class SandboxProvider:
    """See `Provider` in the domain's ports. One payment has one attempt: deciding twice alike tells the same twice."""

    name = PROVIDER
    methods = METHODS

    def __init__(self, secret: str) -> None:
        """`secret` signs bills and notices."""
        self._secret = secret

    def opened(self) -> AbstractAsyncContextManager[None]:
        """There is nothing to open."""
        return _nothing()

    async def create(self, intent: Intent) -> Started:
        """A page, whichever way the customer asked for."""
        bill = Bill(
            gateway_order_id=intent.gateway_order_id or f"sbx_{intent.payment_id.hex}",
            order_number=intent.order_number,
            amount=intent.amount,
            currency=intent.currency,
            method=intent.method,
        )
        claims = {"aud": AUDIENCE, **attrs.asdict(bill)}
        token = jwt.encode(claims, self._secret, ALGORITHM)
        return Started(gateway_order_id=bill.gateway_order_id, page=f"{PAGE}#{token}")

    async def fetch(self, gateway_order_id: str) -> Sequence[Attempt]:  # noqa: ARG002  of the Protocol
        """It keeps none: all that is known came by notice."""
        return ()

    async def capture(self, attempt: Attempt) -> Attempt:
        """At once."""
        return attrs.evolve(attempt, state=AttemptState.CAPTURED)

    async def refund(self, order: RefundOrder) -> RefundNews:
        """At once, and always the same for one refund."""
        return RefundNews(
            gateway_refund_id=f"sbxr_{order.refund_id.hex}",
            gateway_payment_id=order.gateway_payment_id,
            amount=order.amount,
            currency=order.currency,
            state=RefundState.PROCESSED,
            refund_id=order.refund_id,
        )

    async def refunds(self, gateway_payment_id: str) -> Sequence[RefundNews]:  # noqa: ARG002  of the Protocol
        """It keeps none."""
        return ()

    def verify(self, raw: bytes, headers: Mapping[str, str]) -> Notice:
        """Prove and read a notice of `decide`."""
        given = next((value for name, value in headers.items() if name.lower() == SIGNATURE), "")
        if not hmac.compare_digest(self._mac(raw), given.encode(errors="replace")):
            raise NoticeForged(PROVIDER, "signature")
        try:
            body = orjson.loads(raw)
            bill, kind = Bill(**body["bill"]), body["event"]
            state = KINDS[kind]
        except (ValueError, LookupError, TypeError):
            raise NoticeForged(PROVIDER, "unreadable") from None
        attempt = Attempt(
            gateway_payment_id=f"sbxp_{bill.gateway_order_id.removeprefix('sbx_')}",
            gateway_order_id=bill.gateway_order_id,
            amount=bill.amount,
            currency=bill.currency,
            state=state,
            method=bill.method,
            reason=DECLINED if state is AttemptState.FAILED else None,
        )
        return Notice(event_id=hashlib.sha256(raw).hexdigest(), kind=kind, attempt=attempt)

    def bill(self, token: str) -> Bill:
        """What the page is about. Raises BadToken."""
        try:
            claims = jwt.decode(token, self._secret, [ALGORITHM], audience=AUDIENCE)
            claims.pop("aud")
            return Bill(**claims)
        except (jwt.InvalidTokenError, TypeError):
            raise BadToken from None

    def decide(self, token: str, *, approve: bool) -> SignedNotice:
        """The notice of a decision. Raises BadToken."""
        event = "payment.captured" if approve else "payment.failed"
        raw = orjson.dumps({"event": event, "bill": attrs.asdict(self.bill(token))})
        return SignedNotice(body=raw.decode(), signature=self._mac(raw).decode())

    def _mac(self, raw: bytes) -> bytes:
        return hmac.new(self._secret.encode(), raw, hashlib.sha256).hexdigest().encode()


def build(settings: PaymentSettings, kernel: Settings) -> SandboxProvider:
    """Its secret is the section's own, or made from the kernel's, so that replicas share it. Not in production."""
    if not kernel.development:
        raise BadSettings(["payment.provider: the sandbox takes no money and does not exist in production"])
    if settings.sandbox_secret is not None:
        return SandboxProvider(settings.sandbox_secret.reveal())
    made = hmac.new(kernel.auth.secret.reveal().encode(), AUDIENCE.encode(), hashlib.sha256)
    return SandboxProvider(made.hexdigest())


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield
