"""What the database holds after the storm, beside what happened at the bank."""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence

import asyncpg
import attrs

from tests.plugins.payment.storm.fates import ENDS, Bought, Fate
from tests.providers.razorpay import Razorpay

QUIET = 330.0
"""Seconds for the last news to be worked in: a payment without a webhook is asked about after one minute and five."""
# Every step of a state, written down by the database itself.
WITNESS = """
CREATE TABLE public.steps (n bigserial PRIMARY KEY, what text, id text, before text, after text);
GRANT ALL ON public.steps, public.steps_n_seq TO PUBLIC;
CREATE FUNCTION public.witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.steps (what, id, before, after)
    VALUES (TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1], to_jsonb(OLD) ->> TG_ARGV[2], to_jsonb(NEW) ->> TG_ARGV[2]);
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE OF state ON payments.payments
    FOR EACH ROW EXECUTE FUNCTION public.witness('payment', 'id', 'state');
CREATE TRIGGER witness AFTER UPDATE OF state ON payments.attempts
    FOR EACH ROW EXECUTE FUNCTION public.witness('attempt', 'gateway_payment_id', 'state');
CREATE TRIGGER witness AFTER UPDATE OF payment_status ON orders.orders
    FOR EACH ROW EXECUTE FUNCTION public.witness('order', 'id', 'payment_status');
"""
BUSY = """
SELECT EXISTS (SELECT FROM kernel.outbox WHERE published_at IS NULL)
    OR EXISTS (SELECT FROM kernel.inbox WHERE state = 'waiting')
    OR EXISTS (SELECT FROM payments.errands WHERE kind IN ('NOTICE', 'START', 'REFUND'))
"""
STANDS = """
SELECT o.id::text, o.status, o.payment_status, p.state, p.flag
FROM orders.orders o JOIN payments.payments p ON p.order_id = o.id
"""
TWICE = """
SELECT p.order_number FROM payments.payments p JOIN payments.attempts a ON a.payment_id = p.id
WHERE a.state = 'CAPTURED' GROUP BY p.id, p.order_number, p.amount_paise
HAVING count(*) <> 1 OR sum(a.amount_paise) <> p.amount_paise
"""
TOLD = """
SELECT event_type, aggregate_id FROM kernel.outbox WHERE event_type IN ('payment.completed', 'payment.refunded')
GROUP BY event_type, aggregate_id HAVING count(*) <> 1
"""
MONEY = """
SELECT coalesce(sum(a.amount_paise) FILTER (WHERE a.state = 'CAPTURED'), 0)::bigint AS captured,
    coalesce(sum(a.refunded_paise), 0)::bigint AS refunded,
    (SELECT coalesce(sum(amount_paise), 0)::bigint FROM payments.refunds WHERE state = 'PROCESSED') AS processed,
    (SELECT count(*) FROM kernel.outbox WHERE event_type = 'payment.completed') AS completions,
    (SELECT count(*) FROM payments.payments WHERE state = 'CAPTURED') AS complete
FROM payments.attempts a
"""
FORWARD: Mapping[str, tuple[str, ...]] = {
    "payment": ("CREATED", "STARTED", "FAILED", "AUTHORIZED", "CAPTURED"),
    "attempt": ("CREATED", "FAILED", "AUTHORIZED", "CAPTURED"),
    "order": ("PENDING", "PROCESSING", "FAILED", "COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"),
}
"""Said again here: whoever judges the code must not ask it."""


@attrs.frozen
class Verdict:
    """Each rule, and what breaks it."""

    broken: Mapping[str, Sequence[str]]
    steps: int
    """Of states, as the database saw them."""
    notices: int

    @property
    def kept(self) -> bool:
        """Nothing does."""
        return not any(self.broken.values())


async def watch(db: asyncpg.Connection) -> None:
    """Have the database write every step down, from now on."""
    await db.execute(WITNESS)


async def quiet(db: asyncpg.Connection, orders: Sequence[Bought]) -> float:
    """Seconds until all is worked in and every payment stands where it will."""
    began = time.monotonic()
    while await db.fetchval(BUSY) or await _wrong_ends(db, orders):
        if time.monotonic() - began > QUIET:
            break
        await asyncio.sleep(0.5)
    return time.monotonic() - began


async def judge(db: asyncpg.Connection, account: Razorpay, orders: Sequence[Bought]) -> Verdict:
    """Every rule against everything."""
    steps = await db.fetch("SELECT what, id, before, after FROM public.steps ORDER BY n")
    notices = [row["event_id"] for row in await db.fetch("SELECT event_id FROM payments.notices")]
    return Verdict(
        {
            "every final state right": await _wrong_ends(db, orders),
            "none moved back": [
                f"{s['what']} {s['id']}: {s['before']} -> {s['after']}"
                for s in steps
                if FORWARD[s["what"]].index(s["before"]) > FORWARD[s["what"]].index(s["after"])
            ],
            "none counted twice": [str(row["order_number"]) for row in await db.fetch(TWICE)],
            "each told once": [f"{row['event_type']} {row['aggregate_id']}" for row in await db.fetch(TOLD)],
            "our money is Razorpay's": await _money(db, account),
            "forgeries wrote nothing": await _forged(db, account, notices, orders),
        },
        len(steps),
        len(notices),
    )


async def _wrong_ends(db: asyncpg.Connection, orders: Sequence[Bought]) -> list[str]:
    found = {row["id"]: tuple(row)[1:] for row in await db.fetch(STANDS)}
    wrong = []
    for one in orders:
        *stands, flag = found.get(one.id, ("none", "none", "none", None))
        if tuple(stands) != ENDS[one.fate] or flag:
            wrong.append(f"{one.number} ({one.fate}): {' '.join(stands)} {flag or ''}")
    return wrong


async def _money(db: asyncpg.Connection, account: Razorpay) -> list[str]:
    row = await db.fetchrow(MONEY)
    assert row is not None
    book = account.book
    captured = sum(payment["amount"] for payment in book.payments.values() if payment["captured"])
    refunded = sum(refund["amount"] for refund in book.refunds.values() if refund["status"] == "processed")
    pairs = {
        "captured": (row["captured"], captured),
        "refunded": (row["refunded"], refunded),
        "processed": (row["processed"], refunded),
        "completions": (row["completions"], row["complete"]),
    }
    return [f"{name}: {ours} here, {theirs} there" for name, (ours, theirs) in pairs.items() if ours != theirs]


async def _forged(
    db: asyncpg.Connection, account: Razorpay, notices: Sequence[str], orders: Sequence[Bought]
) -> list[str]:
    """Every notice that is stored is of an event that was told, and every such event is stored."""
    silent = [one.gateway_order_id.encode() for one in orders if one.fate is Fate.SILENT]
    genuine = {
        hashlib.sha256(event.body).hexdigest()
        for event in account.book.events
        if not any(one in event.body for one in silent)
    }
    known = {row[0] for row in await db.fetch("SELECT gateway_payment_id FROM payments.attempts")}
    return [
        *(f"a notice that nobody sent: {one}" for one in set(notices) - genuine),
        *(f"an event that is not here: {one}" for one in genuine - set(notices)),
        *(f"an attempt that never was: {one}" for one in known - set(account.book.payments)),
    ]
