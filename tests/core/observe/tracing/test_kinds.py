"""The kernel's own spans on real stores, and what they leave out."""

import asyncio
import io
import logging
from collections.abc import Iterator
from typing import LiteralString
from uuid import UUID

import orjson
import pytest

from core.errors import Problem
from core.events.amqp.message import decode, encode
from core.events.outbox import OutboxRow
from core.events.record import encode as recorded
from core.observe import tracing, tracing_kinds
from core.observe.logging import JsonLines, RequestLog
from core.observe.tracing import Span, Tracer
from core.store.db import Db
from core.store.redis import Redis
from core.types import utc_now, uuid7
from plugins.user.ports import UserDeleted

SELECT: LiteralString = "SELECT id FROM users.accounts WHERE phone = $1"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"


class Kept:
    """Keeps what has ended."""

    def __init__(self) -> None:
        self.sent = self.lost = 0
        self.spans: list[Span] = []

    def take(self, span: Span) -> None:
        """Keep it."""
        self.spans.append(span)


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What was told while traces are on."""
    kept = Kept()
    tracing.arm(Tracer(1.0, kept))
    yield kept
    tracing.arm(None)


def request() -> Span:
    """A sampled one."""
    assert tracing.armed is not None
    span = tracing.armed.root(None, "GET /api/v1/things")
    assert span is not None
    return span


async def test_a_statement_is_told_without_its_parameters(kept: Kept, db: Db) -> None:
    with request() as around:
        await db.fetch(SELECT, "+919876543210")
    statement = kept.spans[0]
    assert (statement.name, statement.kind, statement.parent) == ("SELECT users.accounts", tracing.CLIENT, around.id)
    assert statement.facts.attributes == {
        "db.system.name": "postgresql", "db.operation.name": "SELECT", "db.collection.name": "users.accounts",
        "db.query.text": SELECT, "db.query.summary": "SELECT users.accounts",
    }  # fmt: skip
    assert statement.attributes == {}


async def test_a_transaction_tells_its_statements_and_its_commit(kept: Kept, db: Db) -> None:
    with request():
        async with db.transaction() as tx:
            await tx.fetch(SELECT, "nobody")
    assert [span.name for span in kept.spans] == ["SELECT users.accounts", "COMMIT", "GET /api/v1/things"]


async def test_a_statement_that_fails_has_failed(kept: Kept, db: Db) -> None:
    with request(), pytest.raises((Problem, Exception)):
        await db.fetch("SELECT 1 / (length($1) - 4)", "some")
    assert kept.spans[0].failure == "DivisionByZeroError"


async def test_a_command_of_redis_is_told_without_its_key(kept: Kept, redis: Redis) -> None:
    with request():
        await redis.call(b"SET", redis.key(b"phone:9876543210"), b"123456", b"PX", b"1000")
    assert kept.spans[0].facts.attributes == {
        "db.system.name": "redis", "db.operation.name": "SET", "db.query.summary": "SET",
    }  # fmt: skip


async def test_outside_of_a_trace_stores_are_asked_as_ever(kept: Kept, db: Db, redis: Redis) -> None:
    assert await db.fetch(SELECT, "nobody") == []
    assert await redis.call(b"PING") == b"PONG"
    assert [span for span in kept.spans if span.name in ("SELECT users.accounts", "PING")] == []


async def test_a_task_that_outlives_its_request_adds_nothing(kept: Kept, db: Db) -> None:
    async def later() -> None:
        await gate.wait()
        await db.fetch(SELECT, "nobody")

    gate = asyncio.Event()
    with request():
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    gate.set()
    await task
    assert [span.name for span in kept.spans] == ["GET /api/v1/things"]


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT 1", ("SELECT", "")),
        ("SELECT a FROM shop.things t JOIN shop.parts p USING (id)", ("SELECT", "shop.things")),
        ("SELECT orders.place($1, $2)", ("SELECT", "orders.place")),
        ("INSERT INTO shop.things (id) VALUES ($1) ON CONFLICT DO UPDATE SET id = $1", ("INSERT", "shop.things")),
        ("WITH due AS (SELECT id FROM a.b FOR UPDATE SKIP LOCKED) UPDATE a.b SET x = 1", ("UPDATE", "a.b")),
        ("DELETE FROM a.b WHERE id = $1", ("DELETE", "a.b")),
        ("COMMIT", ("COMMIT", "")),
    ],
)
def test_statements_have_short_names(sql: str, what: tuple[str, str]) -> None:
    assert tracing_kinds.what(sql) == what


@pytest.mark.parametrize(("status", "failure"), [(200, ""), (404, ""), (503, "503")])
async def test_a_request_is_told_by_its_answer(kept: Kept, status: int, failure: str) -> None:
    async def answer() -> bytes:
        return b"HTTP/1.1 %d x\r\nX-Request-Id: abc\r\n\r\n" % status

    span = request()
    await tracing_kinds.served(span, "product", answer())
    assert (span.plugin, span.failure, span.attributes) == ("product", failure, {"vurksha.request_id": "abc"})
    assert span.facts.attributes == {
        "http.request.method": "GET", "http.route": "/api/v1/things", "http.response.status_code": status,
    }  # fmt: skip


async def test_an_answer_without_an_id_is_told_too(kept: Kept) -> None:
    async def answer() -> bytes:
        return b"HTTP/1.1 304 x\r\n\r\n"

    await tracing_kinds.served(request(), "product", answer())
    assert kept.spans[0].attributes == {}


def test_an_event_carries_the_trace_that_it_was_emitted_in(kept: Kept) -> None:
    event = UserDeleted(user_id=uuid7(), deleted_at=utc_now())
    with request() as around:
        metadata = str(recorded([event])[-1])
    assert f'"traceparent":"{around.traceparent}"' in metadata
    assert "traceparent" not in str(recorded([event])[-1])


def row(metadata: str) -> OutboxRow:
    """An event on its way out."""
    event_id = UUID("0192a3b4-7def-7abc-8def-0123456789ab")
    return OutboxRow(7, event_id, "order.created", 1, "order", "o1", "{}", metadata, utc_now())


def test_a_message_carries_the_span_that_published_it(kept: Kept) -> None:
    tracer = tracing.armed
    assert tracer is not None
    emitted = row(f'{{"correlationId":"c","traceparent":"{SAMPLED}"}}')
    span = tracing_kinds.publishing(tracer, emitted, "events")
    assert span is not None
    assert (f"{span.trace:032x}", f"{span.parent:016x}", span.kind) == (TRACE, PARENT, tracing.PRODUCER)
    message = encode(emitted, span.traceparent)
    assert message.headers["traceparent"] == span.traceparent
    assert f'"traceparent":"{span.traceparent}"' in decode(message.body, message.headers).metadata
    assert tracing_kinds.publishing(tracer, row('{"correlationId":"c"}'), "events") is None


@pytest.mark.parametrize("header", [None, "nonsense", 7, b"00", "9876543210"])
def test_a_message_without_a_good_header_keeps_what_the_event_says(header: object) -> None:
    message = encode(row(f'{{"correlationId":"c","traceparent":"{SAMPLED}"}}'))
    assert "traceparent" not in message.headers
    assert f'"traceparent":"{SAMPLED}"' in decode(message.body, {**message.headers, "traceparent": header}).metadata


def test_a_line_of_the_log_names_the_trace_in_which_it_was_written(kept: Kept) -> None:
    out = io.StringIO()
    lines = RequestLog(out)
    record = logging.LogRecord("core.x", logging.WARNING, __file__, 1, "something", (), None)
    with request() as around:
        JsonLines(lines).emit(record)
    JsonLines(lines).emit(record)
    first, second = (orjson.loads(line) for line in out.getvalue().splitlines())
    assert first["trace_id"] == f"{around.trace:032x}"
    assert "trace_id" not in second
