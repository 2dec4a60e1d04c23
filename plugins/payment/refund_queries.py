"""SQL of refunds. All of it runs while the payment is locked."""

from collections.abc import Mapping, Sequence
from typing import LiteralString
from uuid import UUID

from core.store.db import Db, Row, Tx
from core.types import Paise
from plugins.payment.models import Refund, RefundLine, Why
from plugins.payment.ports import RefundState

COLUMNS: LiteralString = """
    r.id, r.payment_id, r.provider, r.gateway_payment_id, r.amount_paise, r.why, r.state, r.gateway_refund_id,
    r.created_at, r.finished_at,
    (SELECT array_agg(l.product_id ORDER BY l.product_id) FROM payments.refund_lines l WHERE l.refund_id = r.id)
        AS products,
    (SELECT array_agg(l.quantity ORDER BY l.product_id) FROM payments.refund_lines l WHERE l.refund_id = r.id)
        AS quantities,
    (SELECT array_agg(l.amount_paise ORDER BY l.product_id) FROM payments.refund_lines l WHERE l.refund_id = r.id)
        AS amounts"""


class Refunds:
    """Money on its way back, and what of an attempt is spoken for by it."""

    # Primary key attempts_pkey. The condition is the promise that refunds never exceed what was captured; the table's
    # CHECK is its last word.
    RESERVE = """
        UPDATE payments.attempts a SET refunded_paise = a.refunded_paise + $3
        WHERE a.provider = $1 AND a.gateway_payment_id = $2 AND a.state = 'CAPTURED'
            AND a.refunded_paise + $3 <= a.amount_paise"""

    async def reserve(self, tx: Tx, provider: str, gateway_payment_id: str, amount: Paise) -> bool:
        """Speak for so much of a captured attempt; False when less is left."""
        return await tx.execute(self.RESERVE, provider, gateway_payment_id, amount) == 1

    # Primary key attempts_pkey.
    RELEASE = """
        UPDATE payments.attempts a SET refunded_paise = a.refunded_paise - $3
        WHERE a.provider = $1 AND a.gateway_payment_id = $2"""

    async def release(self, tx: Tx, refund: Refund) -> None:
        """The refund failed: its money may go back another way."""
        await tx.execute(self.RELEASE, refund.provider, refund.gateway_payment_id, refund.amount)

    # Primary keys of both tables.
    ADD = """
        WITH new AS (
            INSERT INTO payments.refunds (id, payment_id, provider, gateway_payment_id, amount_paise, why, state,
                gateway_refund_id, finished_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $7 <> 'PENDING' THEN clock_timestamp() END)
            RETURNING id
        )
        INSERT INTO payments.refund_lines (refund_id, product_id, quantity, amount_paise)
        SELECT new.id, l.product, l.quantity, l.amount
        FROM new, unnest($9::uuid[], $10::integer[], $11::bigint[]) AS l(product, quantity, amount)"""

    async def add(self, tx: Tx, refund: Refund) -> None:
        """Write one down whose amount is reserved."""
        await tx.execute(
            self.ADD,
            refund.id,
            refund.payment_id,
            refund.provider,
            refund.gateway_payment_id,
            refund.amount,
            refund.why,
            refund.state,
            refund.gateway_refund_id,
            [line.product_id for line in refund.lines],
            [line.quantity for line in refund.lines],
            [line.amount for line in refund.lines],
        )

    # Primary keys.
    FIND = "SELECT" + COLUMNS + " FROM payments.refunds r WHERE r.id = $1"

    async def find(self, source: Tx | Db, refund_id: UUID) -> Refund | None:
        """One refund."""
        row = await source.fetchrow(self.FIND, refund_id)
        return None if row is None else _refund(row)

    # Index refunds_provider_gateway_refund_id_key.
    BY_GATEWAY = "SELECT" + COLUMNS + " FROM payments.refunds r WHERE r.provider = $1 AND r.gateway_refund_id = $2"

    async def by_gateway(self, tx: Tx, provider: str, gateway_refund_id: str) -> Refund | None:
        """The refund that a provider knows by this id."""
        row = await tx.fetchrow(self.BY_GATEWAY, provider, gateway_refund_id)
        return None if row is None else _refund(row)

    # Index refunds_of_payment.
    ALL = "SELECT" + COLUMNS + " FROM payments.refunds r WHERE r.payment_id = $1 ORDER BY r.id"

    async def of_payment(self, source: Tx | Db, payment_id: UUID) -> Sequence[Refund]:
        """All of a payment, oldest first."""
        return [_refund(row) for row in await source.fetch(self.ALL, payment_id)]

    # Index refunds_of_payment; primary key of the lines.
    GONE = """
        SELECT l.product_id, sum(l.quantity)::int AS pieces
        FROM payments.refunds r JOIN payments.refund_lines l ON l.refund_id = r.id
        WHERE r.payment_id = $1 AND r.state <> 'FAILED' GROUP BY l.product_id"""

    async def gone(self, tx: Tx, payment_id: UUID) -> Mapping[UUID, int]:
        """Pieces that are refunded or on their way, by product."""
        return {row["product_id"]: row["pieces"] for row in await tx.fetch(self.GONE, payment_id)}

    # Primary key.
    MOVE = """
        UPDATE payments.refunds r SET state = $2, gateway_refund_id = coalesce(r.gateway_refund_id, $3),
            finished_at = CASE WHEN $2 <> 'PENDING' THEN clock_timestamp() END
        WHERE r.id = $1 AND r.state <> 'PROCESSED'"""

    async def move(self, tx: Tx, refund_id: UUID, to: RefundState, gateway_refund_id: str | None) -> None:
        """News of it, which the caller has compared with what was known."""
        await tx.execute(self.MOVE, refund_id, to, gateway_refund_id)

    # Index refunds_of_payment.
    TOTAL = """
        SELECT coalesce(sum(r.amount_paise), 0)::bigint FROM payments.refunds r
        WHERE r.payment_id = $1 AND r.gateway_payment_id = $2 AND r.state = 'PROCESSED'"""

    async def total(self, tx: Tx, payment_id: UUID, gateway_payment_id: str) -> Paise:
        """What went back of one attempt."""
        return Paise(await tx.fetchval(self.TOTAL, payment_id, gateway_payment_id))


def _refund(row: Row) -> Refund:
    lines = zip(row["products"] or (), row["quantities"] or (), row["amounts"] or (), strict=True)
    return Refund(
        id=row["id"],
        payment_id=row["payment_id"],
        provider=row["provider"],
        gateway_payment_id=row["gateway_payment_id"],
        amount=Paise(row["amount_paise"]),
        why=Why(row["why"]),
        lines=[RefundLine(product_id=p, quantity=q, amount=Paise(a)) for p, q, a in lines],
        state=RefundState(row["state"]),
        gateway_refund_id=row["gateway_refund_id"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )
