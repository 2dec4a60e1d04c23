"""An event as a message and back (CONTRACT B.8)."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import aio_pika
import attrs
import orjson

from core.convert import dump_json, wire
from core.errors import Invalid
from core.events.inbox import Arrival
from core.observe.tracing import FORM, TRACEPARENT

if TYPE_CHECKING:
    from core.events.outbox import OutboxRow

LARGEST = 1_048_576
"""Bytes of a message that is looked at: our own events have far less."""
PLACE, CORRELATION, FAILURES, ERROR = "x-sequence", "x-correlation-id", "x-failures", "x-error"
PING = "ping"
"""The type of messages that only show that a consumer lives."""
SMALLINT, BIGINT = 2**15 - 1, 2**63 - 1


class Undecodable(Exception):
    """Not an event: no later attempt can differ."""


@attrs.frozen(kw_only=True)
class _Envelope:
    event_id: UUID
    event_type: str
    aggregate_id: str
    aggregate_type: str
    timestamp: datetime
    version: int = 1
    payload: Mapping[str, object]
    metadata: Mapping[str, object] = attrs.field(factory=dict[str, object])


def encode(row: "OutboxRow", traceparent: str | None = None) -> aio_pika.Message:
    """Persistent; with its correlation id, its place in the outbox and its trace, if it has one, as headers."""
    body = {
        "eventId": row.event_id,
        "eventType": row.event_type,
        "aggregateId": row.aggregate_id,
        "aggregateType": row.aggregate_type,
        "timestamp": row.occurred_at,
        "version": row.version,
        "payload": orjson.Fragment(row.payload),
        "metadata": orjson.Fragment(row.metadata),
    }
    correlation = orjson.loads(row.metadata).get("correlationId", str(row.event_id))
    return aio_pika.Message(
        dump_json(body),
        headers={CORRELATION: correlation, PLACE: row.seq, **({TRACEPARENT: traceparent} if traceparent else {})},
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=str(row.event_id),
        timestamp=row.occurred_at,
        type=row.event_type,
        app_id="vurksha",
    )


def decode(body: bytes, headers: Mapping[str, Any]) -> Arrival:
    """The event in a message, whoever published it. Raises Undecodable with a reason that quotes nothing."""
    if len(body) > LARGEST:
        raise Undecodable(f"larger than {LARGEST} bytes")
    try:
        envelope = wire.structure(orjson.loads(body), _Envelope)
    except orjson.JSONDecodeError as error:
        raise Undecodable("is no JSON") from error
    except Invalid as error:
        raise Undecodable(", ".join(f"{one.field} {one.message}".strip() for one in error.errors)) from error
    if not 1 <= envelope.version <= SMALLINT:
        raise Undecodable("version is out of range")
    place = headers.get(PLACE)
    correlation = headers.get(CORRELATION)
    metadata = {"correlationId": str(correlation or envelope.event_id), **envelope.metadata}
    if isinstance(traceparent := headers.get(TRACEPARENT), str) and FORM.fullmatch(traceparent):
        metadata[TRACEPARENT] = traceparent  # the message's own, which comes after the event's
    return Arrival(
        event_id=envelope.event_id,
        seq=place if isinstance(place, int) and 0 < place <= BIGINT else None,
        event_type=envelope.event_type,
        version=envelope.version,
        aggregate_type=envelope.aggregate_type,
        aggregate_id=envelope.aggregate_id,
        payload=dump_json(envelope.payload).decode(),
        metadata=dump_json(metadata).decode(),
        occurred_at=envelope.timestamp,
    )


def ping(queue: str, answer_to: str) -> aio_pika.Message:
    """For a consumer's queue. Whoever consumes that answers to the queue `answer_to`."""
    return aio_pika.Message(b"", type=PING, reply_to=answer_to, correlation_id=queue, message_id=str(uuid4()))


def answer(queue: str) -> aio_pika.Message:
    """To such a ping."""
    return aio_pika.Message(b"", correlation_id=queue, message_id=str(uuid4()))
