"""SQL of the order domain, each constant beside the method that runs it."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

import attrs
import orjson

from core.convert import wire
from core.store.db import Db, Row, Tx
from core.types import Paise
from plugins.order.models import Address, Bill, Entry, Item, Order
from plugins.order.states import Method, Payment, State, Status

COLUMNS: LiteralString = """
    o.id, o.user_id, o.number, o.status, o.payment_method, o.payment_status, o.subtotal_paise, o.delivery_fee_paise,
    o.discount_paise, o.address, o.scheduled_for, o.estimated_delivery, o.delivery_slot, o.note, o.tracking_id,
    o.delivery_partner_id, o.cancel_reason, o.created_at, o.confirmed_at, o.shipped_at, o.delivered_at,
    o.cancelled_at"""
# Primary key items_pkey; index events_by_order. Run for the rows of one page only: they stand above its LIMIT.
PARTS: LiteralString = """
    (SELECT json_agg(json_build_array(i.product_id, i.name, i.image, i.unit, i.unit_price_paise, i.quantity)
                     ORDER BY i.position)
     FROM orders.items i WHERE i.order_id = o.id) AS items,
    (SELECT json_agg(json_build_array(t.event_type, t.new_status, orders.stamp(t.created_at), t.notes))
     FROM (SELECT e.event_type, e.new_status, e.created_at, e.notes FROM orders.events e WHERE e.order_id = o.id
           ORDER BY e.id DESC LIMIT 10) t) AS timeline"""


@attrs.frozen(kw_only=True)
class Change:
    """A move to write down: who did it and what they said."""

    event: str
    actor: str
    actor_id: UUID | None = None
    notes: str | None = None
    tracking_id: str | None = None
    delivery_partner_id: str | None = None


@attrs.frozen(kw_only=True)
class PaymentRow:
    """An online payment with the order that it is for."""

    id: UUID
    amount: Paise
    status: Payment


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
        return None if row is None else _order(row)

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
            return [_order(row) for row in rows], rows[0]["total"] if rows else 0
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
        return [_order(row) for row in rows], await db.fetchval(self.COUNT_OF_ALL, list(statuses))

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
    PAID = "SELECT p.id FROM orders.payments p WHERE p.order_id = $1 AND p.status = 'COMPLETED' ORDER BY p.id LIMIT 1"

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


def _order(row: Row) -> Order:
    return Order(
        id=row["id"],
        user_id=row["user_id"],
        number=row["number"],
        state=State(Status(row["status"]), Method(row["payment_method"]), Payment(row["payment_status"])),
        bill=Bill(
            subtotal=Paise(row["subtotal_paise"]),
            delivery_fee=Paise(row["delivery_fee_paise"]),
            discount=Paise(row["discount_paise"]),
        ),
        items=[
            Item(
                product_id=UUID(product), name=name, image=image, unit=unit, unit_price=Paise(price), quantity=quantity
            )
            for product, name, image, unit, price, quantity in orjson.loads(row["items"])
        ],
        address=wire.structure(orjson.loads(row["address"]), Address),
        scheduled_for=row["scheduled_for"],
        estimated_delivery=row["estimated_delivery"],
        delivery_slot=row["delivery_slot"],
        note=row["note"],
        tracking_id=row["tracking_id"],
        delivery_partner_id=row["delivery_partner_id"],
        cancel_reason=row["cancel_reason"],
        created_at=row["created_at"],
        confirmed_at=row["confirmed_at"],
        shipped_at=row["shipped_at"],
        delivered_at=row["delivered_at"],
        cancelled_at=row["cancelled_at"],
        timeline=[
            Entry(event=event, status=Status(status), at=datetime.fromisoformat(at), notes=notes)
            for event, status, at, notes in orjson.loads(row["timeline"])
        ],
    )
