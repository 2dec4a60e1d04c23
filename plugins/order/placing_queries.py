"""The SQL call that places an order."""

from collections.abc import Sequence
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

import attrs

from core.convert import dump_json, wire
from core.events.model import Event
from core.events.record import encode
from core.http.routing import Operation
from core.store.db import Db
from plugins.order.contributions import Phase
from plugins.order.models import Bill, Draft, OrderSettings


@attrs.frozen(kw_only=True)
class Prepared:
    """A draft with everything that is encoded before the call. `mark` stands where only the call knows the text."""

    draft: Draft
    answer: bytes
    events: Sequence[Event]
    mark: str


@attrs.frozen(kw_only=True)
class Placed:
    """The answer, as stored: of this call, or (`replayed`) of an earlier one. `levels` is the stock left by product."""

    replayed: bool
    status: int
    body: bytes
    levels: dict[UUID, int]


class Placements:
    """Places orders, and finds the stored answers of those placed before."""

    # One call; inside, every statement goes by a primary key.
    PLACE: LiteralString = """
        SELECT p.was_replayed, p.answer_status, p.answer_body, p.stock_levels FROM orders.place(
            $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
            $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34) p"""

    async def place(
        self,
        db: Db,
        operation: Operation,
        session_id: UUID,
        prepared: Prepared,
        terms: OrderSettings,
        *,
        whole_cart: bool = False,
    ) -> Placed:
        """One round trip, one commit. Raises Refused; its reasons stand beside the function in 0004_whole_carts.sql.

        `whole_cart` when the lines were read from the cart, which must hold just these still.
        """
        draft = prepared.draft
        # Products are locked in the order of their ids, so that two orders never wait for each other.
        lines = sorted(enumerate(draft.items), key=lambda line: line[1].product_id)
        products = [item.product_id for _, item in lines]
        row = await db.command(
            self.PLACE,
            operation.user_id,
            session_id,
            operation.route,
            operation.key,
            operation.fingerprint,
            draft.id,
            draft.payment_id,
            draft.state.method,
            draft.state.payment,
            wire.dump(draft.address).decode(),
            draft.delivery_slot,
            draft.note,
            draft.scheduled_for,
            timedelta(days=terms.schedule_days),
            timedelta(hours=terms.delivery_hours),
            timedelta(minutes=terms.payment_minutes),
            products,
            [item.quantity for _, item in lines],
            [item.unit_price for _, item in lines],
            [position for position, _ in lines],
            [item.name for _, item in lines],
            [item.image for _, item in lines],
            [item.unit for _, item in lines],
            _encoded(draft.bill),
            whole_cart,
            *encode(prepared.events),
            prepared.mark,
            prepared.answer.decode(),
            emits=True,
        )
        if row is None:  # a function with OUT parameters always answers one row
            raise AssertionError("orders.place answered nothing")
        return Placed(
            replayed=row["was_replayed"],
            status=row["answer_status"],
            body=row["answer_body"].encode(),
            levels=dict(zip(products, row["stock_levels"] or (), strict=False)),
        )

    # Primary key operations_pkey, inside kernel.begin_operation.
    STORED: LiteralString = """
        SELECT s.answer_status, s.answer_body FROM orders.stored_answer($1, $2, $3, $4, $5) s"""

    async def stored(self, db: Db, operation: Operation, session_id: UUID) -> Placed | None:
        """What the same request was answered before; waits for a twin that is still at work. None if there is none."""
        row = await db.command(
            self.STORED, operation.user_id, session_id, operation.route, operation.key, operation.fingerprint
        )
        if row is None or row["answer_body"] is None:
            return None
        return Placed(replayed=True, status=row["answer_status"], body=row["answer_body"].encode(), levels={})


def _encoded(bill: Bill) -> str:
    """The bill as orders.place takes it: its sums, and its lines as they are stored."""
    sums = {
        "subtotal": bill.subtotal,
        "deliveryFee": bill.delivery_fee,
        "discount": bill.discount,
        "tax": bill.sum_of(Phase.TAX),
        "rounding": bill.sum_of(Phase.ROUNDING),
        "total": bill.total,
        "charges": [
            {
                "phase": one.phase.value,
                "plugin": one.plugin,
                "code": one.charge.code,
                "label": one.charge.label,
                "amount": one.charge.amount,
                "productId": one.charge.product_id,
                "coupon": one.charge.coupon,
            }
            for one in bill.charges
        ],
    }
    return dump_json(sums).decode()
