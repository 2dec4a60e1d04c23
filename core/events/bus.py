"""The consumers' worker: claims due inbox rows and gives each to its handler (RELIABILITY 4.7).

The handler's transaction marks its row done, so that it takes effect once. Failed deliveries wait in their row, then
are dead letters. It does not matter who wrote the row: the relay itself, or the intake from a broker.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from core.context import Cause, cause, deadline
from core.convert import wire
from core.errors import Problem
from core.events.inbox import InboxRow, InboxRows, Key
from core.events.model import EventMeta
from core.events.relay import wait
from core.events.subscription import Subscription
from core.isolation.guards import Guards, Overran
from core.observe import spent, tracing, tracing_kinds
from core.settings import IsolationSettings
from core.tasks import Tasks, no_stray

if TYPE_CHECKING:
    from core.store.db import Tx

log = logging.getLogger("core.events")

DELAYS = (5.0, 30.0, 120.0, 600.0, 3600.0)
"""Seconds before each further attempt; after the last one fails the row is dead (RELIABILITY 4.7)."""

OK, RETRIED, DEAD = OUTCOMES = "ok", "retried", "dead"
"""Of a delivery: it took effect, it failed and is due again later, it was given up."""


class _Undecodable(Exception):
    """The stored event does not fit its class: no later attempt can differ."""


class Bus:
    """Runs the handlers of all subscriptions, each delivery in a transaction of its own."""

    def __init__(
        self,
        rows: InboxRows,
        tasks: "Tasks",
        subscriptions: Iterable[Subscription],
        *,
        concurrency: int = 8,
        timeout: float = 10.0,
        poll: float = 1.0,
        delays: Sequence[float] = DELAYS,
        batch: int = 100,
        guards: Guards | None = None,
    ) -> None:
        """At most `concurrency` handlers at once, each with a connection: half the pool at most. Times in seconds.

        What is for a plugin that `guards` put aside waits, untouched.
        """
        self._rows, self._tasks = rows, tasks
        self._timeout, self._poll, self._delays, self._batch = timeout, poll, tuple(delays), batch
        self._known: dict[tuple[str, str], Subscription] = {}
        for each in subscriptions:
            if self._known.setdefault((each.consumer, each.event.event_type), each) is not each:
                raise ValueError(f"{each.consumer} subscribes twice to {each.event.event_type}")
        self._guards = guards or Guards(IsolationSettings())
        self._slots = asyncio.Semaphore(concurrency)
        self._running: set[Key] = set()
        self._elsewhere: dict[Key, float] = {}
        """What another replica works on, and until when not to ask again."""
        self._wake = asyncio.Event()
        self._closing = False
        self.handled: Counter[tuple[str, str]] = Counter()
        """Deliveries by consumer and outcome."""

    def poke(self) -> None:
        """There are new rows."""
        self._wake.set()

    @property
    def consumers(self) -> set[str]:
        """All that are known here."""
        return {consumer for consumer, _ in self._known}

    @property
    def event_types(self) -> set[str]:
        """All that somebody listens to here."""
        return {event_type for _, event_type in self._known}

    def close(self) -> None:
        """Claim no more."""
        self._closing = True

    @property
    def _names(self) -> list[str]:
        """Of what may be handled now."""
        return [
            f"{consumer} {event_type}"
            for (consumer, event_type), each in self._known.items()
            if self._guards.available(each.plugin)
        ]

    @property
    def busy(self) -> bool:
        """Whether a handler runs."""
        return bool(self._running)

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

    async def idle(self, budget: float = 10.0) -> None:
        """For tests: wait until nothing is left in outbox and inbox, retries included. Raises TimeoutError."""
        async with asyncio.timeout(budget):
            while self._running or await self._rows.busy(self._names):  # noqa: ASYNC110  the database is asked
                await asyncio.sleep(0.01)

    async def _round(self) -> int:
        """Start a handler for each due row, as slots come free."""
        self._wake.clear()
        names = self._names
        if self._closing or not names:
            return 0
        known = [f"{consumer} {event_type}" for consumer, event_type in self._known]
        due, now = await self._rows.due(names, self._batch, known), asyncio.get_running_loop().time()
        self._elsewhere = {key: until for key, until in self._elsewhere.items() if until > now}
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
        claimed: InboxRow | None = None
        try:
            async with self._rows.attempt(key) as (tx, claimed):
                if claimed is not None:
                    await self._run(self._known[key[0], claimed.event_type], key, claimed, tx)
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a failed delivery
            tracing_kinds.failed(error)
            if claimed is None:
                log.warning("%s could not claim an event: %s", key[0], type(error).__name__)
            elif self._guards.available(self._known[key[0], claimed.event_type].plugin):
                await self._failed(key, claimed.attempts, error)
            else:
                log.info("%s was put aside: event %s waits as it was", *key)
        else:
            self.handled[key[0], OK] += claimed is not None  # not by another replica
        finally:
            self._running.discard(key)
            self._slots.release()
            tracing_kinds.handled()
            if claimed is None:
                self._elsewhere[key] = asyncio.get_running_loop().time() + self._poll
            else:
                self._wake.set()  # the next of its aggregate may be due now

    async def _run(self, subscription: Subscription, key: Key, row: InboxRow, tx: "Tx") -> None:
        event, meta, because, traceparent = _read(subscription, key[1], row)
        cause.set(because)  # this task and its context are the delivery's own
        if tracing.armed is not None:
            tracing_kinds.handling(tracing.armed, traceparent, key, row, subscription.plugin)
        deadline.set(time.monotonic() + self._timeout)
        spent.begin(subscription.plugin or spent.KERNEL, f"handle {key[0]}")
        with no_stray():
            await self._guards.call(
                subscription.plugin, key[0], subscription.handler, tx, event, meta, timeout=self._timeout
            )

    async def _failed(self, key: Key, attempts: int, error: Exception) -> None:
        """Note a failure in a transaction of its own: the handler's is rolled back."""
        deadline.set(float("inf"))
        cause_of = (
            error.__cause__ if isinstance(error, _Undecodable | Problem | Overran) else None
        )  # Db's Problem hides the class
        name = type(cause_of or error).__name__
        last = isinstance(error, _Undecodable) or attempts >= len(self._delays)
        pause = None if last else self._delays[attempts]
        if last:
            log.error("%s gave up on event %s after %d attempts: %s", *key, attempts + 1, name, exc_info=error)
        else:
            log.warning("%s failed on event %s, again in %.0f s: %s", *key, pause, name, exc_info=error)
        try:
            await self._rows.failed(key, attempts, name, pause)
        except Exception as problem:  # noqa: BLE001  the row is as it was and due again at once: nothing else is lost
            log.warning("a failure of %s could not be noted: %s", key[0], type(problem).__name__)
            await asyncio.sleep(self._poll)
        else:
            self.handled[key[0], DEAD if last else RETRIED] += 1


def _read(subscription: Subscription, event_id: UUID, row: InboxRow) -> tuple[Any, EventMeta, Cause, object]:
    try:
        event = wire.structure(orjson.loads(row.payload), subscription.event)
        metadata: dict[str, str] = orjson.loads(row.metadata)
        user = UUID(metadata["userId"]) if "userId" in metadata else None
        correlation = metadata["correlationId"]
    except (Problem, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _Undecodable from error
    meta = EventMeta(
        event_id=event_id,
        aggregate_id=row.aggregate_id,
        occurred_at=row.occurred_at,
        correlation_id=correlation,
        user_id=user,
    )
    return event, meta, Cause(correlation, user, event_id), metadata.get(tracing.TRACEPARENT)
