"""What the kernel's tables need not keep: published events, handled deliveries and letters, answers to old keys."""

from typing import TYPE_CHECKING, LiteralString

from core.jobs import Job

if TYPE_CHECKING:
    from core.store.db import Db

EVERY = 600.0
BATCH = 2_000
"""Rows a transaction deletes: short ones leave room for others between them."""

# By outbox_published. 7 days (RELIABILITY 4.6).
OUTBOX = """
DELETE FROM kernel.outbox WHERE seq = ANY(ARRAY(
    SELECT seq FROM kernel.outbox WHERE published_at < now() - interval '7 days' ORDER BY published_at LIMIT $1))
"""
# By inbox_finished, then the rows' places. 30 days: the proof that a repeat of the event is a repeat (RELIABILITY 4.7).
INBOX = """
DELETE FROM kernel.inbox WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM kernel.inbox WHERE state = 'done' AND finished_at < now() - interval '30 days'
    ORDER BY finished_at LIMIT $1 FOR UPDATE SKIP LOCKED))
"""
# By dead_letters_finished. 30 days; what nobody replayed or discarded stays for whoever will.
LETTERS = """
DELETE FROM kernel.dead_letters WHERE id = ANY(ARRAY(
    SELECT id FROM kernel.dead_letters WHERE state <> 'dead' AND finished_at < now() - interval '30 days'
    ORDER BY finished_at LIMIT $1 FOR UPDATE SKIP LOCKED))
"""
# By operations_age, then the rows' places. 48 hours (RELIABILITY 4.1).
OPERATIONS = """
DELETE FROM kernel.operations WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM kernel.operations WHERE created_at < now() - interval '48 hours'
    ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED))
"""


def housekeeping(db: "Db") -> list[Job]:
    """The kernel's own jobs: every 10 minutes, on one replica."""

    def job(table: str, sql: LiteralString) -> Job:
        async def run() -> None:
            deleted = BATCH
            while deleted == BATCH:
                async with db.transaction() as tx:
                    deleted = await tx.execute(sql, BATCH)

        return Job(name=f"kernel.{table}.clean", every=EVERY, run=run, single=True)

    return [
        job("outbox", OUTBOX),
        job("inbox", INBOX),
        job("dead_letters", LETTERS),
        job("operations", OPERATIONS),
    ]
