"""The outbox's rows: events leave the transaction that announced them here, and relays claim them (RELIABILITY 4.6).

Only the oldest unpublished row of an aggregate may be claimed, so that an aggregate's events are handed on in order. No
global position is kept; when to try again is in the row, so the rate does not grow with replicas.
"""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, LiteralString
from uuid import UUID

import attrs

from core.context import remaining

if TYPE_CHECKING:
    from datetime import datetime

    from core.store.db import Db, Row

log = logging.getLogger("core.events")

LEASE = 15.0
"""Seconds that a claimed row is its relay's: it is claimed again after a relay that died (RELIABILITY 4.6)."""
AGAIN = 1.0
"""Seconds until a row is tried again that did not reach the broker."""
ATTEMPTS = 5
"""Refusals after which a row is dead (RELIABILITY 4.6)."""
WRITE = 3.0
"""Seconds a statement may take (RELIABILITY 3)."""

# Due rows by outbox_due, in that index's own order so that no sort and no published row is touched; what is older in
# the same aggregate by outbox_unpublished. Then the inbox rows of all consumers, those that only another release knows
# included, and the mark, by the primary key.
HAND_OVER = """
WITH due AS MATERIALIZED (
    SELECT o.* FROM kernel.outbox o
    WHERE o.published_at IS NULL AND o.next_attempt_at <= now() AND NOT EXISTS (
        SELECT FROM kernel.outbox older
        WHERE older.published_at IS NULL AND older.aggregate_type = o.aggregate_type
            AND older.aggregate_id = o.aggregate_id AND older.seq < o.seq)
    ORDER BY o.next_attempt_at, o.seq LIMIT $1
    FOR UPDATE OF o SKIP LOCKED
), delivered AS (
    INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload,
        metadata, occurred_at)
    SELECT s.consumer, d.event_id, d.seq, d.event_type, d.version, d.aggregate_type, d.aggregate_id, d.payload,
        d.metadata, d.occurred_at
    FROM due d JOIN (
        SELECT * FROM unnest($2::text[], $3::text[]) AS mine (consumer, event_type)
        UNION SELECT consumer, event_type FROM kernel.plugin_consumers) s USING (event_type)
    ORDER BY d.seq, s.consumer
    ON CONFLICT DO NOTHING
)
UPDATE kernel.outbox o SET published_at = clock_timestamp(), last_error = NULL
FROM due WHERE o.seq = due.seq RETURNING o.event_type
"""
# As above. The lease is the next attempt's time, so a row that is claimed is not due.
CLAIM = """
WITH due AS MATERIALIZED (
    SELECT o.seq FROM kernel.outbox o
    WHERE o.published_at IS NULL AND o.next_attempt_at <= now() AND NOT EXISTS (
        SELECT FROM kernel.outbox older
        WHERE older.published_at IS NULL AND older.aggregate_type = o.aggregate_type
            AND older.aggregate_id = o.aggregate_id AND older.seq < o.seq)
    ORDER BY o.next_attempt_at, o.seq LIMIT $1
    FOR UPDATE OF o SKIP LOCKED
)
UPDATE kernel.outbox o SET next_attempt_at = now() + make_interval(secs => $2)
FROM due WHERE o.seq = due.seq
RETURNING o.seq, o.event_id, o.event_type, o.version, o.aggregate_type, o.aggregate_id, o.payload, o.metadata,
    o.occurred_at
"""
# By the primary key, all three.
TAKEN = """
UPDATE kernel.outbox SET published_at = clock_timestamp(), last_error = NULL
WHERE seq = ANY($1::bigint[]) AND published_at IS NULL
"""
UNREACHED = """
UPDATE kernel.outbox SET next_attempt_at = now() + make_interval(secs => $2)
WHERE seq = ANY($1::bigint[]) AND published_at IS NULL
"""
REFUSED = """
WITH refused AS (SELECT * FROM unnest($1::bigint[], $2::text[]) AS r (seq, reason)
), again AS (
    UPDATE kernel.outbox o SET attempts = o.attempts + 1, last_error = r.reason,
        next_attempt_at = now() + make_interval(secs => 4.0 ^ o.attempts)
    FROM refused r WHERE o.seq = r.seq AND o.published_at IS NULL AND o.attempts + 1 < $3
), gone AS (
    DELETE FROM kernel.outbox o USING refused r
    WHERE o.seq = r.seq AND o.published_at IS NULL AND o.attempts + 1 >= $3 RETURNING o.*, r.reason
)
INSERT INTO kernel.outbox_dead (seq, event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at, attempts, last_error)
SELECT seq, event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata, occurred_at, attempts + 1,
    reason FROM gone
ON CONFLICT DO NOTHING RETURNING event_id, event_type, aggregate_type, aggregate_id, last_error
"""
# What is unpublished, by outbox_unpublished: few rows but after an outage.
OLDEST = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(occurred_at)), 0)::float8 FROM kernel.outbox
WHERE published_at IS NULL
"""


@attrs.frozen
class OutboxRow:
    """One event on its way out. `payload` and `metadata` are JSON text."""

    seq: int
    event_id: UUID
    event_type: str
    version: int
    aggregate_type: str
    aggregate_id: str
    payload: str
    metadata: str
    occurred_at: "datetime"


@attrs.frozen(kw_only=True)
class Report:
    """What became of a claimed batch, by `seq`."""

    taken: Sequence[int] = ()
    refused: Mapping[int, str] = attrs.field(factory=dict[int, str])
    """With the reason. Each is an attempt; after the fifth the row goes to `kernel.outbox_dead`."""
    unreached: Sequence[int] = ()
    """The transport's trouble, not the message's: no attempt."""


class OutboxRows:
    """What a relay does with the outbox, each a transaction of its own. Raises Problem when the database is away."""

    def __init__(self, db: "Db") -> None:
        self._db = db

    async def hand_over(self, consumers: Sequence[str], types: Sequence[str], limit: int) -> Counter[str]:
        """Due rows to the inboxes of these consumers, one per event type, and of all that are written down, and off.

        How many went of each type.
        """
        return Counter(row["event_type"] for row in await run(self._db, HAND_OVER, limit, consumers, types))

    async def claim(self, limit: int) -> list[OutboxRow]:
        """Due rows, which nobody else claims for the time of the lease."""
        return sorted((OutboxRow(*row) for row in await run(self._db, CLAIM, limit, LEASE)), key=lambda row: row.seq)

    async def settle(self, report: Report) -> None:
        """Note what became of claimed rows. An event that dies here no longer holds up its aggregate."""
        if report.taken:
            await run(self._db, TAKEN, report.taken)
        if report.unreached:
            await run(self._db, UNREACHED, report.unreached, AGAIN)
        if report.refused:
            seqs, reasons = list(report.refused), list(report.refused.values())
            for row in await run(self._db, REFUSED, seqs, reasons, ATTEMPTS):
                log.critical("ALARM: %s event %s of %s %s is dead, refused as %s: see kernel.outbox_dead",
                             row["event_type"], row["event_id"], row["aggregate_type"], row["aggregate_id"],
                             row["last_error"])  # fmt: skip

    async def oldest(self) -> float:
        """Age in seconds of the oldest unpublished event, 0 without one."""
        age: float = (await run(self._db, OLDEST))[0][0]
        return age


async def run(db: "Db", sql: LiteralString, *args: object) -> "list[Row]":
    """One statement that changes things, committed by itself."""
    async with db.connection() as connection:
        sent = time.monotonic()
        try:
            return await (await connection.statement(sql)).fetch(*args, timeout=remaining(WRITE))
        finally:
            db.spending.add(sent)
