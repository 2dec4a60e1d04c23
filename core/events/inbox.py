"""The inbox's rows: one per consumer and event, the delivery's state and the proof that it took effect once.

RELIABILITY 4.7. Both transports write them; the bus gives each to its handler.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import attrs

from core import faultpoints
from core.events.outbox import run

if TYPE_CHECKING:
    from datetime import datetime

    from core.store.db import Db, Tx

# By inbox_due in its own order; what is older and was never tried, by inbox_order. Rows of consumers and types that
# only another version of the code knows are left to it, and waited for as long as there is one: a subscription that was
# given up holds nothing up.
DUE = """
SELECT i.consumer, i.event_id FROM kernel.inbox i
WHERE i.state = 'waiting' AND i.next_attempt_at <= now() AND i.consumer || ' ' || i.event_type = ANY($1::text[])
    AND (i.attempts > 0 OR NOT EXISTS (
        SELECT FROM kernel.inbox older
        WHERE older.state = 'waiting' AND older.attempts = 0 AND older.consumer = i.consumer
            AND older.aggregate_type = i.aggregate_type AND older.aggregate_id = i.aggregate_id AND older.seq < i.seq
            AND (older.consumer || ' ' || older.event_type = ANY($3::text[]) OR EXISTS (
                SELECT FROM kernel.plugin_consumers heard
                WHERE heard.consumer = older.consumer AND heard.event_type = older.event_type))))
ORDER BY i.next_attempt_at, i.seq LIMIT $2
"""
# By the primary key, all three. A row that was due once stays so until it is handled: nothing older comes later.
CLAIM = """
SELECT event_type, aggregate_id, payload, metadata, occurred_at, attempts FROM kernel.inbox
WHERE consumer = $1 AND event_id = $2 AND state = 'waiting' AND next_attempt_at <= now()
FOR UPDATE SKIP LOCKED
"""
DONE = """
UPDATE kernel.inbox SET state = 'done', finished_at = clock_timestamp(), last_error = NULL
WHERE consumer = $1 AND event_id = $2
"""
FAILED = """
UPDATE kernel.inbox SET attempts = attempts + 1, last_error = $4,
    state = CASE WHEN $5::float8 IS NULL THEN 'dead' ELSE state END,
    next_attempt_at = now() + make_interval(secs => coalesce($5, 0))
WHERE consumer = $1 AND event_id = $2 AND state = 'waiting' AND attempts = $3
"""
# What arrived, in the order of arrival. A row that is there already came before; one without a place in our outbox,
# because somebody else published it, gets the next.
RECEIVE = """
INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at)
SELECT $1, t.event_id, coalesce(t.seq, nextval('kernel.outbox_seq_seq')), t.event_type, t.version, t.aggregate_type,
    t.aggregate_id, t.payload::jsonb, t.metadata::jsonb, t.occurred_at
FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::timestamptz[]) WITH ORDINALITY AS t (event_id, seq, event_type, version, aggregate_type, aggregate_id, payload,
    metadata, occurred_at, place)
ORDER BY t.place
ON CONFLICT DO NOTHING
"""
# By outbox_unpublished and inbox_due.
BUSY = """
SELECT EXISTS (SELECT FROM kernel.outbox WHERE published_at IS NULL)
    OR EXISTS (SELECT FROM kernel.inbox WHERE state = 'waiting' AND consumer || ' ' || event_type = ANY($1::text[]))
"""

Key = tuple[str, UUID]
"""Consumer and event id."""


@attrs.frozen
class InboxRow:
    """One claimed delivery. `payload` and `metadata` are JSON text; `attempts` were made before."""

    event_type: str
    aggregate_id: str
    payload: str
    metadata: str
    occurred_at: "datetime"
    attempts: int


@attrs.frozen(kw_only=True)
class Arrival:
    """One event as it came from a broker. `payload` and `metadata` are JSON text; `seq` is its place in the outbox."""

    event_id: UUID
    seq: int | None
    event_type: str
    version: int
    aggregate_type: str
    aggregate_id: str
    payload: str
    metadata: str
    occurred_at: "datetime"


class InboxRows:
    """What bus and intake do with the inbox. Raises Problem when the database is away."""

    def __init__(self, db: "Db") -> None:
        self._db = db

    async def due(self, names: Sequence[str], limit: int, known: Sequence[str]) -> list[Key]:
        """What may be claimed now. `names` are "consumer event-type", and so are all that are `known` here."""
        return [(row["consumer"], row["event_id"]) for row in await run(self._db, DUE, names, limit, known)]

    @asynccontextmanager
    async def attempt(self, key: Key) -> "AsyncIterator[tuple[Tx, InboxRow | None]]":
        """The handler's transaction with its claimed row, which is done when the block ends well.

        Without the row when it is no longer due or another replica has it.
        """
        async with self._db.transaction() as tx:
            found = await tx.fetchrow(CLAIM, *key)
            yield tx, None if found is None else InboxRow(*found)
            if found is not None:
                if faultpoints.armed:
                    await faultpoints.reach("inbox.before_done", key[0])
                await tx.execute(DONE, *key)

    async def failed(self, key: Key, attempts: int, error: str, pause: float | None) -> None:
        """Note the failure of the attempt after `attempts` others: again in `pause` seconds, or dead without one."""
        await run(self._db, FAILED, *key, attempts, error, pause)

    async def receive(self, consumer: str, arrivals: Sequence[Arrival]) -> None:
        """All of them or none, as one statement. Raises what the database says of values that it cannot hold."""
        await run(self._db, RECEIVE, consumer, *map(list, zip(*map(attrs.astuple, arrivals), strict=True)))

    async def reachable(self) -> bool:
        """Whether the inbox can be written now."""
        return await self._db.reachable()

    async def busy(self, names: Sequence[str]) -> bool:
        """Whether an event waits in the outbox, or a delivery to one of these, retries included."""
        return bool((await run(self._db, BUSY, names))[0][0])
