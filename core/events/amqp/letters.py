"""What became of messages that could not become inbox rows: kernel.dead_letters, for operators."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from core.events.amqp.message import ERROR, Undecodable, decode
from core.events.amqp.topology import Topology
from core.events.outbox import run

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage

    from core.store.db import Db

log = logging.getLogger("core.events")

KEPT = 65_536
"""Bytes of a body that are kept."""
LONGEST = 500
"""Characters of a text that is only there to be read."""

# By dead_letters_fingerprint_key: a message that comes again is the same letter.
KEEP = """
INSERT INTO kernel.dead_letters AS d (consumer, event_id, event_type, reason, body, size, headers, fingerprint)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::integer[], $7::jsonb[],
    $8::bytea[])
ON CONFLICT (fingerprint) DO UPDATE SET reason = excluded.reason, headers = excluded.headers, died_at = now(),
    state = 'dead', finished_at = NULL
"""


class DeadLetters:
    """Keeps the messages of the dead-letter queue."""

    def __init__(self, db: "Db") -> None:
        self._db = db
        self.kept = 0

    async def keep(self, topology: Topology, messages: "Sequence[AbstractIncomingMessage]") -> None:
        """All of them or none, each message of a queue once."""
        letters = {row[-1]: row for row in (_letter(topology, message) for message in messages)}
        await run(self._db, KEEP, *map(list, zip(*letters.values(), strict=True)))
        self.kept += len(letters)
        for consumer, event_id, event_type, reason, *_ in letters.values():
            log.critical("ALARM: a message for %s is dead (%s, event %s): %s: see kernel.dead_letters",
                         consumer, event_type, event_id, reason)  # fmt: skip


def _letter(topology: Topology, message: "AbstractIncomingMessage") -> tuple[Any, ...]:
    queue, why = _death(message)
    event_id = event_type = None
    try:
        arrival = decode(message.body, message.headers)
        event_id, event_type = arrival.event_id, _text(arrival.event_type)
        reason = message.headers.get(ERROR) or why
    except Undecodable as error:
        reason = f"{why}: {error}"
    identity = b"\0".join((queue.encode(), (message.message_id or "").encode(), message.body))
    return (
        topology.consumer(queue),
        event_id,
        event_type,
        _text(reason),
        message.body[:KEPT],
        len(message.body),
        orjson.dumps(_plain(message.headers)).decode(),
        hashlib.sha256(identity).digest(),
    )


def _death(message: "AbstractIncomingMessage") -> tuple[str, str]:
    """The queue that it fell from, and why, as the broker says."""
    deaths = message.headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else None
    if not isinstance(first, Mapping):
        return _text(message.routing_key), "published as dead"
    return _text(first.get("queue")), _text(first.get("reason"))


def _text(value: object) -> str:
    """As the database takes it."""
    return str(value).replace("\0", "")[:LONGEST]


def _plain(value: object) -> object:
    """Whatever a publisher wrote into the headers, as JSON that the database takes."""
    if isinstance(value, Mapping):
        return {_text(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, int | float) else _text(value)
