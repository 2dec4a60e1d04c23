"""Planted bugs: each promise that the simulation checks can fail, and is seen to fail within a few seeds."""

import os
import re
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest

from core.errors import TOKEN_INVALID, Problem
from core.events import inbox
from core.events.amqp.intake import Intake
from core.events.amqp.publisher import Publisher
from core.events.bus import Bus
from core.events.inbox import InboxRow, InboxRows, Key
from core.events.outbox import Report
from core.http.limits import Buckets
from core.resilience import breaker, retry
from core.store.tx import Tx
from plugins.user import queries
from plugins.user import sessions as sessions_module
from plugins.user.queries import SessionRows
from plugins.user.sessions import Sessions
from plugins.user.tokens import RefreshToken, Verdict, judge
from tests.simulation.broker import Queue
from tests.simulation.meanings import inbox as inbox_meanings
from tests.simulation.meanings import outbox as outbox_meanings
from tests.simulation.meanings import sessions as session_meanings
from tests.simulation.postgres import Meaning, Tables
from tests.simulation.runner import once
from tests.simulation.storage import Outcome, Record, Row, Statement, Txn
from tests.simulation.world import MEANINGS

MOST = 60
"""Seeds in which a planted bug must show."""

Patch = pytest.MonkeyPatch
Planted = tuple[str, str, Callable[[Patch], None]]


def means(patch: Patch, sql: str, meaning: Meaning) -> None:
    """What the server does for a statement from now on."""
    patch.setitem(MEANINGS, sql, meaning)


def any_row(patch: Patch) -> None:
    """The relay claims due rows, whatever is older in their aggregate."""

    def due(txn: Txn, tables: Tables, limit: int) -> Generator[Record | None, None, list[Record]]:
        yield from txn.hesitate()
        found = [record for record in tables["outbox"].live.values() if txn.try_lock(record)]
        return [record for record in reversed(found) if outbox_meanings._ready(txn, record)][:limit]

    patch.setattr(outbox_meanings, "_due", due)


def unlocked_claim(patch: Patch) -> None:
    """The inbox row is read without a lock."""

    def claim(txn: Txn, tables: Tables, consumer: str, event_id: UUID) -> Outcome:
        record = txn.find(tables["inbox"], (consumer, event_id))
        seen = inbox_meanings._waiting(txn, record) if record is not None else None
        return Outcome([Row({name: seen[name] for name in inbox_meanings.CLAIMED})] if seen else [])

    means(patch, inbox.CLAIM, claim)


def done_first(patch: Patch) -> None:
    """The row is done in a transaction of its own, before the handler's."""

    @asynccontextmanager
    async def attempt(self: InboxRows, key: Key) -> AsyncIterator[tuple[Tx, InboxRow | None]]:
        async with self._db.transaction() as tx:
            found = await tx.fetchrow(inbox.CLAIM, *key)
            await tx.execute(inbox.DONE, *key)
        async with self._db.transaction() as tx:
            yield tx, None if found is None else InboxRow(*found)

    patch.setattr(InboxRows, "attempt", attempt)


def hasty(patch: Patch) -> None:
    """Failed deliveries are due again at once."""
    failed = InboxRows.failed
    patch.setattr(InboxRows, "failed", lambda self, key, n, name, pause: failed(self, key, n, name, pause and 0.0))


def dead_early(patch: Patch) -> None:
    """The last attempt is never made."""
    made = Bus.__init__
    patch.setattr(Bus, "__init__", lambda self, *a, delays, **more: made(self, *a, delays=delays[:-1], **more))


def counted_twice(patch: Patch) -> None:
    """A failure counts as two."""

    def failed(txn: Txn, tables: Tables, consumer: str, event_id: UUID, attempts: int, *more: Any) -> Statement:
        outcome = yield from inbox_meanings.failed(txn, tables, consumer, event_id, attempts, *more)
        if outcome.count:
            txn.write(tables["inbox"].records[consumer, event_id], attempts=attempts + 2)
        return outcome

    means(patch, inbox.FAILED, failed)


def forgetful(patch: Patch) -> None:
    """One consumer is forgotten now and then."""

    def deliver(txn: Txn, tables: Tables, consumer: str, values: dict[str, Any]) -> Generator[Record, None, bool]:
        if consumer == "shop.mail" and values["seq"] % 5 == 0:
            return False
        return (yield from delivered(txn, tables, consumer, values))

    delivered = outbox_meanings.deliver
    patch.setattr(outbox_meanings, "deliver", deliver)


def silent(patch: Patch) -> None:
    """A commit now and then leaves its events behind."""
    flush = Tx.flush

    async def forgets(self: Tx) -> None:
        if len(self.events) == 1:
            await flush(self)

    patch.setattr(Tx, "flush", forgets)


def free_tokens(patch: Patch) -> None:
    """Each successor is a new one."""
    patch.setattr(RefreshToken, "successor", lambda *_: RefreshToken(os.urandom(32)))


def judged(change: dict[Verdict, Verdict]) -> Callable[[Patch], None]:
    """Another verdict instead of the right one."""

    def plant(patch: Patch) -> None:
        patch.setattr(sessions_module, "judge", lambda shown, device: change.get(v := judge(shown, device), v))

    return plant


def signed_out(patch: Patch) -> None:
    """An outage is answered as a bad token."""
    refresh = Sessions.refresh

    async def refuses(self: Sessions, text: str, device: str | None) -> Any:
        try:
            return await refresh(self, text, device)
        except Problem:
            raise Problem(TOKEN_INVALID) from None

    patch.setattr(Sessions, "refresh", refuses)


def deaf(patch: Patch) -> None:
    """The feed brings nothing."""

    async def revoked(self: SessionRows, db: object, seconds: float) -> Sequence[UUID]:
        return []

    patch.setattr(SessionRows, "revoked", revoked)


def unlocked_write(patch: Patch) -> None:
    """A write asks for its session and does not hold it."""
    means(patch, queries.REQUIRE, session_meanings.session_role)


def everyone_tries(patch: Patch) -> None:
    """Half open, all are let in."""
    admit = breaker.Breaker._admit

    def admits(self: breaker.Breaker, now: float) -> None:
        if self.state is not breaker.State.HALF_OPEN:
            admit(self, now)

    patch.setattr(breaker.Breaker, "_admit", admits)


def stubborn(patch: Patch) -> None:
    """It stays open longer each time, without a bound."""
    opened = breaker.Breaker._open

    def opens(self: breaker.Breaker, now: float) -> None:
        self._longest = 1e9
        opened(self, now)

    patch.setattr(breaker.Breaker, "_open", opens)


def unlimited(patch: Patch) -> None:
    """Without Redis each replica lets through everything."""
    spread = Buckets.spread
    patch.setattr(Buckets, "spread", lambda self, n, *, shared: spread(self, 1 if not shared else n, shared=True))


def walled(patch: Patch) -> None:
    """Without Redis nothing passes."""
    spread = Buckets.spread

    def closes(self: Buckets, replicas: int, *, shared: bool) -> None:
        spread(self, replicas, shared=shared)
        self._most = self._most if shared else 0.0

    patch.setattr(Buckets, "spread", closes)


def blamed(patch: Patch) -> None:
    """What the broker did not confirm counts against the event."""
    report = Publisher._report

    def blames(self: Publisher, tasks: Any) -> Report:
        told = report(self, tasks)
        return Report(taken=told.taken, refused=dict.fromkeys(told.unreached, "Unconfirmed"))

    patch.setattr(Publisher, "_report", blames)


def shared_queue(patch: Patch) -> None:
    """A queue serves all its consumers in turn."""

    def push(self: Queue) -> None:
        while self.ready and self.consumers:
            self.consumers.append(self.consumers.pop(0))
            self.consumers[0].deliver(self, self.ready.popleft())

    patch.setattr(Queue, "push", push)


def acked_early(patch: Patch) -> None:
    """Messages are acknowledged that were not written down."""
    take = Intake._take

    async def takes(self: Intake, queue: str, messages: Sequence[Any]) -> None:
        with suppress(Problem):
            await take(self, queue, messages)

    patch.setattr(Intake, "_take", takes)


PLANTED: dict[str, Planted] = {
    "any row": ("events", "in order", any_row),
    "unlocked claim": ("events", "took effect once .* not 2", unlocked_claim),
    "done first": ("events", "took effect once .* not 0", done_first),
    "hasty": ("events", "again after its delay", hasty),
    "dead early": ("events", "dead after the last attempt", dead_early),
    "counted twice": ("events", "an attempt is counted for a run", counted_twice),
    "forgetful": ("events", "reached shop.mail", forgetful),
    "silent": ("events", "no change without its event", silent),
    "blamed": ("bridge", "never counts as an attempt|no event dies", blamed),
    "shared queue": ("bridge", "in order", shared_queue),
    "acked early": ("bridge", "handled or dead within|in order", acked_early),
    "free tokens": ("sessions", "one successor|honest client", free_tokens),
    "no repeat": ("sessions", "honest client", judged({Verdict.REPEAT: Verdict.REFUSE})),
    "no revocation": ("sessions", "reuse ends it", judged({Verdict.REVOKE: Verdict.REFUSE})),
    "revoked in grace": ("sessions", "honest client|ends no session", judged({Verdict.REPEAT: Verdict.REVOKE})),
    "signed out": ("sessions", "honest client|reuse ends it", signed_out),
    "deaf": ("sessions", "knows of an end", deaf),
    "unlocked write": ("sessions", "does not end under a write", unlocked_write),
    "everyone tries": ("breaker", "one at a time", everyone_tries),
    "stubborn": ("breaker", "open for at most", stubborn),
    "two successes": ("breaker", "3 successes", lambda patch: patch.setattr(breaker, "SUCCESSES", 2)),
    "never opens": ("breaker", "opens it", lambda patch: patch.setattr(breaker, "STREAK", 50)),
    "opens early": ("breaker", "for less", lambda patch: patch.setattr(breaker, "STREAK", 3)),
    "cancelled is failed": (
        "breaker",
        "changes nothing|less",
        lambda p: p.setattr(breaker.Breaker, "ignored", breaker.Breaker.failed),
    ),
    "no budget": ("breaker", "a fifth", lambda patch: patch.setattr(retry, "SHARE", 100)),
    "unlimited": ("limiter", "without redis", unlimited),
    "walled": ("limiter", "wall|not refused", walled),
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", sorted(PLANTED))
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, promise, plant = PLANTED[name]
    plant(monkeypatch)
    faults = [""]
    for seed in range(MOST):
        faults.append(once(scenario, seed).fault or "")
        if re.search(promise, faults[-1]):
            return
    pytest.fail(f"only {sorted(set(faults))}")
