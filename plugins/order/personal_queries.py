"""SQL that copies one person's orders, and takes the person out of them."""

from typing import LiteralString, cast
from uuid import UUID

from core.store.db import Tx

NAMED_FROM = 5_000_000
"""Paise. From this value on an invoice to a consumer bears name and address (CGST Rules 2017, rule 46 (e) and (f))."""

# orders_by_user; items_pkey, refunds_pkey, payments_by_order and events_by_order for each. Who of the staff moved it is
# not told.
COPY: LiteralString = """
SELECT coalesce(json_agg(json_build_object('id', o.id, 'number', o.number, 'status', o.status,
    'paymentMethod', o.payment_method, 'paymentStatus', o.payment_status, 'subtotalPaise', o.subtotal_paise,
    'deliveryFeePaise', o.delivery_fee_paise, 'discountPaise', o.discount_paise, 'totalPaise', o.total_paise,
    'taxPaise', o.tax_paise, 'roundingPaise', o.rounding_paise, 'charges', o.charges, 'refundedPaise', o.refunded_paise,
    'address', o.address, 'scheduledFor', o.scheduled_for, 'deliverySlot', o.delivery_slot, 'note', o.note,
    'trackingId', o.tracking_id, 'cancelReason', o.cancel_reason, 'createdAt', o.created_at,
    'deliveredAt', o.delivered_at, 'cancelledAt', o.cancelled_at,
    'items', (SELECT json_agg(json_build_object('productId', i.product_id, 'name', i.name, 'unit', i.unit,
                  'unitPricePaise', i.unit_price_paise, 'quantity', i.quantity) ORDER BY i.position)
              FROM orders.items i WHERE i.order_id = o.id),
    'payments', (SELECT coalesce(json_agg(json_build_object('method', p.method, 'amountPaise', p.amount_paise,
                  'status', p.status, 'reference', p.gateway_payment_id, 'createdAt', p.created_at)), '[]')
              FROM orders.payments p WHERE p.order_id = o.id),
    'refunds', (SELECT coalesce(json_agg(json_build_object('reference', r.refund_id, 'amountPaise', r.amount_paise,
                  'lines', r.lines, 'reason', r.reason, 'refundedAt', r.refunded_at)), '[]')
              FROM orders.refunds r WHERE r.order_id = o.id),
    'timeline', (SELECT json_agg(json_build_object('event', e.event_type, 'status', e.new_status, 'by', e.actor_type,
                  'notes', e.notes, 'at', e.created_at) ORDER BY e.id)
              FROM orders.events e WHERE e.order_id = o.id)) ORDER BY o.created_at), '[]')::text
FROM orders.orders o WHERE o.user_id = $1
"""

# orders_by_user; events_by_order and refunds_pkey for what was said. City, state and pin code stay: they are the place
# of supply, which every invoice bears. $3: also those that are still on their way.
ANONYMISE: LiteralString = """
WITH part AS (
    SELECT o.id FROM orders.orders o
    WHERE o.user_id = $1 AND o.erased_at IS NULL AND ($3 OR o.status IN ('DELIVERED', 'CANCELLED', 'REFUNDED'))
    LIMIT $2 FOR UPDATE
), timeline AS (
    UPDATE orders.events e SET notes = NULL, metadata = NULL FROM part
    WHERE e.order_id = part.id AND (e.notes IS NOT NULL OR e.metadata IS NOT NULL)
), refunded AS (
    UPDATE orders.refunds r SET reason = NULL FROM part WHERE r.order_id = part.id AND r.reason IS NOT NULL
)
UPDATE orders.orders o SET erased_at = clock_timestamp(), note = NULL, cancel_reason = NULL,
    address = o.address || '{"phoneNumber": "", "type": "other", "latitude": null, "longitude": null,
                             "deliveryInstructions": null}'
        || CASE WHEN o.total_paise >= $4 THEN '{}'
           ELSE '{"fullName": "", "addressLine1": "", "addressLine2": "", "landmark": ""}' END::jsonb
FROM part WHERE o.id = part.id
"""

# orders_by_user, both.
OPEN: LiteralString = """
SELECT EXISTS (SELECT FROM orders.orders o
    WHERE o.user_id = $1 AND o.erased_at IS NULL AND o.status NOT IN ('DELIVERED', 'CANCELLED', 'REFUNDED'))
"""
CANCELLABLE: LiteralString = """
SELECT o.id FROM orders.orders o WHERE o.user_id = $1 AND o.erased_at IS NULL AND o.status = ANY($2::text[])
ORDER BY o.created_at DESC LIMIT $3
"""


class PersonalOrders:
    """One person's orders."""

    async def copy(self, tx: Tx, user_id: UUID) -> str:
        """All of them, as JSON text."""
        return cast("str", await tx.fetchval(COPY, user_id))

    async def anonymise(self, tx: Tx, user_id: UUID, batch: int, *, all_: bool) -> int:
        """Take the person out of at most `batch` orders that have come to their end, or of any; how many."""
        return await tx.execute(ANONYMISE, user_id, batch, all_, NAMED_FROM)

    async def has_open(self, tx: Tx, user_id: UUID) -> bool:
        """Whether an order that names the person is still on its way."""
        return bool(await tx.fetchval(OPEN, user_id))

    async def cancellable(self, tx: Tx, user_id: UUID, statuses: list[str], batch: int) -> list[UUID]:
        """Orders in these states."""
        return [row["id"] for row in await tx.fetch(CANCELLABLE, user_id, statuses, batch)]
