"""What Razorpay keeps: orders, payments and refunds with their true fields and states, and the events of each change.

Sources: the SDK's documents and fixtures (github.com/razorpay/razorpay-python: documents/{order,payment,refund,upi}.md,
tests/mocks), razorpay.com/docs/api/{orders,payments,refunds,errors}, /docs/api/refunds/normal-refunds-idempotent,
/docs/payments/refunds/auto-refunds, /docs/webhooks/{payments,refunds}. Amounts are paise, currency INR, times Unix
seconds.
"""

import secrets
import string
import time
from typing import Any

import attrs
import orjson

Entity = dict[str, Any]
ACCOUNT = "acc_BFQ7uQEaa7j2z7"
LETTERS = string.ascii_letters + string.digits
LEAST = 100
"""Paise: one rupee."""


@attrs.frozen(kw_only=True)
class Refusal(Exception):
    """An answer of Razorpay's that is an error: razorpay.com/docs/api/errors."""

    description: str
    field: str | None = None
    status: int = 400
    code: str = "BAD_REQUEST_ERROR"
    source: str = "business"
    step: str = "payment_initiation"
    reason: str = "input_validation_failed"
    metadata: dict[str, str] = attrs.field(factory=dict)

    @property
    def body(self) -> Entity:
        """The JSON."""
        return {"error": {k: v for k, v in attrs.asdict(self).items() if k != "status" and v is not None}}


@attrs.frozen(kw_only=True)
class Event:
    """One webhook event: its bytes are a snapshot of the moment, whenever it is delivered."""

    id: str
    name: str
    body: bytes


def new_id(kind: str) -> str:
    """Such as `pay_` and fourteen letters or digits."""
    return f"{kind}_{''.join(secrets.choice(LETTERS) for _ in range(14))}"


def collection(items: list[Entity]) -> Entity:
    """How lists are answered."""
    return {"entity": "collection", "count": len(items), "items": items}


class Book:
    """The account of one merchant. `events` are in the order in which things happened."""

    def __init__(self) -> None:
        self.orders: dict[str, Entity] = {}
        self.payments: dict[str, Entity] = {}
        self.refunds: dict[str, Entity] = {}
        self.events: list[Event] = []
        self.automatic = False
        """Payments are captured as soon as they are authorized: the account's capture setting."""
        self.instant_refunds = True
        """Refunds are processed at once; else they stay pending until `settle`."""

    def create_order(self, asked: Entity) -> Entity:
        """POST /orders."""
        amount = _amount(asked)
        if asked.get("currency") != "INR":
            raise Refusal(description="The currency should be INR when method is upi", field="currency")
        receipt = asked.get("receipt")
        if receipt is not None and len(str(receipt)) > 40:
            raise Refusal(description="The receipt may not be greater than 40 characters.", field="receipt")
        order: Entity = {
            "id": new_id("order"),
            "entity": "order",
            "amount": amount,
            "amount_paid": 0,
            "amount_due": amount,
            "currency": "INR",
            "receipt": receipt,
            "offer_id": None,
            "status": "created",
            "attempts": 0,
            "notes": asked.get("notes") or [],
            "created_at": int(time.time()),
        }
        self.orders[order["id"]] = order
        return order

    def find(self, kind: str, key: str) -> Entity:
        """One of `orders`, `payments`, `refunds`."""
        found: Entity | None = getattr(self, kind).get(key)
        if found is None:
            raise Refusal(description="The id provided does not exist", field="id")
        return found

    def by_receipt(self, receipt: str) -> list[Entity]:
        """GET /orders?receipt=: receipts need not be unique. The newest first."""
        return [order for order in reversed(self.orders.values()) if order["receipt"] == receipt]

    def payments_of(self, order_id: str) -> list[Entity]:
        """GET /orders/:id/payments."""
        self.find("orders", order_id)
        return [payment for payment in reversed(self.payments.values()) if payment["order_id"] == order_id]

    def refunds_of(self, payment_id: str) -> list[Entity]:
        """GET /payments/:id/refunds."""
        self.find("payments", payment_id)
        return [refund for refund in reversed(self.refunds.values()) if refund["payment_id"] == payment_id]

    def pay(self, asked: Entity, method: str, more: Entity | None = None) -> Entity:
        """A customer begins to pay an order: the payment is `created`."""
        order = self.find("orders", str(asked.get("order_id")))
        if _amount(asked) != order["amount_due"] and order["status"] != "paid":
            raise Refusal(description="Payment amount is different from your order amount", field="amount")
        if order["status"] == "paid":
            raise Refusal(description="Your payment has been declined as the order is already paid", field="order_id")
        payment = _payment(asked, order, method) | (more or {})
        self.payments[payment["id"]] = payment
        order["attempts"] += 1
        order["status"] = "attempted"
        return payment

    def authorize(self, payment_id: str) -> Entity:
        """The bank agrees. A payment that had failed may be authorized late."""
        payment = self.find("payments", payment_id)
        payment |= {"status": "authorized", "error_code": None, "error_description": None, "error_reason": None}
        self._tell("payment.authorized", payment=payment)
        if self.automatic:
            self.capture(payment_id, {"amount": payment["amount"], "currency": "INR"})
        return payment

    def decline(self, payment_id: str, reason: str = "payment_declined") -> Entity:
        """The bank or the customer refuses."""
        payment = self.find("payments", payment_id)
        payment |= {
            "status": "failed",
            "error_code": "BAD_REQUEST_ERROR",
            "error_description": "Your payment was declined by the bank.",
            "error_source": "issuer_bank",
            "error_step": "payment_authorization",
            "error_reason": reason,
        }
        self._tell("payment.failed", payment=payment)
        return payment

    def capture(self, payment_id: str, asked: Entity) -> Entity:
        """POST /payments/:id/capture."""
        payment = self.find("payments", payment_id)
        if payment["status"] in ("captured", "refunded"):
            raise Refusal(description="This payment has already been captured")
        if payment["status"] != "authorized":
            raise Refusal(description="Only payments which have been authorized and not yet captured can be captured")
        if _amount(asked) != payment["amount"]:
            raise Refusal(description="Capture amount must be equal to the amount authorized", field="amount")
        order = self.orders[payment["order_id"]]
        if order["status"] == "paid":
            raise Refusal(description="Your payment has been declined as the order is already paid")
        payment |= {"status": "captured", "captured": True, "fee": payment["amount"] // 50, "tax": 0}
        order |= {"status": "paid", "amount_paid": order["amount"], "amount_due": 0}
        self._tell("payment.captured", payment=payment)
        self._tell("order.paid", payment=payment, order=order)
        return payment

    def refund(self, payment_id: str, asked: Entity) -> Entity:
        """POST /payments/:id/refund."""
        payment = self.find("payments", payment_id)
        if extra := set(asked) - {"amount", "speed", "notes", "receipt"}:
            raise Refusal(description=f"{', '.join(sorted(extra))} is/are not required and should not be sent")
        if payment["status"] == "refunded":
            raise Refusal(description="The payment has been fully refunded already")
        if payment["status"] != "captured":
            raise Refusal(description="The payment status should be captured for action to be taken")
        left = payment["amount"] - payment["amount_refunded"]
        amount = _amount(asked) if "amount" in asked else left
        if amount > left:
            raise Refusal(description="The refund amount provided is greater than amount captured", field="amount")
        return self._send_back(payment, amount, asked)

    def auto_refund(self, payment_id: str) -> Entity:
        """Razorpay gives back what it holds: authorized too late, never captured, or for an order that is paid.

        https://razorpay.com/docs/payments/refunds/auto-refunds: there is a refund with its events, and the payment's
        `captured` stays false.
        """
        payment = self.find("payments", payment_id)
        if payment["status"] != "authorized":
            raise Refusal(description="Only payments in the authorized state are auto-refunded")
        return self._send_back(payment, payment["amount"], {})

    def _send_back(self, payment: Entity, amount: int, asked: Entity) -> Entity:
        refund = _refund(payment["id"], amount, asked)
        self.refunds[refund["id"]] = refund
        self._refunded(payment, amount)
        self._tell("refund.created", refund=refund, payment=payment)
        if self.instant_refunds:
            self.settle(refund["id"])
        return refund

    def settle(self, refund_id: str, *, ok: bool = True) -> Entity:
        """What became of a refund. A failed one gives the amount back to be refunded again."""
        refund = self.find("refunds", refund_id)
        payment = self.payments[refund["payment_id"]]
        refund["status"] = "processed" if ok else "failed"
        if not ok:
            self._refunded(payment, -refund["amount"])
        self._tell(f"refund.{refund['status']}", refund=refund, payment=payment)
        return refund

    def _refunded(self, payment: Entity, amount: int) -> None:
        payment["amount_refunded"] += amount
        whole = payment["amount_refunded"] == payment["amount"]
        payment["refund_status"] = "full" if whole else "partial" if payment["amount_refunded"] else None
        payment["status"] = "refunded" if whole else "captured" if payment["captured"] else "authorized"

    def _tell(self, name: str, **entities: Entity) -> None:
        body = {
            "entity": "event",
            "account_id": ACCOUNT,
            "event": name,
            "contains": list(entities),
            "payload": {kind: {"entity": entity} for kind, entity in entities.items()},
            "created_at": int(time.time()),
        }
        self.events.append(Event(id=secrets.token_hex(7), name=name, body=orjson.dumps(body)))


def _amount(asked: Entity) -> int:
    amount = asked.get("amount")
    if amount is None:
        raise Refusal(description="The amount field is required.", field="amount")
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise Refusal(description="The amount must be an integer.", field="amount")
    if amount < LEAST:
        raise Refusal(description="The amount must be at least INR 1.00", field="amount")
    return amount


def _payment(asked: Entity, order: Entity, method: str) -> Entity:
    empty = ("invoice_id", "refund_status", "description", "card_id", "bank", "wallet", "vpa", "fee", "tax")
    errors = ("error_code", "error_description", "error_source", "error_step", "error_reason")
    return {
        "id": new_id("pay"),
        "entity": "payment",
        "amount": asked["amount"],
        "currency": "INR",
        "status": "created",
        "order_id": order["id"],
        "international": False,
        "method": method,
        "amount_refunded": 0,
        "captured": False,
        "email": asked.get("email", "void@razorpay.com"),
        "contact": asked.get("contact", "+919999999999"),
        "notes": asked.get("notes") or [],
        **dict.fromkeys((*empty, *errors)),
        "acquirer_data": {"rrn": str(secrets.randbelow(10**12))},
        "created_at": int(time.time()),
    }


def _refund(payment_id: str, amount: int, asked: Entity) -> Entity:
    speed = asked.get("speed", "normal")
    return {
        "id": new_id("rfnd"),
        "entity": "refund",
        "amount": amount,
        "currency": "INR",
        "payment_id": payment_id,
        "notes": asked.get("notes") or [],
        "receipt": asked.get("receipt"),
        "acquirer_data": {"arn": None},
        "created_at": int(time.time()),
        "batch_id": None,
        "status": "pending",
        "speed_processed": "normal" if speed == "normal" else "instant",
        "speed_requested": speed,
    }
