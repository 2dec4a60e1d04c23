"""Razorpay's payments and refunds in this domain's terms. Pure: no I/O.

https://razorpay.com/docs/api/payments/ and /refunds/. Of a person's data nothing is read: no address of a UPI app, no
mail, no number, no name.
"""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.types import Paise
from plugins.payment.ports import RETURNED, Attempt, AttemptState, RefundNews, RefundState

Entity = Mapping[str, Any]
STATES = {
    "created": AttemptState.CREATED,
    "pending": AttemptState.CREATED,
    "failed": AttemptState.FAILED,
    "authorized": AttemptState.AUTHORIZED,
    "captured": AttemptState.CAPTURED,
    "refunded": AttemptState.CAPTURED,
}
"""A payment that was refunded was captured before; the refund is another fact. What Razorpay refunds by itself never
was: it came too late, nobody captured it in time, or its order was paid already
(https://razorpay.com/docs/payments/refunds/auto-refunds: `captured` tells them apart)."""
REFUNDS = {"pending": RefundState.PENDING, "processed": RefundState.PROCESSED, "failed": RefundState.FAILED}
METHODS = {"upi": "UPI", "card": "CARD", "emi": "CARD", "netbanking": "NET_BANKING", "wallet": "WALLET"}
GOOD_ID = re.compile(r"[A-Za-z0-9_]{1,40}", re.ASCII).fullmatch
"""It becomes part of paths."""
GOOD_REASON = re.compile(r"[a-z0-9_]{1,60}", re.ASCII).fullmatch
MOST = 2**53


class Unreadable(ValueError):
    """Not what Razorpay's documents say it is."""


def attempt(payment: object) -> Attempt | None:
    """An attempt; None for a payment without an order, which is none of ours. Raises Unreadable."""
    entity = _entity(payment)
    if entity.get("order_id") is None:
        return None
    state = STATES.get(_text(entity, "status"))
    if state is None:
        raise Unreadable("status")
    reason = _reason(entity.get("error_reason")) if state is AttemptState.FAILED else None
    if entity["status"] == "refunded" and entity.get("captured") is not True:
        state, reason = AttemptState.FAILED, RETURNED
    return Attempt(
        gateway_payment_id=_id(entity, "id"),
        gateway_order_id=_id(entity, "order_id"),
        amount=_amount(entity),
        currency=_text(entity, "currency"),
        state=state,
        method=METHODS.get(_text(entity, "method")),
        reason=reason,
    )


def refund(refund: object) -> RefundNews:
    """A refund. Raises Unreadable."""
    entity = _entity(refund)
    state = REFUNDS.get(_text(entity, "status"))
    if state is None:
        raise Unreadable("status")
    return RefundNews(
        gateway_refund_id=_id(entity, "id"),
        gateway_payment_id=_id(entity, "payment_id"),
        amount=_amount(entity),
        currency=_text(entity, "currency"),
        state=state,
        refund_id=_receipt(entity.get("receipt")),
    )


def _entity(value: object) -> Entity:
    if not isinstance(value, dict):
        raise Unreadable("entity")
    return value


def _text(entity: Entity, name: str) -> str:
    value = entity.get(name)
    if not isinstance(value, str):
        raise Unreadable(name)
    return value


def _id(entity: Entity, name: str) -> str:
    value = _text(entity, name)
    if not GOOD_ID(value):
        raise Unreadable(name)
    return value


def _amount(entity: Entity) -> Paise:
    value = entity.get("amount")
    if type(value) is not int or not 0 < value <= MOST:
        raise Unreadable("amount")
    return Paise(value)


def _reason(value: object) -> str:
    return value if isinstance(value, str) and GOOD_REASON(value) else "failed"


def _receipt(value: object) -> UUID | None:
    """Ours are ids; people who refund in Razorpay's dashboard write what they like."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
