"""What clients see of payments and of saved ways to pay (CONTRACT C.10). Numbers and addresses are masked."""

from datetime import datetime
from uuid import UUID

import attrs

from core.types import rupees
from plugins.payment.models import CASH, Payment, Refund, SavedMethod
from plugins.payment.ports import Started
from plugins.payment.states import State

APP_TYPES = {"UPI": "upi", "CARD": "creditCard", "NET_BANKING": "netBanking", "WALLET": "wallet", "COD": "cod"}
DOTS = "•••• "


@attrs.frozen(kw_only=True)
class MethodName:
    """By which sort of method a payment is made."""

    type: str


@attrs.frozen(kw_only=True)
class ToPay:
    """What the app needs to let the customer pay."""

    gateway_order_id: str
    key: str | None
    upi_link: str | None
    page: str | None
    asked: bool

    @classmethod
    def of(cls, started: Started) -> "ToPay":
        """From what the provider gave."""
        return cls(
            gateway_order_id=started.gateway_order_id,
            key=started.key,
            upi_link=started.upi_link,
            page=started.page,
            asked=started.asked,
        )


@attrs.frozen(kw_only=True)
class RefundView:
    """Money on its way back, in rupees."""

    id: UUID
    amount: float
    status: str
    reason: str
    created_at: datetime | None
    completed_at: datetime | None

    @classmethod
    def of(cls, refund: Refund) -> "RefundView":
        """From the entity."""
        return cls(
            id=refund.id,
            amount=rupees(refund.amount),
            status=refund.state.value.lower(),
            reason=refund.why.value,
            created_at=refund.created_at,
            completed_at=refund.finished_at,
        )


@attrs.frozen(kw_only=True)
class PaymentView:
    """A payment as the app's Transaction has it, and what is needed to make it. Amounts in rupees."""

    id: UUID
    order_id: UUID
    order_number: str
    payment_method: MethodName
    amount: float
    currency: str
    status: str
    """pending, completed, failed, refunded or cancelled."""
    state: str
    provider: str | None
    way: str
    ready: bool
    """`toPay` is there, in the way that was asked for last; until then ask again in a second."""
    to_pay: ToPay | None
    created_at: datetime
    completed_at: datetime | None
    failure_reason: str | None
    transaction_id: str | None
    refunded_amount: float
    refunds: list[RefundView]

    @classmethod
    def of(cls, payment: Payment, refunds: tuple[Refund, ...]) -> "PaymentView":
        """From the entities."""
        payable = payment.state is not State.CAPTURED and not payment.closed
        started = payment.started if payable and not payment.asking else None
        own = payment.provider in ("", CASH)
        return cls(
            id=payment.id,
            order_id=payment.order_id,
            order_number=payment.order_number,
            payment_method=MethodName(type=APP_TYPES.get(payment.method, payment.method)),
            amount=rupees(payment.amount),
            currency=payment.currency,
            status=status(payment),
            state=payment.state.value,
            provider=None if own else payment.provider,
            way=payment.way.value,
            ready=started is not None,
            to_pay=None if started is None else ToPay.of(started),
            created_at=payment.created_at,
            completed_at=payment.completed_at,
            failure_reason=payment.failure,
            transaction_id=payment.gateway_payment_id,
            refunded_amount=rupees(payment.refunded),
            refunds=[RefundView.of(refund) for refund in refunds],
        )


def status(payment: Payment) -> str:
    """The app's word."""
    if payment.state is State.CAPTURED:
        return "refunded" if payment.refunded == payment.captured > 0 else "completed"
    if payment.closed:
        return "cancelled"
    return "failed" if payment.state is State.FAILED else "pending"


@attrs.frozen(kw_only=True)
class OnePayment:
    """A payment."""

    payment: PaymentView


@attrs.frozen(kw_only=True)
class Received:
    """A notice was taken."""

    received: bool


@attrs.frozen(kw_only=True)
class MethodView:
    """A saved way to pay. Neither tokens nor whole numbers leave."""

    id: UUID
    type: str
    card_number: str | None
    card_type: str | None
    upi_id: str | None
    bank_name: str | None
    wallet_type: str | None
    wallet_number: str | None
    is_default: bool
    is_saved: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, method: SavedMethod) -> "MethodView":
        """Masked."""
        number = DOTS + method.last_four if method.last_four else None
        return cls(
            id=method.id,
            type=method.type,
            card_number=None if method.type == "wallet" else number,
            card_type=method.card_type,
            upi_id=masked_upi(method.token) if method.type == "upi" and method.token else None,
            bank_name=method.bank_name,
            wallet_type=method.wallet_type,
            wallet_number=number if method.type == "wallet" else None,
            is_default=method.is_default,
            is_saved=True,
            created_at=method.created_at,
            updated_at=method.updated_at,
        )


def masked_upi(address: str) -> str:
    """`asha.rao@okbank` as `as***@okbank`."""
    name, _, bank = address.partition("@")
    return f"{name[:2]}***@{bank}"


@attrs.frozen(kw_only=True)
class OneMethod:
    """A saved way to pay."""

    payment_method: MethodView


@attrs.frozen(kw_only=True)
class AllMethods:
    """All that a customer keeps: the default first, then the newest."""

    payment_methods: list[MethodView]


@attrs.frozen(kw_only=True)
class Done:
    """What was done."""

    message: str
