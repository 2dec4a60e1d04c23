"""SQL of what operators do with the outbox and its dead rows."""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import attrs

from core.commands.selecting import Chosen
from core.store.db import Db, Row, Tx

MEANT: LiteralString = """
    ($1::bigint[] IS NULL AND $2::uuid[] IS NULL OR seq = ANY($1) OR event_id = ANY($2))
    AND ($3::text IS NULL OR event_type = $3 OR event_type LIKE $3 || '.%')
    AND seq > coalesce($4::bigint, 0) AND ($5::timestamptz IS NULL OR occurred_at >= $5)"""
# By outbox_unpublished: few rows but after an outage.
WAITING = (
    """
SELECT seq, event_id, event_type, aggregate_type, aggregate_id, 'waiting' AS state, occurred_at, attempts, last_error,
    extract(epoch FROM clock_timestamp() - occurred_at)::float8 AS age
FROM kernel.outbox
WHERE published_at IS NULL AND """
    + MEANT
    + """
ORDER BY seq LIMIT $6
"""
)
# outbox_dead_pkey.
DEAD = (
    """
SELECT seq, event_id, event_type, aggregate_type, aggregate_id, 'dead' AS state, occurred_at, attempts, last_error,
    extract(epoch FROM clock_timestamp() - occurred_at)::float8 AS age
FROM kernel.outbox_dead
WHERE """
    + MEANT
    + """
ORDER BY seq LIMIT $6
"""
)
# outbox_pkey backwards.
PUBLISHED = (
    """
SELECT seq, event_id, event_type, aggregate_type, aggregate_id, 'published' AS state, occurred_at, attempts, last_error,
    extract(epoch FROM clock_timestamp() - occurred_at)::float8 AS age
FROM kernel.outbox
WHERE published_at IS NOT NULL AND """
    + MEANT
    + """
ORDER BY seq DESC LIMIT $6
"""
)
# outbox_pkey and outbox_event_id_key, outbox_dead_pkey and outbox_dead_event_id_key.
SHOW = """
SELECT seq, event_id, event_type, version, aggregate_type, aggregate_id, payload::text AS payload,
    metadata::text AS metadata, occurred_at, attempts, last_error, published_at, next_attempt_at, NULL AS died_at
FROM kernel.outbox WHERE seq = $1 OR event_id = $2
UNION ALL
SELECT seq, event_id, event_type, version, aggregate_type, aggregate_id, payload::text, metadata::text, occurred_at,
    attempts, last_error, NULL, NULL, died_at
FROM kernel.outbox_dead WHERE seq = $1 OR event_id = $2
"""
# inbox_pkey.
DELIVERIES = """
SELECT consumer, state, attempts, last_error, received_at, finished_at FROM kernel.inbox
WHERE consumer = ANY($1::text[]) AND event_id = $2 ORDER BY consumer
"""
# outbox_unpublished, outbox_dead_pkey, outbox_published, outbox_pkey.
STATS = """
SELECT (SELECT count(*) FROM kernel.outbox WHERE published_at IS NULL) AS waiting,
    (SELECT extract(epoch FROM clock_timestamp() - min(occurred_at))::float8 FROM kernel.outbox
     WHERE published_at IS NULL) AS oldest,
    (SELECT count(*) FROM kernel.outbox_dead) AS dead,
    (SELECT count(*) FROM kernel.outbox WHERE published_at > now() - interval '1 hour') AS last_hour,
    (SELECT min(seq) FROM kernel.outbox) AS first, (SELECT max(seq) FROM kernel.outbox) AS last
"""
# inbox_due and inbox_dead.
CONSUMERS = """
SELECT consumer, count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE attempts > 0) AS tried,
    count(*) FILTER (WHERE state = 'dead') AS dead
FROM (SELECT consumer, state, attempts FROM kernel.inbox WHERE state = 'waiting'
      UNION ALL SELECT consumer, state, 0 FROM kernel.inbox WHERE state = 'dead') AS open
GROUP BY consumer ORDER BY consumer
"""
# outbox_dead_pkey.
COUNT_DEAD = (
    """
SELECT count(*) FROM kernel.outbox_dead
WHERE """
    + MEANT
    + """
"""
)
# outbox_dead_pkey. With its old number a row is the oldest of its aggregate again.
REPLAY = (
    """
WITH chosen AS (
    SELECT seq FROM kernel.outbox_dead
    WHERE """  # noqa: S608  constants only
    + MEANT
    + """
    ORDER BY seq LIMIT $6 FOR UPDATE SKIP LOCKED
), back AS (
    DELETE FROM kernel.outbox_dead d USING chosen WHERE d.seq = chosen.seq RETURNING d.*
), put AS (
    INSERT INTO kernel.outbox (seq, event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata,
        occurred_at)
    OVERRIDING SYSTEM VALUE
    SELECT seq, event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata, occurred_at FROM back
    ON CONFLICT DO NOTHING
)
SELECT seq, event_id FROM back ORDER BY seq
"""
)
# outbox_dead_pkey.
DISCARD = (
    """
WITH chosen AS (
    SELECT seq FROM kernel.outbox_dead
    WHERE """  # noqa: S608  constants only
    + MEANT
    + """
    ORDER BY seq LIMIT $6 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM kernel.outbox_dead d USING chosen WHERE d.seq = chosen.seq RETURNING d.seq, d.event_id
)
SELECT seq, event_id FROM gone ORDER BY seq
"""
)
# outbox_pkey, inbox_pkey. A delivery that is handled right now is locked, and left alone.
REDELIVER = (
    """
WITH chosen AS MATERIALIZED (
    SELECT * FROM kernel.outbox
    WHERE published_at IS NOT NULL
        AND """  # noqa: S608  constants only
    + MEANT
    + """ AND seq <= $7 AND event_type = ANY($9::text[])
    ORDER BY seq LIMIT $6
), put AS (
    INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload,
        metadata, occurred_at)
    SELECT $8, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata, occurred_at
    FROM chosen ON CONFLICT DO NOTHING RETURNING event_id
), finished AS (
    SELECT i.event_id FROM kernel.inbox i JOIN chosen USING (event_id)
    WHERE $10 AND i.consumer = $8 AND i.state <> 'waiting' FOR UPDATE OF i SKIP LOCKED
), cleared AS (
    UPDATE kernel.inbox i SET state = 'waiting', attempts = 0, next_attempt_at = now(), finished_at = NULL,
        last_error = NULL
    FROM finished f WHERE i.consumer = $8 AND i.event_id = f.event_id RETURNING i.event_id
)
SELECT (SELECT max(seq) FROM chosen) AS cursor, (SELECT count(*) FROM chosen) AS found,
    (SELECT count(*) FROM put) AS new, (SELECT count(*) FROM cleared) AS again
"""
)
# As above, looking only.
PREVIEW = (
    """
SELECT max(c.seq) AS cursor, count(*) AS found, count(*) FILTER (WHERE i.state IS NULL) AS new,
    count(*) FILTER (WHERE i.state <> 'waiting') AS again
FROM (SELECT seq, event_id FROM kernel.outbox
      WHERE published_at IS NOT NULL
        AND """  # noqa: S608  constants only
    + MEANT
    + """ AND seq <= $7 AND event_type = ANY($9::text[])
      ORDER BY seq LIMIT $6) AS c
LEFT JOIN kernel.inbox i ON i.consumer = $8 AND i.event_id = c.event_id
"""
)


@attrs.frozen(kw_only=True)
class Redelivered:
    """One batch of a redelivery: up to which number, and what became of the events in it."""

    cursor: int
    found: int
    new: int
    """The consumer had no delivery of them."""
    again: int
    """Were delivered before; with `again` they are delivered once more."""


class OutboxDesk:
    """What an operator sees of the outbox, and does to it within a transaction."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def waiting(self, chosen: Chosen, limit: int) -> list[Row]:
        """Oldest first."""
        return await self._db.fetch(WAITING, *_args(chosen), limit)

    async def dead(self, chosen: Chosen, limit: int) -> list[Row]:
        """Oldest first."""
        return await self._db.fetch(DEAD, *_args(chosen), limit)

    async def published(self, chosen: Chosen, limit: int) -> list[Row]:
        """Newest first."""
        return await self._db.fetch(PUBLISHED, *_args(chosen), limit)

    async def show(self, seq: int | None, event_id: UUID | None) -> Row | None:
        """One row, dead or not, with its payload."""
        return await self._db.fetchrow(SHOW, seq, event_id)

    async def deliveries(self, consumers: Sequence[str], event_id: UUID) -> list[Row]:
        """What each consumer made of an event."""
        return await self._db.fetch(DELIVERIES, consumers, event_id)

    async def stats(self) -> Row:
        """The whole outbox in one row."""
        row = await self._db.fetchrow(STATS)
        if row is None:
            raise LookupError("a SELECT without FROM has one row")
        return row

    async def consumers(self) -> list[Row]:
        """Open deliveries per consumer."""
        return await self._db.fetch(CONSUMERS)

    async def count_dead(self, chosen: Chosen) -> int:
        """How many dead rows are meant."""
        count: int = await self._db.fetchval(COUNT_DEAD, *_args(chosen))
        return count

    async def replay(self, tx: Tx, chosen: Chosen, limit: int) -> list[Row]:
        """Back into the outbox with their old number and id; which."""
        return await tx.fetch(REPLAY, *_args(chosen), limit)

    async def discard(self, tx: Tx, chosen: Chosen, limit: int) -> list[Row]:
        """Gone for good; which."""
        return await tx.fetch(DISCARD, *_args(chosen), limit)

    async def redeliver(
        self, tx: Tx, chosen: Chosen, limit: int, *, until: int, consumer: str, types: Sequence[str], again: bool
    ) -> Redelivered | None:
        """The next batch of published events to one consumer's inbox; None at the end."""
        row = await tx.fetchrow(REDELIVER, *_args(chosen), limit, until, consumer, types, again)
        return _redelivered(row)

    async def preview(
        self, chosen: Chosen, limit: int, *, until: int, consumer: str, types: Sequence[str]
    ) -> Redelivered | None:
        """What `redeliver` would find; None at the end."""
        return _redelivered(await self._db.fetchrow(PREVIEW, *_args(chosen), limit, until, consumer, types))


def _args(chosen: Chosen) -> tuple[object, ...]:
    """$1 to $5."""
    return chosen.numbers, chosen.ids, chosen.event_type, chosen.after, chosen.moment


def _redelivered(row: Row | None) -> Redelivered | None:
    if row is None or row["cursor"] is None:
        return None
    return Redelivered(cursor=row["cursor"], found=row["found"], new=row["new"], again=row["again"])
