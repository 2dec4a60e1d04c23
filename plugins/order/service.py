"""What happens to orders once they are placed: reading, cancelling, the shop's moves, payments, expiry."""

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

import attrs

from core import audit
from core.auth import Principal
from core.errors import NOT_FOUND, Problem, not_found
from core.store.db import Db, Tx
from core.types import UserId
from plugins.order.announcing import announce, refund_due
from plugins.order.counts import Counts
from plugins.order.models import Order
from plugins.order.money_queries import Payments
from plugins.order.ports import CANNOT_CANCEL, CANNOT_MOVE, PaymentCompleted, PaymentFailed
from plugins.order.queries import Change, Orders
from plugins.order.refunding import Refunding, paise_of
from plugins.order.standing import Actor, OrderSummary, Payment, State, Status
from plugins.order.states import meanings, target
from plugins.order.transitions import Machine, NotAllowed
from plugins.product.ports import ORDER_CANCELLED, Catalog, ProductId

log = logging.getLogger(__name__)

BUILT_IN = Machine()
EXPIRED = "payment not received"
SWEEP = 100
"""Orders that one run of the sweep closes at most; the next run goes on."""
EVENT_NAMES = {
    Status.CONFIRMED: "order_confirmed",
    Status.PROCESSING: "order_processing",
    Status.READY_FOR_PICKUP: "order_ready",
    Status.OUT_FOR_DELIVERY: "order_shipped",
    Status.DELIVERED: "order_delivered",
    Status.CANCELLED: "order_cancelled",
}
"""Names of timeline entries (CONTRACT B.6)."""


@attrs.frozen(kw_only=True)
class Move:
    """What staff want of an order. `word` is a status in any vocabulary."""

    word: str
    tracking_id: str | None = None
    delivery_partner_id: str | None = None
    notes: str | None = None


class OrderService:
    """Every change locks the order's row, then its payment or stock, and is guarded by the state it was read in."""

    def __init__(
        self,
        *,
        db: Db,
        catalog: Catalog,
        machine: Callable[[], Machine] = lambda: BUILT_IN,
        counts: Counts | None = None,
    ) -> None:
        """`machine` answers the state machine with the moves that plugins contribute."""
        self._db, self._catalog, self._machine = db, catalog, machine
        self._orders, self._payments, self._counts = Orders(), Payments(), counts or Counts()
        self.refunds = Refunding(machine)

    async def find(self, order_id: UUID, owner: UserId | None = None) -> Order:
        """One order; with `owner`, another's is not found."""
        order = await self._orders.find(self._db, order_id, owner)
        if order is None:
            raise not_found("Order")
        return order

    async def summary(self, source: Tx | Db, order_id: UUID, owner: UserId | None = None) -> OrderSummary | None:
        """Port `Orders`."""
        return await self._orders.summary(source, order_id, owner)

    @property
    def owner_cancels(self) -> frozenset[Status]:
        """From here the customer may cancel; the shop may for longer."""
        return self._machine().starts(Status.CANCELLED, Actor.CUSTOMER)

    async def page(
        self, *, owner: UserId | None, word: str | None, page: int, limit: int
    ) -> tuple[Sequence[Order], int]:
        """A page of the owner's orders, or without an owner of everybody's, newest first; and how many there are."""
        statuses = tuple(Status) if word is None else meanings(word)
        offset = (page - 1) * limit
        if owner is None:
            return await self._orders.of_all(self._db, statuses, limit=limit, offset=offset)
        return await self._orders.of_user(self._db, owner, statuses, limit=limit, offset=offset)

    async def cancel(self, tx: Tx, owner: UserId, order_id: UUID, reason: str | None) -> Order:
        """The owner's order, cancelled; its stock returned once. Repeating it changes nothing. Raises CANNOT_CANCEL."""
        order = await self._locked(tx, order_id, owner)
        refunded = order.state.status is Status.REFUNDED and order.cancelled_at is not None  # since its first cancel
        if order.state.status is Status.CANCELLED or refunded:
            return order
        if order.state.status not in self.owner_cancels:
            raise Problem(CANNOT_CANCEL, details={"status": order.state.status.value})
        return await self._close(tx, order, Change(event="order_cancelled", actor="user", actor_id=owner, notes=reason))

    async def move(self, tx: Tx, staff: Principal, order_id: UUID, move: Move) -> Order:
        """The order after a move by staff, which is audited; where it is already, nothing happens. Raises CANNOT_MOVE.

        Refunds are not made here: they need the money to move first.
        """
        order = await self._locked(tx, order_id)
        to = target(order.state, move.word)
        if to is None:
            return order
        change = Change(
            event=EVENT_NAMES.get(to, ""),
            actor="admin",
            actor_id=staff.user_id,
            notes=move.notes,
            tracking_id=move.tracking_id,
            delivery_partner_id=move.delivery_partner_id,
        )
        if to is Status.CANCELLED and to in self._machine().moves(order.state.status):
            moved = await self._close(tx, order, change)
        else:
            moved = await self._advance(tx, order, to, change)
        details = {"was": order.state.status.value, "status": to.value, "number": order.number}
        await audit.record(
            tx, actor=audit.person(staff), action="order.move", subject=f"order:{order.id}", details=details
        )
        return moved

    async def confirm(self, tx: Tx, order_id: UUID) -> None:
        """Confirm an order that is paid at the door. Anything else, and any repeat, is left alone."""
        order = await self._orders.lock(tx, order_id)
        if order is not None and order.state.status is Status.PENDING and order.state.settled:
            await self._advance(tx, order, Status.CONFIRMED, Change(event="order_confirmed", actor="system"))

    async def paid(self, tx: Tx, event: PaymentCompleted) -> None:
        """Money arrived: confirm the order that waited for it.

        For an order cancelled meanwhile the payment is recorded as COMPLETED and RefundDue announced: its stock may be
        sold already, and no order comes back to life. A wrong amount is written to the timeline and confirms nothing.
        """
        order = await self._orders.lock(tx, event.order_id)
        row = None if order is None else await self._payments.find(tx, event.payment_id, order.id)
        if order is None or row is None:
            log.error("payment for an order that is not known", extra={"payment_id": str(event.payment_id)})
            return
        if paise_of(event.amount) != row.amount:
            log.error("payment of another amount than asked", extra={"payment_id": str(row.id)})
            await self._note(tx, order, order.state, "payment_mismatch")
            return
        if not await self._payments.complete(tx, row.id, event.transaction_id, event.completed_at):
            return
        after = self._machine().pay(order.state, Payment.COMPLETED)
        if after.status is order.state.status:
            await self._note(tx, order, after, "payment_received")
        else:
            await self._write(tx, order, after, Change(event="payment_confirmed", actor="system"))
        if order.state.status is Status.CANCELLED:
            tx.emit(refund_due(order, row.id, "paid after the order was cancelled"))

    async def payment_failed(self, tx: Tx, event: PaymentFailed) -> None:
        """The provider refused: the order stays payable until it expires. Old news changes nothing."""
        order = await self._orders.lock(tx, event.order_id)
        if order is None or await self._payments.find(tx, event.payment_id, order.id) is None:
            log.error("failed payment for an order that is not known", extra={"payment_id": str(event.payment_id)})
            return
        if await self._payments.fail(tx, event.payment_id, event.reason):
            await self._note(tx, order, self._machine().pay(order.state, Payment.FAILED), "payment_failed")

    async def expire(self) -> None:
        """Close online orders that nobody paid in time. Runs on every replica at once; each order is closed once.

        One that cannot be closed is logged and holds up no other: the next run tries it again.
        """
        failed: list[UUID] = []
        for _ in range(SWEEP):
            due: UUID | None = None
            try:
                async with self._db.transaction() as tx:
                    due = await self._orders.next_unpaid(tx, failed)
                    if due is None:
                        return
                    order = await self._locked(tx, due)
                    await self._close(tx, order, Change(event="order_cancelled", actor="system", notes=EXPIRED))
            except Exception:
                if due is None:  # it is the database, not an order
                    raise
                log.exception("order %s could not be closed though nobody paid it", due)
                failed.append(due)

    async def prepare_numbers(self) -> None:
        """Make next year's number sequence ahead of time (RELIABILITY 4.2)."""
        await self._orders.prepare_numbers(self._db)

    async def _locked(self, tx: Tx, order_id: UUID, owner: UserId | None = None) -> Order:
        order = await self._orders.lock(tx, order_id, owner)
        if order is None:
            raise Problem(NOT_FOUND, "Order not found.")
        return order

    async def _close(self, tx: Tx, order: Order, change: Change) -> Order:
        """Cancel: the move, the stock and the events in the caller's commit; the catalogue in memory after it."""
        cancelled = await self._advance(tx, order, Status.CANCELLED, change)
        if order.state.paid and (payment := await self._payments.paid(tx, order.id)):
            tx.emit(refund_due(order, payment, "cancelled after it was paid"))
        lines = {ProductId(item.product_id): item.quantity for item in order.items}
        levels = await self._catalog.give_back(tx, lines, ORDER_CANCELLED, order.id)

        async def tell() -> None:
            self._catalog.sold(levels)

        tx.after_commit(tell)
        return cancelled

    async def _advance(self, tx: Tx, order: Order, to: Status, change: Change) -> Order:
        allowed = self._machine().moves(order.state.status, Actor(change.actor))
        refused = Problem(
            CANNOT_MOVE,
            details={"status": order.state.status.value, "wanted": to.value, "allowed": sorted(allowed)},
        )
        if to not in allowed:
            raise refused
        try:
            after = self._machine().advance(order.state, to)
        except NotAllowed:
            raise refused from None
        return await self._write(tx, order, after, change)

    async def _note(self, tx: Tx, order: Order, after: State, event: str) -> None:
        """Timeline entry of something that leaves the status as it is."""
        await self._orders.move(tx, order, after, Change(event=event, actor="system"))

    async def _write(self, tx: Tx, order: Order, after: State, change: Change) -> Order:
        await self._orders.move(tx, order, after, change)  # the row is locked: the guard cannot miss
        moved = await self._orders.find(tx, order.id)
        if moved is None:  # it is locked by this transaction and orders are never deleted
            raise AssertionError("a locked order is gone")
        if moved.state.status is not order.state.status:
            self._counts.states.after(tx, moved.state.status)
        announce(tx, moved)
        return moved
