"""Razorpay's webhooks: proved, then read. Pure: no I/O.

https://razorpay.com/docs/webhooks/validate-test/: `X-Razorpay-Signature` is the hex HMAC-SHA256 of the raw body under
the webhook's secret; while a secret is changed, retries of older events still come under the old one.

What identifies an event is the digest of its body and not `X-Razorpay-Event-Id`: the signature does not cover headers,
so whoever holds one signed body could send it under any id, as ever new events or in the place of a real one (ADR 25).
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from plugins.payment.ports import Attempt, Notice, NoticeForged, RefundNews
from plugins.payment.razorpay import reading

PROVIDER = "razorpay"
SIGNATURE = "x-razorpay-signature"
PAYMENTS = frozenset({"payment.authorized", "payment.captured", "payment.failed", "order.paid"})
REFUNDS = frozenset({"refund.created", "refund.processed", "refund.failed", "refund.speed_changed"})
"""Other events, such as those of disputes, also carry payments, but say something else: they count for nothing."""
MAX_KIND = 60


def verify(raw: bytes, headers: Mapping[str, str], secrets: Sequence[str]) -> Notice:
    """The notice in a body that one of the live secrets signed. Raises NoticeForged."""
    given = next((value for name, value in headers.items() if name.lower() == SIGNATURE), "")
    if not signed(raw, given, secrets):
        raise NoticeForged(PROVIDER, "signature")
    return read(raw)


def signed(raw: bytes, signature: str, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets made this signature. Every secret is tried, so that time tells nothing of them."""
    given = signature.encode(errors="replace")
    proofs = [hmac.compare_digest(mac(raw, secret), given) for secret in secrets]
    return any(proofs)


def mac(raw: bytes, secret: str) -> bytes:
    """The signature of a body."""
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest().encode()


def read(raw: bytes) -> Notice:
    """What a body says. It is proved already. Raises NoticeForged for one that is not as documented."""
    try:
        body = orjson.loads(raw)
        kind, payload = body["event"], body.get("payload", {})
        if not isinstance(kind, str) or len(kind) > MAX_KIND:
            raise NoticeForged(PROVIDER, "event")
        attempt, refund = _facts(kind, payload)
    except (ValueError, LookupError, TypeError, AttributeError):
        raise NoticeForged(PROVIDER, "unreadable") from None
    return Notice(event_id=hashlib.sha256(raw).hexdigest(), kind=kind, attempt=attempt, refund=refund)


def _facts(kind: str, payload: Mapping[str, Any]) -> tuple[Attempt | None, RefundNews | None]:
    if kind in REFUNDS:
        payment = payload.get("payment", {}).get("entity", {})
        own = payment.get("captured") is False  # what Razorpay gave back by itself; nothing else may tell of that
        return (reading.attempt(payment) if own else None), reading.refund(payload["refund"]["entity"])
    return (reading.attempt(payload["payment"]["entity"]) if kind in PAYMENTS else None), None
