"""SQL of payments and of the attempts to pay them, each constant beside the method that runs it."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import attrs
import orjson

from core.convert import wire
from core.store.db import Db, Row, Tx
from core.types import Paise
from plugins.payment.models import KnownAttempt, Payment
from plugins.payment.ports import Attempt, AttemptState, Started, Way
from plugins.payment.states import State

COLUMNS: LiteralString = """
    p.id, p.order_id, p.order_number, p.user_id, p.method, p.provider, p.amount_paise, p.currency, p.state, p.way,
    p.upi_id, p.client, p.gateway_order_id, p.started, p.gateway_payment_id, p.failure, p.flag,
    p.asked_at IS NOT NULL AS asking, p.closed_at IS NOT NULL AS closed, p.created_at, p.completed_at,
    a.amount_paise AS captured_paise, a.refunded_paise"""
# Primary key attempts_pkey, for the attempt that completed it.
SOURCE: LiteralString = """
    FROM payments.payments p LEFT JOIN payments.attempts a
        ON a.provider = p.provider AND a.gateway_payment_id = p.gateway_payment_id"""


@attrs.frozen(kw_only=True)
class NewPayment:
    """A payment to write down."""

    id: UUID
    order_id: UUID
    order_number: str
    user_id: UUID
    method: str
    provider: str
    amount: Paise
    currency: str


class Payments:
    """Payments. Whoever changes one holds its row: lock first, look then."""

    # Primary key; payments_order_id_key. A repeat adds nothing.
    ADD = """
        INSERT INTO payments.payments (id, order_id, order_number, user_id, method, provider, amount_paise, currency,
            state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'CREATED') ON CONFLICT DO NOTHING"""

    async def add(self, tx: Tx, new: NewPayment) -> bool:
        """Write it down; False when it was."""
        return await tx.execute(self.ADD, *attrs.astuple(new)) == 1

    # Index payments_order_id_key.
    OF_ORDER = "SELECT" + COLUMNS + SOURCE + " WHERE p.order_id = $1 AND ($2::uuid IS NULL OR p.user_id = $2)"

    async def of_order(self, source: Tx | Db, order_id: UUID, owner: UUID | None = None) -> Payment | None:
        """Of an order; with `owner`, only if it is theirs."""
        row = await source.fetchrow(self.OF_ORDER, order_id, owner)
        return None if row is None else _payment(row)

    # The whole table: for one person at a terminal.
    BY_NUMBER = "SELECT p.order_id FROM payments.payments p WHERE p.order_number = $1"

    async def order_by_number(self, db: Db, number: str) -> UUID | None:
        """The order with this number."""
        found: UUID | None = await db.fetchval(self.BY_NUMBER, number)
        return found

    # Primary key; payments_provider_gateway_order_id_key; payments_order_id_key.
    LOCK = "SELECT p.id FROM payments.payments p WHERE p.id = $1 FOR UPDATE"
    LOCK_BY_GATEWAY = """
        SELECT p.id FROM payments.payments p WHERE p.provider = $1 AND p.gateway_order_id = $2 FOR UPDATE"""
    LOCK_OF_ORDER = """
        SELECT p.id FROM payments.payments p
        WHERE p.order_id = $1 AND ($2::uuid IS NULL OR p.user_id = $2) FOR UPDATE"""
    # Primary key.
    FIND = "SELECT" + COLUMNS + SOURCE + " WHERE p.id = $1"

    async def find(self, source: Tx | Db, payment_id: UUID) -> Payment | None:
        """One payment."""
        row = await source.fetchrow(self.FIND, payment_id)
        return None if row is None else _payment(row)

    async def lock(self, tx: Tx, payment_id: UUID) -> Payment | None:
        """One payment, held until the commit. Read after the lock is ours, so that it shows what others did."""
        return await self._held(tx, await tx.fetchval(self.LOCK, payment_id))

    async def lock_by_gateway(self, tx: Tx, provider: str, gateway_order_id: str) -> Payment | None:
        """The payment that a provider knows by this id, held until the commit."""
        return await self._held(tx, await tx.fetchval(self.LOCK_BY_GATEWAY, provider, gateway_order_id))

    async def lock_of_order(self, tx: Tx, order_id: UUID, owner: UUID | None = None) -> Payment | None:
        """The payment of an order, held until the commit; with `owner`, only if it is theirs."""
        return await self._held(tx, await tx.fetchval(self.LOCK_OF_ORDER, order_id, owner))

    async def _held(self, tx: Tx, payment_id: UUID | None) -> Payment | None:
        return None if payment_id is None else await self.find(tx, payment_id)

    # Primary key, all that follow. The guards repeat the states' order: nothing moves back.
    START = """
        UPDATE payments.payments p SET gateway_order_id = $2, started = $3::jsonb, asked_at = NULL, upi_id = NULL,
            client = NULL, failure = NULL, state = CASE WHEN p.state = 'CREATED' THEN 'STARTED' ELSE p.state END
        WHERE p.id = $1 AND p.gateway_order_id IS NOT DISTINCT FROM $4 AND p.state <> 'CAPTURED'
            AND (p.closed_at IS NOT NULL OR p.way = $5 AND p.upi_id IS NOT DISTINCT FROM $6)"""

    async def start(self, tx: Tx, before: Payment, started: Started) -> bool:
        """What the app needs to pay; False when somebody was first, or asked for something else meanwhile.

        Closing forgets whom to ask; the gateway order is kept all the same, since money may still arrive by it.
        """
        known = before.started.gateway_order_id if before.started else None
        content = wire.dump(started).decode()
        asked = (known, before.way, before.upi_id)
        return await tx.execute(self.START, before.id, started.gateway_order_id, content, *asked) == 1

    ASK = """
        UPDATE payments.payments p SET way = $2, upi_id = $3, client = $4, asked_at = clock_timestamp()
        WHERE p.id = $1 AND p.state <> 'CAPTURED'"""

    async def ask(self, tx: Tx, payment_id: UUID, way: Way, upi_id: str | None, client: str) -> None:
        """The customer wants to pay in this way. `upi_id` and `client` are kept until the provider was told."""
        await tx.execute(self.ASK, payment_id, way, upi_id, client)

    TOLD = """
        UPDATE payments.payments p SET asked_at = NULL, upi_id = NULL, client = NULL
        WHERE p.id = $1 AND p.way = $2 AND p.upi_id IS NOT DISTINCT FROM $3"""

    async def told(self, tx: Tx, before: Payment) -> None:
        """The provider refused what was asked of it: whom to ask need not be kept."""
        await tx.execute(self.TOLD, before.id, before.way, before.upi_id)

    MOVE = """
        UPDATE payments.payments p SET state = $3, failure = coalesce($4, p.failure)
        WHERE p.id = $1 AND p.state = $2 AND p.state <> 'CAPTURED'"""

    async def move(self, tx: Tx, payment: Payment, to: State, failure: str | None = None) -> None:
        """On to a state that is not the last."""
        await tx.execute(self.MOVE, payment.id, payment.state, to, failure)

    COMPLETE = """
        UPDATE payments.payments p SET state = 'CAPTURED', gateway_payment_id = $2, completed_at = clock_timestamp(),
            failure = NULL, asked_at = NULL, upi_id = NULL, client = NULL
        WHERE p.id = $1 AND p.state <> 'CAPTURED'"""

    async def complete(self, tx: Tx, payment_id: UUID, gateway_payment_id: str) -> Payment:
        """The money is ours; the payment as it is then."""
        await tx.execute(self.COMPLETE, payment_id, gateway_payment_id)
        payment = await self.find(tx, payment_id)
        if payment is None:  # payments are never deleted
            raise AssertionError("a locked payment is gone")
        return payment

    FLAG = "UPDATE payments.payments p SET flag = coalesce(p.flag, $2) WHERE p.id = $1"

    async def flag(self, tx: Tx, payment_id: UUID, reason: str) -> None:
        """Have people look at it; the first reason stays."""
        await tx.execute(self.FLAG, payment_id, reason)

    # Index payments_order_id_key.
    CLOSE = """
        UPDATE payments.payments p SET closed_at = clock_timestamp(), asked_at = NULL, upi_id = NULL, client = NULL
        WHERE p.order_id = $1 AND p.closed_at IS NULL"""

    async def close(self, tx: Tx, order_id: UUID) -> None:
        """Nothing more is to be collected for this order, so nobody has to be asked for it."""
        await tx.execute(self.CLOSE, order_id)

    # Primary key.
    CHECKED = "UPDATE payments.payments p SET checked_at = clock_timestamp() WHERE p.id = $1"

    async def checked(self, tx: Tx, payment_id: UUID) -> None:
        """The provider is being asked."""
        await tx.execute(self.CHECKED, payment_id)


class Attempts:
    """Tries to pay. Changed only while their payment is locked."""

    # Primary key attempts_pkey.
    FIND = """
        SELECT a.gateway_payment_id, a.provider, a.payment_id, a.amount_paise, a.currency, a.state, a.refunded_paise,
            a.reason
        FROM payments.attempts a WHERE a.provider = $1 AND a.gateway_payment_id = $2"""

    async def find(self, source: Tx | Db, provider: str, gateway_payment_id: str) -> KnownAttempt | None:
        """One attempt as it is kept."""
        row = await source.fetchrow(self.FIND, provider, gateway_payment_id)
        return None if row is None else _attempt(row)

    # Index attempts_of_payment.
    ALL = """
        SELECT a.gateway_payment_id, a.provider, a.payment_id, a.amount_paise, a.currency, a.state, a.refunded_paise,
            a.reason
        FROM payments.attempts a WHERE a.payment_id = $1 ORDER BY a.created_at"""

    async def of_payment(self, source: Tx | Db, payment_id: UUID) -> Sequence[KnownAttempt]:
        """All tries to pay it."""
        return [_attempt(row) for row in await source.fetch(self.ALL, payment_id)]

    # Primary key attempts_pkey.
    PUT = """
        INSERT INTO payments.attempts (provider, gateway_payment_id, payment_id, amount_paise, currency, state, method,
            reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (provider, gateway_payment_id) DO UPDATE SET state = excluded.state, reason = excluded.reason"""

    async def put(self, tx: Tx, provider: str, payment_id: UUID, news: Attempt) -> None:
        """Write news of an attempt down, which the caller has compared with what was known."""
        await tx.execute(
            self.PUT,
            provider,
            news.gateway_payment_id,
            payment_id,
            news.amount,
            news.currency,
            news.state,
            news.method,
            news.reason,
        )


def _attempt(row: Row) -> KnownAttempt:
    return KnownAttempt(
        gateway_payment_id=row["gateway_payment_id"],
        provider=row["provider"],
        payment_id=row["payment_id"],
        amount=Paise(row["amount_paise"]),
        currency=row["currency"],
        state=AttemptState(row["state"]),
        refunded=Paise(row["refunded_paise"]),
        reason=row["reason"],
    )


def _payment(row: Row) -> Payment:
    return Payment(
        id=row["id"],
        order_id=row["order_id"],
        order_number=row["order_number"],
        user_id=row["user_id"],
        method=row["method"],
        provider=row["provider"],
        amount=Paise(row["amount_paise"]),
        currency=row["currency"],
        state=State(row["state"]),
        captured=Paise(row["captured_paise"] or 0),
        refunded=Paise(row["refunded_paise"] or 0),
        started=None if row["started"] is None else wire.structure(orjson.loads(row["started"]), Started),
        way=Way(row["way"]),
        upi_id=row["upi_id"],
        client=row["client"],
        gateway_payment_id=row["gateway_payment_id"],
        failure=row["failure"],
        flag=row["flag"],
        asking=row["asking"],
        closed=row["closed"],
        created_at=row["created_at"],
        completed_at=row["completed_at"],
    )
