"""SQL of what was paid for orders and what went back."""

from datetime import datetime
from uuid import UUID

import attrs

from core.convert import dump_json
from core.store.db import Tx
from core.types import Paise
from plugins.order.models import Refund
from plugins.order.standing import Payment


@attrs.frozen(kw_only=True)
class PaymentRow:
    """An online payment with the order that it is for."""

    id: UUID
    amount: Paise
    status: Payment


class Payments:
    """Online payments. Changed only while their order is locked."""

    # Primary key payments_pkey.
    FIND = "SELECT p.id, p.amount_paise, p.status FROM orders.payments p WHERE p.id = $1 AND p.order_id = $2"

    async def find(self, tx: Tx, payment_id: UUID, order_id: UUID) -> PaymentRow | None:
        """A payment of this very order."""
        row = await tx.fetchrow(self.FIND, payment_id, order_id)
        if row is None:
            return None
        return PaymentRow(id=row["id"], amount=Paise(row["amount_paise"]), status=Payment(row["status"]))

    # Index payments_by_order.
    PAID = """
        SELECT p.id FROM orders.payments p
        WHERE p.order_id = $1 AND p.status IN ('COMPLETED', 'PARTIALLY_REFUNDED') ORDER BY p.id LIMIT 1"""

    async def paid(self, tx: Tx, order_id: UUID) -> UUID | None:
        """The payment that paid an order."""
        found: UUID | None = await tx.fetchval(self.PAID, order_id)
        return found

    # Primary key payments_pkey.
    COMPLETE = """
        UPDATE orders.payments p SET status = 'COMPLETED', gateway_payment_id = $2, completed_at = $3
        WHERE p.id = $1 AND p.status IN ('PENDING', 'PROCESSING', 'FAILED')"""

    async def complete(self, tx: Tx, payment_id: UUID, transaction_id: str, at: datetime) -> bool:
        """The money arrived; False when that was known."""
        return await tx.execute(self.COMPLETE, payment_id, transaction_id, at) == 1

    # Primary key payments_pkey.
    FAIL = """
        UPDATE orders.payments p SET status = 'FAILED', failure_reason = $2
        WHERE p.id = $1 AND p.status IN ('PENDING', 'PROCESSING')"""

    async def fail(self, tx: Tx, payment_id: UUID, reason: str) -> bool:
        """The provider refused; False when that is no news."""
        return await tx.execute(self.FAIL, payment_id, reason) == 1

    # Primary key payments_pkey.
    REFUND = """
        UPDATE orders.payments p SET status = $2
        WHERE p.id = $1 AND p.status IN ('COMPLETED', 'PARTIALLY_REFUNDED')"""

    async def refund(self, tx: Tx, payment_id: UUID, to: Payment) -> bool:
        """Money went back; False when none had arrived."""
        return await tx.execute(self.REFUND, payment_id, to) == 1


class Refunds:
    """Money that went back. Written only while the order is locked."""

    # Primary key refunds_pkey.
    ADD = """
        INSERT INTO orders.refunds (order_id, refund_id, payment_id, amount_paise, lines, reason, refunded_at)
        VALUES ($1, $2, $3, $4, $5::jsonb, nullif($6, ''), $7) ON CONFLICT (order_id, refund_id) DO NOTHING"""

    async def add(self, tx: Tx, order_id: UUID, payment_id: UUID, refund: Refund) -> bool:
        """Write a refund down; False when it was written before."""
        lines = dump_json([list(line) for line in refund.lines]).decode()
        written = await tx.execute(
            self.ADD, order_id, refund.id, payment_id, refund.amount, lines, refund.reason or "", refund.at
        )
        return written == 1

    # Primary key orders_pkey. The guard repeats the CHECK, so that too much is an answer and not an error.
    COUNT = """
        UPDATE orders.orders o SET refunded_paise = o.refunded_paise + $2
        WHERE o.id = $1 AND o.refunded_paise + $2 <= o.total_paise RETURNING o.refunded_paise"""

    async def count(self, tx: Tx, order_id: UUID, amount: Paise) -> Paise | None:
        """What has gone back with this; None when that would be more than was paid."""
        total: Paise | None = await tx.fetchval(self.COUNT, order_id, amount)
        return total

    # Primary key refunds_pkey.
    KNOWN = "SELECT true FROM orders.refunds r WHERE r.order_id = $1 AND r.refund_id = $2"

    async def known(self, tx: Tx, order_id: UUID, refund_id: str) -> bool:
        """Whether it was written down before."""
        return await tx.fetchval(self.KNOWN, order_id, refund_id) is not None
