"""Razorpay as a provider of payments. What is asked again after a lost answer finds what was done the first time.

An order is found by its receipt, our payment's id (`GET /orders?receipt=`); a collect request by the order's payments;
a refund by Razorpay's own idempotency key and by its receipt, our refund's id (ADR 25).
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from core.resilience.breaker import Breaker, Breakers
from core.settings import BadSettings
from plugins.payment.ports import (
    Attempt,
    AttemptState,
    Intent,
    Notice,
    ProviderAway,
    ProviderRefused,
    RefundNews,
    RefundOrder,
    Started,
    Way,
)
from plugins.payment.razorpay import notices, reading
from plugins.payment.razorpay.client import PROVIDER, Answer, Client
from plugins.payment.razorpay.reading import Unreadable
from plugins.payment.settings import PaymentSettings

METHODS = frozenset({"UPI", "CARD", "NET_BANKING", "WALLET"})
SLOW = 0.8
"""Of the time a call may take: from there on it is a slow one to the breaker."""
SHORTEST = 32
"""Characters of a secret (RELIABILITY 4.13)."""
MOST_SECRETS = 2
PAGE = "100"
"""The most that a list may be asked for."""
EMAIL, CONTACT, ADDRESS = "void@razorpay.com", "+919999999999", "127.0.0.1"
"""Fields that a UPI payment must have. Razorpay itself writes such an address where a shop asks for none."""


class RazorpayProvider:
    """See `Provider` in the domain's ports."""

    name = PROVIDER
    methods = METHODS

    def __init__(self, client: Client, *, key_id: str, secrets: Sequence[str]) -> None:
        """`secrets` prove webhooks: one, or two while it is changed."""
        self._client, self._key_id, self._secrets = client, key_id, tuple(secrets)

    def opened(self) -> AbstractAsyncContextManager[None]:
        """The HTTP session."""
        return self._client.opened()

    async def create(self, intent: Intent) -> Started:
        """Make Razorpay's order, and for UPI the request or the link."""
        until = self._client.until()
        gateway_order_id = intent.gateway_order_id or await self._order(intent, until)
        if intent.way is Way.UPI_COLLECT:
            return await self._collect(intent, gateway_order_id, until)
        if intent.way is Way.UPI_INTENT:
            answer = await self._upi(intent, gateway_order_id, {"flow": "intent"}, until)
            link = answer.get("link")
            if not isinstance(link, str) or not link.startswith("upi://"):
                raise ProviderAway(PROVIDER, "no_link")
            return Started(
                gateway_order_id=gateway_order_id,
                key=self._key_id,
                upi_link=link,
                gateway_payment_id=_id(answer, "razorpay_payment_id"),
            )
        return Started(gateway_order_id=gateway_order_id, key=self._key_id)

    async def fetch(self, gateway_order_id: str) -> Sequence[Attempt]:
        """All of an order's payments."""
        return await self._attempts(gateway_order_id, self._client.until())

    async def capture(self, attempt: Attempt) -> Attempt:
        """Take it. One that is refused may be captured already: by a first call, or by Razorpay itself."""
        until = self._client.until()
        path = f"/payments/{_safe(attempt.gateway_payment_id)}"
        try:
            answer = await self._client.post(
                f"{path}/capture", until, {"amount": attempt.amount, "currency": attempt.currency}
            )
        except ProviderRefused:
            now = _attempt(await self._client.get(path, until))
            if now.state is not AttemptState.CAPTURED:
                raise
            return now
        return _attempt(answer)

    async def refund(self, order: RefundOrder) -> RefundNews:
        """Send money back once for each refund id, whatever was answered before."""
        until = self._client.until()
        path = f"/payments/{_safe(order.gateway_payment_id)}"
        body = {"amount": order.amount, "speed": "normal", "receipt": str(order.refund_id)}
        try:
            answer = await self._client.post(
                f"{path}/refund", until, body, headers={"X-Refund-Idempotency": str(order.refund_id)}
            )
        except ProviderRefused:
            known = await self._refunds(path, until)
            found = next((one for one in known if one.refund_id == order.refund_id), None)
            if found is None:
                raise
            return found
        return _refund(answer)

    async def refunds(self, gateway_payment_id: str) -> Sequence[RefundNews]:
        """All of a payment's refunds."""
        return await self._refunds(f"/payments/{_safe(gateway_payment_id)}", self._client.until())

    def verify(self, raw: bytes, headers: Mapping[str, str]) -> Notice:
        """Prove and read a webhook."""
        return notices.verify(raw, headers, self._secrets)

    async def _order(self, intent: Intent, until: float) -> str:
        """The order of this receipt: one made before, whose answer was lost, or a new one."""
        receipt = str(intent.payment_id)
        for order in _items(await self._client.get("/orders", until, receipt=receipt)):
            if (order.get("receipt"), order.get("amount"), order.get("currency")) == (
                receipt,
                intent.amount,
                intent.currency,
            ):
                return _id(order, "id")
        body = {
            "amount": intent.amount,
            "currency": intent.currency,
            "receipt": receipt,
            "notes": {"order_number": intent.order_number},
        }
        return _id(await self._client.post("/orders", until, body), "id")

    async def _collect(self, intent: Intent, gateway_order_id: str, until: float) -> Started:
        """Ask the customer's UPI app, unless a request to the same address is waiting there."""
        path = f"/orders/{_safe(gateway_order_id)}/payments"
        for payment in _items(await self._client.get(path, until, count=PAGE)):
            if payment.get("status") == "created" and payment.get("vpa") == intent.upi_id:
                return self._asked(gateway_order_id, _id(payment, "id"))
        answer = await self._upi(intent, gateway_order_id, {"flow": "collect", "vpa": intent.upi_id}, until)
        return self._asked(gateway_order_id, _id(answer, "razorpay_payment_id"))

    def _asked(self, gateway_order_id: str, gateway_payment_id: str) -> Started:
        return Started(
            gateway_order_id=gateway_order_id,
            key=self._key_id,
            asked=True,
            gateway_payment_id=gateway_payment_id,
        )

    async def _upi(self, intent: Intent, gateway_order_id: str, upi: Mapping[str, str | None], until: float) -> Answer:
        body = {
            "amount": intent.amount,
            "currency": intent.currency,
            "order_id": gateway_order_id,
            "email": EMAIL,
            "contact": intent.contact or CONTACT,
            "method": "upi",
            "ip": intent.client or ADDRESS,
            "referer": "app",
            "user_agent": "app",
            "description": intent.order_number,
            "upi": upi,
        }
        return await self._client.post("/payments/create/upi", until, body)

    async def _attempts(self, gateway_order_id: str, until: float) -> list[Attempt]:
        path = f"/orders/{_safe(gateway_order_id)}/payments"
        return [_attempt(item) for item in _items(await self._client.get(path, until, count=PAGE))]

    async def _refunds(self, path: str, until: float) -> list[RefundNews]:
        return [_refund(item) for item in _items(await self._client.get(f"{path}/refunds", until, count=PAGE))]


def build(settings: PaymentSettings, breakers: Breakers) -> RazorpayProvider:
    """From the section [payment]. Raises BadSettings with every mistake."""
    key, secrets = settings.razorpay_key_secret, settings.razorpay_webhook_secrets
    texts = [secret.reveal() for secret in secrets]
    mistakes = [
        message
        for wrong, message in (
            (not settings.razorpay_key_id, "payment.razorpay_key_id is not set"),
            (key is None, "payment.razorpay_key_secret is not set"),
            (not texts, "payment.razorpay_webhook_secrets is not set: without one no notice can be proved"),
            (len(texts) > MOST_SECRETS, "payment.razorpay_webhook_secrets holds more than two"),
            (
                any(len(text) < SHORTEST for text in texts),
                f"payment.razorpay_webhook_secrets: each needs {SHORTEST} characters or more",
            ),
        )
        if wrong
    ]
    if mistakes or key is None:
        raise BadSettings(mistakes)
    client = Client(
        settings.razorpay_url,
        settings.razorpay_key_id,
        key.reveal(),
        timeout=settings.call_timeout,
        breaker=breakers.add(Breaker(PROVIDER, slow=SLOW * settings.call_timeout)),
    )
    return RazorpayProvider(client, key_id=settings.razorpay_key_id, secrets=texts)


def _safe(gateway_id: str) -> str:
    """An id as a part of a path, never more than that."""
    if not reading.GOOD_ID(gateway_id):
        raise ProviderRefused(PROVIDER, "bad_id")
    return gateway_id


def _items(answer: Answer) -> list[Answer]:
    items = answer.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ProviderAway(PROVIDER, "garbage")
    return items


def _id(answer: Answer, name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not reading.GOOD_ID(value):
        raise ProviderAway(PROVIDER, "garbage")
    return value


def _attempt(answer: Answer) -> Attempt:
    try:
        found = reading.attempt(answer)
    except Unreadable:
        found = None
    if found is None:
        raise ProviderAway(PROVIDER, "garbage")
    return found


def _refund(answer: Answer) -> RefundNews:
    try:
        return reading.refund(answer)
    except Unreadable:
        raise ProviderAway(PROVIDER, "garbage") from None
