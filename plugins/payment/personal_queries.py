"""SQL that copies one person's payments and saved ways to pay, and takes the person out of them."""

from typing import LiteralString, cast
from uuid import UUID

from core.store.db import Tx

# Index payments_of_user; refunds_of_payment for each.
COPY_PAYMENTS: LiteralString = """
SELECT coalesce(json_agg(json_build_object('orderId', p.order_id, 'orderNumber', p.order_number, 'method', p.method,
    'amountPaise', p.amount_paise, 'currency', p.currency, 'state', p.state, 'provider', p.provider,
    'reference', p.gateway_payment_id, 'failure', p.failure, 'createdAt', p.created_at, 'completedAt', p.completed_at,
    'refunds', (SELECT coalesce(json_agg(json_build_object('amountPaise', r.amount_paise, 'state', r.state,
        'reason', r.why, 'createdAt', r.created_at)), '[]') FROM payments.refunds r WHERE r.payment_id = p.id))
    ORDER BY p.created_at), '[]')::text
FROM payments.payments p WHERE p.user_id = $1
"""
# Index methods_of_user, both that follow. A UPI address is the customer's own; a provider's token is not told.
COPY_METHODS: LiteralString = """
SELECT coalesce(json_agg(json_build_object('type', m.type, 'lastFour', m.last_four, 'cardType', m.card_type,
    'bankName', m.bank_name, 'walletType', m.wallet_type, 'upiId', CASE WHEN m.type = 'upi' THEN m.token END,
    'isDefault', m.is_default, 'createdAt', m.created_at) ORDER BY m.created_at), '[]')::text
FROM payments.methods m WHERE m.user_id = $1
"""
DELETE_METHODS: LiteralString = """
DELETE FROM payments.methods WHERE id = ANY(ARRAY(SELECT m.id FROM payments.methods m WHERE m.user_id = $1 LIMIT $2))
"""
# Index payments_of_user.
ANONYMISE: LiteralString = """
UPDATE payments.payments SET upi_id = NULL, client = NULL WHERE id = ANY(ARRAY(
    SELECT p.id FROM payments.payments p
    WHERE p.user_id = $1 AND (p.upi_id IS NOT NULL OR p.client IS NOT NULL) LIMIT $2))
"""


class PersonalRows:
    """One person's rows."""

    async def copy(self, tx: Tx, user_id: UUID) -> dict[str, str]:
        """JSON text by section."""
        return {
            "payments": cast("str", await tx.fetchval(COPY_PAYMENTS, user_id)),
            "paymentMethods": cast("str", await tx.fetchval(COPY_METHODS, user_id)),
        }

    async def erase(self, tx: Tx, user_id: UUID, batch: int) -> bool:
        """At most `batch` rows a table; whether nothing is left."""
        touched = [await tx.execute(sql, user_id, batch) for sql in (DELETE_METHODS, ANONYMISE)]
        return batch not in touched
