"""The in-process transport and its consumers: inbox rows, and a worker that gives each to its handler.

The relay's transaction writes one inbox row per consumer and event; the handler's transaction marks it done, so that a
handler takes effect once (RELIABILITY 4.7). Failed deliveries wait in their row, then are dead letters.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
import orjson

from core.context import Cause, cause, deadline
from core.convert import wire
from core.errors import Problem
from core.events.model import EventMeta
from core.events.outbox import OutboxRow, wait
from core.events.subscription import Subscription

if TYPE_CHECKING:
    from core.store.db import Db, Row, Tx
    from core.tasks import Tasks

log = logging.getLogger("core.events")

DELAYS = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Seconds before each further attempt; after the last one fails the row is dead (RELIABILITY 4.7)."""

# Outbox rows by the primary key. A row that is there already was delivered before.
DELIVER = """
INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at)
SELECT s.consumer, o.event_id, o.seq, o.event_type, o.version, o.aggregate_type, o.aggregate_id, o.payload, o.metadata,
    o.occurred_at
FROM kernel.outbox o JOIN unnest($2::text[], $3::text[]) AS s (consumer, event_type) USING (event_type)
WHERE o.seq = ANY($1::bigint[])
ON CONFLICT DO NOTHING
"""
# By inbox_due in its own order; what is older and was never tried, by inbox_order. Rows of consumers and types that
# only another version of the code knows are left to it.
DUE = """
SELECT i.consumer, i.event_id FROM kernel.inbox i
WHERE i.state = 'waiting' AND i.next_attempt_at <= now() AND i.consumer || ' ' || i.event_type = ANY($1::text[])
    AND (i.attempts > 0 OR NOT EXISTS (
        SELECT FROM kernel.inbox older
        WHERE older.state = 'waiting' AND older.attempts = 0 AND older.consumer = i.consumer
            AND older.aggregate_type = i.aggregate_type AND older.aggregate_id = i.aggregate_id AND older.seq < i.seq))
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
BUSY = """
SELECT EXISTS (SELECT FROM kernel.outbox WHERE published_at IS NULL AND next_attempt_at <= now())
    OR EXISTS (SELECT FROM kernel.inbox WHERE state = 'waiting' AND next_attempt_at <= now()
        AND consumer || ' ' || event_type = ANY($1::text[]))
"""

Key = tuple[str, UUID]


@attrs.define
class _Delivery:
    """One attempt. `attempts` were made before it."""

    subscription: Subscription
    attempts: int = 0


class _Undecodable(Exception):
    """The stored event does not fit its class: no later attempt can differ."""


class Bus:
    """A transport for the relay, and the worker that runs the handlers."""

    def __init__(
        self,
        db: "Db",
        tasks: "Tasks",
        subscriptions: Iterable[Subscription],
        *,
        concurrency: int = 8,
        timeout: float = 10.0,
        poll: float = 1.0,
        delays: Sequence[float] = DELAYS,
        batch: int = 100,
    ) -> None:
        """At most `concurrency` handlers at once, each with a connection: half the pool at most. Times in seconds."""
        self._db, self._tasks = db, tasks
        self._timeout, self._poll, self._delays, self._batch = timeout, poll, tuple(delays), batch
        self._known: dict[tuple[str, str], Subscription] = {}
        for each in subscriptions:
            if self._known.setdefault((each.consumer, each.event.event_type), each) is not each:
                raise ValueError(f"{each.consumer} subscribes twice to {each.event.event_type}")
        self._names = [f"{consumer} {event_type}" for consumer, event_type in self._known]
        self._types = {event_type: each.event for (_, event_type), each in self._known.items()}
        self._slots = asyncio.Semaphore(concurrency)
        self._running: set[Key] = set()
        self._elsewhere: dict[Key, float] = {}
        """What another replica works on, and until when not to ask again."""
        self._wake = asyncio.Event()
        self._closing = False

    # -- the transport

    async def deliver(self, tx: "Tx", batch: Sequence[OutboxRow]) -> None:
        """One inbox row per consumer of each event, in the relay's transaction."""
        wanted = [row.seq for row in batch if row.event_type in self._types]
        if wanted:
            consumers, types = zip(*self._known, strict=True)
            await tx.execute(DELIVER, wanted, consumers, types)

    def delivered(self) -> None:
        """There are new rows."""
        self._wake.set()

    # -- the worker

    async def run(self) -> None:
        """For ever. An unreachable database is waited for, not raised."""
        while True:
            try:
                started = await self._round()
            except Problem:
                log.warning("the inbox cannot be read: the database is away")
                await asyncio.sleep(self._poll)
                continue
            if not started:
                await wait(self._wake, self._poll)

    async def stop(self, budget: float) -> None:
        """Claim no more, and let the handlers that run come to their end for at most `budget` seconds."""
        self._closing = True
        until = time.monotonic() + budget
        while self._running and time.monotonic() < until:  # noqa: ASYNC110  once, at the end of the process
            await asyncio.sleep(0.01)

    async def idle(self, budget: float = 10.0) -> None:
        """For tests: wait until nothing is due in the outbox or the inbox. Raises TimeoutError."""
        async with asyncio.timeout(budget):
            while self._running or await self._db.fetchval(BUSY, self._names):  # noqa: ASYNC110  the database is asked
                await asyncio.sleep(0.01)

    async def _round(self) -> int:
        """Start a handler for each due row, as slots come free."""
        self._wake.clear()
        if self._closing or not self._names:
            return 0
        rows, now = await self._db.fetch(DUE, self._names, self._batch), time.monotonic()
        self._elsewhere = {key: until for key, until in self._elsewhere.items() if until > now}
        due: list[Key] = [(row["consumer"], row["event_id"]) for row in rows]
        due = [key for key in due if key not in self._running and key not in self._elsewhere]
        for key in due:
            await self._slots.acquire()
            if self._closing:
                self._slots.release()
                return 0
            self._running.add(key)
            self._tasks.spawn(f"handle {key[0]}", self._handle(key))
        return len(due)

    async def _handle(self, key: Key) -> None:
        delivery: _Delivery | None = None
        try:
            async with self._db.transaction() as tx:
                row = await tx.fetchrow(CLAIM, *key)
                if row is not None:
                    delivery = _Delivery(self._known[key[0], row["event_type"]], row["attempts"])
                    await self._run(delivery.subscription, key, row, tx)
                    await tx.execute(DONE, *key)
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a failed delivery
            if delivery is None:
                log.warning("%s could not claim an event: %s", key[0], type(error).__name__)
            else:
                await self._failed(key, delivery, error)
        finally:
            self._running.discard(key)
            self._slots.release()
            if delivery is None:
                self._elsewhere[key] = time.monotonic() + self._poll
            else:
                self._wake.set()  # the next of its aggregate may be due now

    async def _run(self, subscription: Subscription, key: Key, row: "Row", tx: "Tx") -> None:
        event, meta, because = _read(subscription, key[1], row)
        cause.set(because)  # this task and its context are the delivery's own
        deadline.set(time.monotonic() + self._timeout)
        async with asyncio.timeout(self._timeout):
            await subscription.handler(tx, event, meta)

    async def _failed(self, key: Key, delivery: _Delivery, error: Exception) -> None:
        """Note a failure in a transaction of its own: the handler's is rolled back."""
        deadline.set(float("inf"))
        cause_of = (
            error.__cause__ if isinstance(error, _Undecodable | Problem) else None
        )  # Db's Problem hides the class
        name = type(cause_of or error).__name__
        last = isinstance(error, _Undecodable) or delivery.attempts >= len(self._delays)
        pause = None if last else self._delays[delivery.attempts]
        if last:
            log.error("%s gave up on event %s after %d attempts: %s", *key, delivery.attempts + 1, name, exc_info=error)
        else:
            log.warning("%s failed on event %s, again in %.0f s: %s", *key, pause, name, exc_info=error)
        try:
            async with self._db.transaction() as tx:
                await tx.execute(FAILED, *key, delivery.attempts, name, pause)
        except Exception as problem:  # noqa: BLE001  the row is as it was and due again at once: nothing else is lost
            log.warning("a failure of %s could not be noted: %s", key[0], type(problem).__name__)
            await asyncio.sleep(self._poll)


def _read(subscription: Subscription, event_id: UUID, row: "Row") -> tuple[Any, EventMeta, Cause]:
    try:
        event = wire.structure(orjson.loads(row["payload"]), subscription.event)
        metadata: dict[str, str] = orjson.loads(row["metadata"])
        user = UUID(metadata["userId"]) if "userId" in metadata else None
        correlation = metadata["correlationId"]
    except (Problem, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _Undecodable from error
    meta = EventMeta(
        event_id=event_id,
        aggregate_id=row["aggregate_id"],
        occurred_at=row["occurred_at"],
        correlation_id=correlation,
        user_id=user,
    )
    return event, meta, Cause(correlation, user, event_id)
