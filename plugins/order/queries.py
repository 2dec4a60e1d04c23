"""SQL of the order domain, each constant beside the method that runs it."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import attrs

from core.store.db import Db, Tx
from core.types import UserId
from plugins.order.models import Order
from plugins.order.rows import order_of, summary_of
from plugins.order.standing import OrderSummary, State, Status

COLUMNS: LiteralString = """
    o.id, o.user_id, o.number, o.status, o.payment_method, o.payment_status, o.subtotal_paise, o.delivery_fee_paise,
    o.discount_paise, o.address, o.scheduled_for, o.estimated_delivery, o.delivery_slot, o.note, o.tracking_id,
    o.delivery_partner_id, o.cancel_reason, o.created_at, o.confirmed_at, o.shipped_at, o.delivered_at,
    o.cancelled_at, o.charges, o.refunded_paise"""
# Primary keys items_pkey and refunds_pkey; index events_by_order. Run for the rows of one page only: they stand above
# its LIMIT.
PARTS: LiteralString = """
    (SELECT json_agg(json_build_array(i.product_id, i.name, i.image, i.unit, i.unit_price_paise, i.quantity)
                     ORDER BY i.position)
     FROM orders.items i WHERE i.order_id = o.id) AS items,
    (SELECT json_agg(json_build_array(t.event_type, t.new_status, orders.stamp(t.created_at), t.notes))
     FROM (SELECT e.event_type, e.new_status, e.created_at, e.notes FROM orders.events e WHERE e.order_id = o.id
           ORDER BY e.id DESC LIMIT 10) t) AS timeline,
    CASE WHEN o.refunded_paise > 0 THEN
        (SELECT json_agg(json_build_array(r.refund_id, r.amount_paise, r.lines, r.reason, orders.stamp(r.refunded_at))
                         ORDER BY r.refunded_at, r.refund_id)
         FROM orders.refunds r WHERE r.order_id = o.id) END AS refunds"""


@attrs.frozen(kw_only=True)
class Change:
    """A move to write down: who did it and what they said."""

    event: str
    actor: str
    actor_id: UUID | None = None
    notes: str | None = None
    tracking_id: str | None = None
    delivery_partner_id: str | None = None


class Orders:
    """Reads and moves of orders."""

    # Primary key orders_pkey.
    FIND = (
        "SELECT"
        + COLUMNS
        + ","
        + PARTS
        + """
        FROM orders.orders o WHERE o.id = $1 AND ($2::uuid IS NULL OR o.user_id = $2)"""
    )

    async def find(self, source: Tx | Db, order_id: UUID, owner: UUID | None = None) -> Order | None:
        """One order; with `owner`, only if it is theirs."""
        row = await source.fetchrow(self.FIND, order_id, owner)
        return None if row is None else order_of(row)

    # Primary keys orders_pkey and items_pkey.
    SUMMARY = """
        SELECT o.id, o.user_id, o.number, o.status, o.payment_method, o.payment_status, o.total_paise, o.subtotal_paise,
               o.delivery_fee_paise, o.discount_paise, o.charges, o.refunded_paise,
               (SELECT json_agg(json_build_array(i.product_id, i.quantity, i.unit_price_paise * i.quantity)
                                ORDER BY i.position) FROM orders.items i WHERE i.order_id = o.id) AS lines
        FROM orders.orders o WHERE o.id = $1 AND ($2::uuid IS NULL OR o.user_id = $2)"""

    async def summary(self, source: Tx | Db, order_id: UUID, owner: UserId | None = None) -> OrderSummary | None:
        """Port `Orders`."""
        row = await source.fetchrow(self.SUMMARY, order_id, owner)
        return None if row is None else summary_of(row)

    # Primary key orders_pkey. The row stays locked until the commit; its payment and stock are changed under this lock.
    LOCK = "SELECT true FROM orders.orders o WHERE o.id = $1 AND ($2::uuid IS NULL OR o.user_id = $2) FOR UPDATE"

    async def lock(self, tx: Tx, order_id: UUID, owner: UUID | None = None) -> Order | None:
        """One order, held still until the commit. Read after the lock is ours, so that it shows what others did."""
        if await tx.fetchval(self.LOCK, order_id, owner) is None:
            return None
        return await self.find(tx, order_id)

    # Index orders_by_user, sorted newest first. The page is a subquery with all columns, not ids to join: at an unknown
    # LIMIT a generic plan would read the whole table for that join.
    OF_USER = (
        "SELECT o.total,"  # noqa: S608  constants only
        + COLUMNS
        + ","
        + PARTS
        + " FROM (SELECT count(*) OVER () AS total,"
        + COLUMNS
        + """
              FROM orders.orders o WHERE o.user_id = $1 AND o.status = ANY($2)
              ORDER BY o.created_at DESC, o.id DESC LIMIT $3 OFFSET $4) o
        ORDER BY o.created_at DESC, o.id DESC"""
    )
    # Index orders_by_user.
    COUNT_OF_USER = "SELECT count(*) FROM orders.orders o WHERE o.user_id = $1 AND o.status = ANY($2)"

    async def of_user(
        self, db: Db, user_id: UUID, statuses: Sequence[Status], *, limit: int, offset: int
    ) -> tuple[list[Order], int]:
        """A page of a customer's orders, newest first, and how many there are. One round trip, two past the end."""
        rows = await db.fetch(self.OF_USER, user_id, list(statuses), limit, offset)
        if rows or not offset:
            return [order_of(row) for row in rows], rows[0]["total"] if rows else 0
        return [], await db.fetchval(self.COUNT_OF_USER, user_id, list(statuses))

    # Index orders_by_time: it gives the order, so that a page costs its own rows whatever the statuses are.
    OF_ALL = (
        "SELECT"
        + COLUMNS
        + ","
        + PARTS
        + " FROM (SELECT"
        + COLUMNS
        + """
              FROM orders.orders o WHERE o.status = ANY($1)
              ORDER BY o.created_at DESC, o.id DESC LIMIT $2 OFFSET $3) o
        ORDER BY o.created_at DESC, o.id DESC"""
    )
    # Index orders_by_status, index only.
    COUNT_OF_ALL = "SELECT count(*) FROM orders.orders o WHERE o.status = ANY($1)"

    async def of_all(self, db: Db, statuses: Sequence[Status], *, limit: int, offset: int) -> tuple[list[Order], int]:
        """A page of everybody's orders, newest first, and how many there are. Two round trips."""
        rows = await db.fetch(self.OF_ALL, list(statuses), limit, offset)
        return [order_of(row) for row in rows], await db.fetchval(self.COUNT_OF_ALL, list(statuses))

    # Primary key orders_pkey. The guard repeats the state machine: a move from another state touches no row. An entry
    # that leaves the status as it is leaves times and reason as they are.
    MOVE = """
        WITH moved AS (
            UPDATE orders.orders o SET
                status = $3, payment_status = $5,
                confirmed_at = CASE WHEN $3 = 'CONFIRMED' AND $2 <> $3 THEN clock_timestamp() ELSE o.confirmed_at END,
                shipped_at = CASE WHEN $3 = 'OUT_FOR_DELIVERY' AND $2 <> $3
                    THEN clock_timestamp() ELSE o.shipped_at END,
                delivered_at = CASE WHEN $3 = 'DELIVERED' AND $2 <> $3 THEN clock_timestamp() ELSE o.delivered_at END,
                cancelled_at = CASE WHEN $3 = 'CANCELLED' AND $2 <> $3 THEN clock_timestamp() ELSE o.cancelled_at END,
                cancel_reason = CASE WHEN $3 = 'CANCELLED' AND $2 <> $3 THEN $9 ELSE o.cancel_reason END,
                tracking_id = coalesce($10, o.tracking_id),
                delivery_partner_id = coalesce($11, o.delivery_partner_id)
            WHERE o.id = $1 AND o.status = $2 AND o.payment_status = $4
            RETURNING o.id
        )
        INSERT INTO orders.events (order_id, event_type, previous_status, new_status, actor_type, actor_id, notes)
        SELECT m.id, $6, $2, $3, $7, $8, $9 FROM moved m"""

    async def move(self, tx: Tx, order: Order, to: State, change: Change) -> bool:
        """Write a move and its timeline entry; False when the order is no longer as it was read."""
        touched = await tx.execute(
            self.MOVE,
            order.id,
            order.state.status,
            to.status,
            order.state.payment,
            to.payment,
            change.event,
            change.actor,
            change.actor_id,
            change.notes,
            change.tracking_id,
            change.delivery_partner_id,
        )
        return touched == 1

    # Index orders_unpaid. Orders that another replica or a payment is at work on are skipped.
    NEXT_UNPAID = """
        SELECT o.id FROM orders.orders o
        WHERE o.status = 'PENDING' AND o.expires_at IS NOT NULL AND o.expires_at <= now() AND o.id <> ALL($1::uuid[])
        ORDER BY o.expires_at LIMIT 1 FOR UPDATE SKIP LOCKED"""

    async def next_unpaid(self, tx: Tx, but: Sequence[UUID]) -> UUID | None:
        """An online order whose time to pay is over, but for those named; held until the commit."""
        found: UUID | None = await tx.fetchval(self.NEXT_UNPAID, but)
        return found

    # Function of 0001: at most two catalogue look-ups once the sequences exist.
    PREPARE_NUMBERS = "SELECT orders.prepare_numbers(now())"

    async def prepare_numbers(self, db: Db) -> None:
        """Make the sequences of this year and the next."""
        await db.command(self.PREPARE_NUMBERS)
