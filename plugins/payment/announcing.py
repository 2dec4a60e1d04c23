"""The events by which others hear of money: order's own, emitted in the transaction that made them true."""

from core.store.db import Tx
from core.types import Paise, rupees, utc_now
from plugins.order.ports import PaymentCompleted, PaymentFailed, PaymentRefunded, RefundedLine
from plugins.payment.models import Payment, Refund


def completed(tx: Tx, payment: Payment) -> None:
    """The provider captured what was asked for."""
    if payment.completed_at is None or payment.gateway_payment_id is None:  # the table's CHECK
        raise AssertionError("a payment that is not complete")
    tx.emit(
        PaymentCompleted(
            payment_id=payment.id,
            order_id=payment.order_id,
            order_number=payment.order_number,
            user_id=payment.user_id,
            amount=rupees(payment.amount),
            transaction_id=payment.gateway_payment_id,
            completed_at=payment.completed_at,
        )
    )


def failed(tx: Tx, payment: Payment, reason: str) -> None:
    """One try failed; the order stays payable until it expires."""
    tx.emit(
        PaymentFailed(
            payment_id=payment.id,
            order_id=payment.order_id,
            order_number=payment.order_number,
            user_id=payment.user_id,
            amount=rupees(payment.amount),
            reason=reason,
            failed_at=utc_now(),
        )
    )


def refunded(tx: Tx, payment: Payment, refund: Refund, total: Paise) -> None:
    """Money went back. `total`: with all that went back before."""
    tx.emit(
        PaymentRefunded(
            payment_id=payment.id,
            order_id=payment.order_id,
            order_number=payment.order_number,
            user_id=payment.user_id,
            amount=rupees(refund.amount),
            refund_id=refund.gateway_refund_id or str(refund.id),
            refunded_at=utc_now(),
            refunded_total=rupees(total),
            lines=[
                RefundedLine(product_id=line.product_id, quantity=line.quantity, amount=rupees(line.amount))
                for line in refund.lines
            ],
            reason=refund.why,
        )
    )
