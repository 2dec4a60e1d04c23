"""The kernel's own spans: requests, statements, commands of Redis, messages and their handlers.

Named by OpenTelemetry's conventions for http, db and messaging spans (https://opentelemetry.io/docs/specs/semconv), but
for what may tell of people: paths, queries, addresses, user agents, SQL parameters and keys of Redis are left out.
"""

import re
import time
from collections.abc import Awaitable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import orjson

from core.observe.tracing import CLIENT, CONSUMER, PRODUCER, TRACEPARENT, Facts, Span, Tracer, active, current

if TYPE_CHECKING:
    from core.events.inbox import InboxRow
    from core.events.outbox import OutboxRow

T = TypeVar("T")
KEPT = 1_024
SERVER_ERROR = 500
LONGEST_SQL = 1_000
"""Characters of a statement that are told."""
WRITES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM)\s+(\w+\.\w+)")
READS = re.compile(r"\bFROM\s+(\w+\.\w+)|(\w+\.\w+)\s*\(")
REQUEST_ID = b"X-Request-Id: "


# -- http


async def served(span: Span, plugin: str, work: Awaitable[bytes]) -> bytes:
    """The answer of a route to a sampled request."""
    span.plugin = plugin
    with span:
        raw = await work
        status, at = int(raw[9:12]), raw.find(REQUEST_ID)
        if at >= 0:
            _answered(span, status, raw[at + len(REQUEST_ID) : raw.index(b"\r", at)].decode())
    return raw


def from_memory(span: Span, plugin: str, status: int, began: float, request_id: str) -> str:
    """Note an answer that lay in memory; its trace's id. `began` is on the clock of time.perf_counter()."""
    span.plugin = plugin
    span.began -= int((time.perf_counter() - began) * 1e9)
    _answered(span, status, request_id)
    span.end()
    return f"{span.trace:032x}"


def _answered(span: Span, status: int, request_id: str) -> None:
    span.facts = _answer(span.name, status)
    span.attributes["vurksha.request_id"] = request_id
    if status >= SERVER_ERROR:
        span.failure = str(status)


@lru_cache(KEPT)
def _answer(name: str, status: int) -> Facts:
    method, _, route = name.partition(" ")
    return Facts({"http.request.method": method, "http.route": route, "http.response.status_code": status})


# -- stores


def query(sql: str, work: Awaitable[T]) -> Awaitable[T]:
    """A statement. Its parameters are not told."""
    around = active()
    return work if around is None else _asked(around, _statement(sql), work)


def command(name: bytes, work: Awaitable[T]) -> Awaitable[T]:
    """A command of Redis, without its keys and values."""
    around = active()
    return work if around is None else _asked(around, _command(name), work)


async def _asked(around: Span, facts: Facts, work: Awaitable[T]) -> T:
    span = around.child(str(facts.attributes["db.query.summary"]), CLIENT)
    span.facts = facts
    try:
        return await work
    except BaseException as error:
        span.fail(error)
        raise
    finally:
        span.end()


@lru_cache(KEPT)
def _statement(sql: str) -> Facts:
    text = " ".join(sql.split())
    operation, target = what(text)
    told = {"db.system.name": "postgresql", "db.operation.name": operation, "db.query.text": text[:LONGEST_SQL]}
    if target:
        told["db.collection.name"] = target
    return Facts({**told, "db.query.summary": f"{operation} {target}".rstrip()})


def what(sql: str) -> tuple[str, str]:
    """What a statement does, and to which table or by which function; all of ours name their schema."""
    if (write := WRITES.search(sql)) is not None:
        return write[1].partition(" ")[0], write[2]
    read = READS.search(sql)
    return sql.partition(" ")[0].upper(), (read[1] or read[2]) if read else ""


@lru_cache(KEPT)
def _command(name: bytes) -> Facts:
    return Facts({"db.system.name": "redis", "db.operation.name": name.decode(), "db.query.summary": name.decode()})


# -- messages


def publishing(tracer: Tracer, row: "OutboxRow", exchange: str) -> Span | None:
    """A span for an event on its way to the broker, if what emitted it was sampled."""
    if TRACEPARENT not in row.metadata:
        return None
    carried = orjson.loads(row.metadata).get(TRACEPARENT)
    span = tracer.follow(carried, f"publish {row.event_type}", PRODUCER, "kernel")
    if span is not None:
        span.facts = _message("publish", "send", exchange, row.event_type, "")
        span.attributes["messaging.message.id"] = str(row.event_id)
    return span


def handling(tracer: Tracer, traceparent: object, key: tuple[str, object], row: "InboxRow", plugin: str) -> None:
    """Begin the span of a handler, which lasts until `handled`: its transaction's end belongs to it."""
    span = tracer.follow(traceparent, f"process {row.event_type}", CONSUMER, plugin)
    if span is not None:
        span.facts = _message("process", "process", "", row.event_type, key[0])
        span.attributes.update({"messaging.message.id": str(key[1]), "vurksha.attempt": row.attempts + 1})
        current.set(span)


def failed(error: Exception) -> None:
    """Say so of what is under way."""
    if (span := active()) is not None:
        span.fail(error)


def handled() -> None:
    """End what `handling` began, if it did."""
    if (span := active()) is not None:
        span.end()


@lru_cache(KEPT)
def _message(operation: str, kind: str, exchange: str, event_type: str, consumer: str) -> Facts:
    told = {"messaging.system": "rabbitmq", "messaging.operation.name": operation, "messaging.operation.type": kind}
    if consumer:
        told["messaging.consumer.group.name"] = consumer
    return Facts({**told, "messaging.destination.name": exchange or consumer, "vurksha.event": event_type})
