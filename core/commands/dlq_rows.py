"""SQL of dead letters: deliveries that a handler gave up, and messages that never became a delivery."""

from typing import LiteralString
from uuid import UUID

import attrs

from core.commands.selecting import Chosen
from core.events.inbox import RECEIVE, Arrival
from core.store.db import Db, Row, Tx

# A delivery's time of death is that of its last attempt.
DELIVERY: LiteralString = """
    state = 'dead' AND ($1::bigint[] IS NULL AND $2::uuid[] IS NULL OR event_id = ANY($2))
    AND ($3::text IS NULL OR event_type = $3 OR event_type LIKE $3 || '.%') AND ($4::text IS NULL OR consumer = $4)
    AND ($5::timestamptz IS NULL OR next_attempt_at >= $5)"""
LETTER: LiteralString = """
    state = 'dead' AND ($1::bigint[] IS NULL AND $2::uuid[] IS NULL OR id = ANY($1) OR event_id = ANY($2))
    AND ($3::text IS NULL OR event_type = $3 OR event_type LIKE $3 || '.%') AND ($4::text IS NULL OR consumer = $4)
    AND ($5::timestamptz IS NULL OR died_at >= $5)"""
# inbox_dead.
DELIVERIES = (
    """
SELECT consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload::text AS payload,
    metadata::text AS metadata, occurred_at, attempts, last_error, next_attempt_at AS died_at,
    extract(epoch FROM clock_timestamp() - next_attempt_at)::float8 AS age
FROM kernel.inbox WHERE """
    + DELIVERY
    + " ORDER BY seq, consumer LIMIT $6"
)
# dead_letters_open.
LETTERS = (
    """
SELECT id, consumer, event_id, event_type, reason, body, size, headers::text AS headers, died_at,
    extract(epoch FROM clock_timestamp() - died_at)::float8 AS age
FROM kernel.dead_letters WHERE """
    + LETTER
    + " AND id > $7 ORDER BY id LIMIT $6"
)
# inbox_dead, dead_letters_open.
COUNT = (
    "SELECT (SELECT count(*) FROM kernel.inbox WHERE "  # noqa: S608  constants only
    + DELIVERY
    + """) AS deliveries,
    (SELECT count(*) FROM kernel.dead_letters WHERE """
    + LETTER
    + ") AS letters"
)
# inbox_dead, then inbox_pkey.
REPLAY = (
    """
UPDATE kernel.inbox i SET state = 'waiting', attempts = 0, next_attempt_at = now(), finished_at = NULL
FROM (SELECT consumer, event_id FROM kernel.inbox WHERE """  # noqa: S608  constants only
    + DELIVERY
    + """
      ORDER BY seq, consumer LIMIT $6 FOR UPDATE SKIP LOCKED) AS chosen
WHERE i.consumer = chosen.consumer AND i.event_id = chosen.event_id RETURNING i.consumer, i.event_id
"""
)
# The same. The row stays, done, so that the event has no effect when it comes once more.
DISCARD = (
    """
UPDATE kernel.inbox i SET state = 'done', finished_at = clock_timestamp(),
    last_error = 'discarded after ' || coalesce(i.last_error, '?')
FROM (SELECT consumer, event_id FROM kernel.inbox WHERE """  # noqa: S608  constants only
    + DELIVERY
    + """
      ORDER BY seq, consumer LIMIT $6 FOR UPDATE SKIP LOCKED) AS chosen
WHERE i.consumer = chosen.consumer AND i.event_id = chosen.event_id RETURNING i.consumer, i.event_id
"""
)
# dead_letters_pkey, both.
CLAIM = "SELECT true FROM kernel.dead_letters WHERE id = $1 AND state = 'dead' FOR UPDATE SKIP LOCKED"
CLOSE = "UPDATE kernel.dead_letters SET state = $2, finished_at = clock_timestamp() WHERE id = $1"
# outbox_event_id_key.
FROM_OUTBOX = """
INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at)
SELECT $1, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata, occurred_at
FROM kernel.outbox WHERE event_id = $2
ON CONFLICT (consumer, event_id) DO UPDATE SET event_id = excluded.event_id RETURNING true
"""


class DeadDesk:
    """What an operator sees of dead letters, and does to them within a transaction."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def deliveries(self, chosen: Chosen, limit: int) -> list[Row]:
        """Dead deliveries in the order of their events."""
        return await self._db.fetch(DELIVERIES, *_args(chosen), limit)

    async def letters(self, chosen: Chosen, limit: int, after: int = 0) -> list[Row]:
        """Dead messages in the order in which they died, beyond the id `after`."""
        return await self._db.fetch(LETTERS, *_args(chosen), limit, after)

    async def count(self, chosen: Chosen) -> tuple[int, int]:
        """How many deliveries and messages are meant."""
        row = await self._db.fetchrow(COUNT, *_args(chosen))
        return (row["deliveries"], row["letters"]) if row else (0, 0)

    async def replay(self, tx: Tx, chosen: Chosen, limit: int) -> list[Row]:
        """Deliveries wait again, as if never tried; which."""
        return await tx.fetch(REPLAY, *_args(chosen), limit)

    async def discard(self, tx: Tx, chosen: Chosen, limit: int) -> list[Row]:
        """Deliveries are done without having been handled; which."""
        return await tx.fetch(DISCARD, *_args(chosen), limit)

    async def claim(self, tx: Tx, letter: int) -> bool:
        """Whether the message is still dead, and ours until the commit."""
        return bool(await tx.fetchval(CLAIM, letter))

    async def close(self, tx: Tx, letter: int, state: str) -> None:
        """`state` is replayed or discarded."""
        await tx.execute(CLOSE, letter, state)

    async def from_outbox(self, tx: Tx, consumer: str, event_id: UUID) -> bool:
        """Give the consumer the event as the outbox has it; whether it still does."""
        return bool(await tx.fetchval(FROM_OUTBOX, consumer, event_id))

    async def receive(self, tx: Tx, consumer: str, arrival: Arrival) -> None:
        """Give the consumer the event as the message had it."""
        await tx.execute(RECEIVE, consumer, *([value] for value in attrs.astuple(arrival)))


def _args(chosen: Chosen) -> tuple[object, ...]:
    """$1 to $5."""
    return chosen.numbers, chosen.ids, chosen.event_type, chosen.consumer, chosen.moment
