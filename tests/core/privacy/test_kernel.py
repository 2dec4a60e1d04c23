"""The kernel's own tables: stored answers go, events keep their ids and lose what they say of a person."""

import hashlib
from collections.abc import Sequence
from typing import ClassVar, LiteralString
from uuid import UUID

import attrs
import orjson
import pytest

from core.events.model import Event, EventMeta
from core.events.subscription import Subscription
from core.privacy import kernel
from core.privacy.kernel import KernelData
from core.privacy.model import BATCH, Step, Subject
from core.privacy.requests import Erasures
from core.store.db import Db, Tx
from core.types import UserId, utc_now, uuid7
from tests.core.privacy.domains import privacy

PAYLOADS = {"parcel.told": ("note", "about", "nothing"), "parcel.lost": ("note",)}
TO_INBOX = """
INSERT INTO kernel.inbox (consumer, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at, state)
SELECT $1, event_id, seq, event_type, version, aggregate_type, aggregate_id, payload, metadata, occurred_at, $2
FROM kernel.outbox RETURNING event_id
"""
TO_DEAD = """
INSERT INTO kernel.outbox_dead (seq, event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata,
    occurred_at, attempts)
SELECT seq, event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata, occurred_at, 5
FROM kernel.outbox RETURNING event_id
"""
LETTER = """
INSERT INTO kernel.dead_letters (consumer, event_type, reason, body, size, headers, fingerprint)
VALUES ('parcel.watch', $1, 'unreadable', $2, 1, '{"x": 1}', $3) RETURNING id
"""
OPERATION = """
INSERT INTO kernel.operations (user_id, route, key, fingerprint, status, body)
SELECT $1, 'POST /orders', n::text, '', 201, 'Asha, 12 Orchard Road' FROM generate_series(1, $2) n RETURNING key
"""


@attrs.frozen(kw_only=True)
class ParcelTold(Event):
    """Words about a parcel and its owner."""

    event_type: ClassVar[str] = "parcel.told"
    aggregate_type: ClassVar[str] = "parcel"
    aggregate_key: ClassVar[str] = "parcel_id"

    parcel_id: UUID
    user_id: UUID
    note: str
    about: dict[str, str]
    nothing: str | None = None


def told(user: UUID) -> ParcelTold:
    return ParcelTold(parcel_id=uuid7(), user_id=user, note="ask for Asha", about={"name": "Asha"})


async def listen(_: Tx, __: ParcelTold, ___: EventMeta) -> None:
    """Nothing to do."""


@pytest.fixture
async def db(kernel_db: Db) -> Db:
    """Empty tables."""
    async with kernel_db.connection() as connection:
        await connection.execute("TRUNCATE kernel.outbox_dead, kernel.dead_letters, kernel.exports, kernel.erased")
    return kernel_db


@pytest.fixture
def data(db: Db) -> KernelData:
    """With one consumer of such events."""
    return KernelData(db, PAYLOADS, [Subscription("parcel.watch", ParcelTold, listen)])


async def emitted(db: Db, *users: UUID) -> None:
    async with db.transaction() as tx:
        for user in users:
            tx.emit(told(user))


async def payloads(db: Db, table: LiteralString, user: UUID) -> list[dict[str, object]]:
    sql = f"SELECT payload::text FROM {table} WHERE metadata ->> 'userId' = $1 ORDER BY seq"
    return [orjson.loads(row["payload"]) for row in await db.fetch(sql, str(user))]


async def test_events_lose_what_they_say_of_a_person_wherever_they_are_and_still_fit_their_class(
    db: Db, data: KernelData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "CHUNK", 3)
    asha, other = uuid7(), uuid7()
    for _ in range(5):
        await emitted(db, asha)
        await emitted(db, other)
    for state in ("waiting", "dead", "done"):
        if state == "waiting":
            await db.fetch(TO_INBOX, "parcel.watch", state)
        await db.fetch("UPDATE kernel.inbox SET state = $1 WHERE seq % 3 = length($1) % 3 RETURNING seq", state)
    await db.fetch(TO_DEAD)
    for _ in range(2):
        await data.scrub(UserId(asha))
    for table in ("kernel.outbox", "kernel.inbox", "kernel.outbox_dead"):
        scrubbed = await payloads(db, table, asha)
        assert len(scrubbed) == 5
        assert {(one["note"], str(one["about"]), one["nothing"]) for one in scrubbed} == {("", "{}", None)}, table
        assert {one["userId"] for one in scrubbed} == {str(asha)}
        assert {one["note"] for one in await payloads(db, table, other)} == {"ask for Asha"}, table


async def test_dead_letters_that_may_name_a_person_lose_their_body(db: Db, data: KernelData) -> None:
    asha, other = uuid7(), uuid7()
    kinds: Sequence[tuple[str | None, UUID]] = (
        ("parcel.told", asha),
        (None, asha),
        ("parcel.moved", asha),
        (None, other),
    )
    for kind, user in kinds:
        body = orjson.dumps({"userId": str(user), "note": "ask for Asha", "kind": kind})
        await db.command(LETTER, kind, body, hashlib.sha256(body).digest())
    await data.scrub(UserId(asha))
    rows = await db.fetch("SELECT state, body = '' AS empty FROM kernel.dead_letters ORDER BY id")
    assert [tuple(row) for row in rows] == [("discarded", True)] * 2 + [("dead", False)] * 2


async def test_stored_answers_and_copies_go_in_batches(db: Db, data: KernelData) -> None:
    asha, other = uuid7(), uuid7()
    await db.fetch(OPERATION, asha, BATCH + 20)
    await db.fetch(OPERATION, other, 1)
    await db.command(
        "INSERT INTO kernel.exports (id, user_id, document) VALUES ($1, $2, '{}') RETURNING id", uuid7(), asha
    )
    steps = []
    for _ in range(2):
        async with db.transaction() as tx:
            steps.append(await data.erase(tx, Subject(UserId(asha), final=False)))
    assert steps == [Step.MORE, Step.DONE]
    assert await db.fetchval("SELECT count(*) FROM kernel.operations WHERE user_id = $1", asha) == 0
    assert await db.fetchval("SELECT count(*) FROM kernel.operations WHERE user_id = $1", other) == 1
    assert await db.fetchval("SELECT count(*) FROM kernel.exports WHERE user_id = $1", asha) == 0


async def test_an_event_about_somebody_erased_reaches_no_handler_but_those_that_keep_the_books(db: Db) -> None:
    asha, other = uuid7(), uuid7()
    async with db.transaction() as tx:
        await Erasures().enter(tx, [(asha, utc_now())])
    heard: list[tuple[str, UUID]] = []

    async def words(_: Tx, event: ParcelTold, __: EventMeta) -> None:
        heard.append(("words", event.user_id))

    async def books(_: Tx, event: ParcelTold, __: EventMeta) -> None:
        heard.append(("books", event.user_id))

    guarded = privacy(db).guarded(
        [Subscription("words", ParcelTold, words), Subscription("books", ParcelTold, books, after_erasure=True)]
    )
    assert [one.consumer for one in guarded] == ["words", "books"]
    for user in (asha, other):
        for one in guarded:
            async with db.transaction() as tx:
                meta = EventMeta(
                    event_id=uuid7(), aggregate_id="", occurred_at=utc_now(), correlation_id="", user_id=None
                )
                await one.handler(tx, told(user), meta)
    assert heard == [("books", asha), ("words", other), ("books", other)]
