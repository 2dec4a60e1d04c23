"""Encoded answers of public reads, kept by raw path and query, with ETag and 304 (RELIABILITY 4.8, 4.12).

The handler says with `Reply.valid` whether its answer still stands, so nothing here expires by the clock. One memory
serves all routes, because the connection asks it before anything else.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping

import attrs
from multidict import istr

from core.http.envelope import JSON, META, Clockwork, correlation_of
from core.http.routing import Cache
from core.observe.meter import Tally

MOST, MOST_BYTES = 8_192, 64 * 2**20
"""Answers kept, and what they weigh together; then all go, for whoever varies queries without end."""
OBJECTS = 1_000
"""Bytes that an answer takes beside its text."""
IF_NONE_MATCH = istr("If-None-Match")
TAIL = b"," + META + b"%b}"
log = logging.getLogger("core.http")


@attrs.frozen
class Kept:
    """One encoded answer. `kind` and `short_kind` are its own headers with and without a body."""

    tally: Tally
    etag: str
    kind: bytes
    short_kind: bytes
    lead: bytes
    """The body up to and including `data`."""
    pagination: bytes
    valid: Callable[[], bool]

    def send(self, clockwork: Clockwork, headers: Mapping[str, str], request_id: bytes) -> tuple[int, bytes]:
        """Status and whole answer: 304 for a client that knows it."""
        known, correlation = headers.get(IF_NONE_MATCH), correlation_of(headers, request_id)
        if known is not None and (self.etag in known or known == "*"):
            return 304, clockwork.unchanged(self.short_kind, request_id, correlation)
        tail = TAIL % (request_id, request_id, clockwork.timestamp, self.pagination)
        ids = b"X-Request-Id: %b\r\nX-Correlation-Id: %b\r\nContent-Length: %d\r\n\r\n" % (
            request_id, correlation, len(self.lead) + len(tail),
        )  # fmt: skip
        return 200, b"".join((clockwork.head(200, self.kind), ids, self.lead, tail))


class Memory:
    """What is kept, by raw path and query."""

    def __init__(self, clockwork: Clockwork) -> None:
        self.clockwork = clockwork
        self._kept: dict[str, Kept] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, target: str) -> Kept | None:
        """The answer to a target, if it is known and still valid."""
        kept = self._kept.get(target)
        if kept is None or _stands(kept):
            return kept
        self._forget(target)
        return None

    def keep(self, target: str, kept: Kept) -> None:
        """Remember it."""
        self._forget(target)
        weight = _weight(target, kept)
        if len(self._kept) >= MOST or self._bytes + weight > MOST_BYTES:
            self._kept.clear()
            self._bytes = 0
        self._kept[target] = kept
        self._bytes += weight

    def _forget(self, target: str) -> None:
        kept = self._kept.pop(target, None)
        if kept is not None:
            self._bytes -= _weight(target, kept)


def _stands(kept: Kept) -> bool:
    try:
        return kept.valid()
    except Exception:  # the handler is asked anew; the connection, which asks before any route, must not end by this
        log.exception("%s: whether its kept answer may be sent is not known", kept.tally.route)
        return False


def _weight(target: str, kept: Kept) -> int:
    return OBJECTS + len(target) + len(kept.lead)


class CachedAnswers:
    """One route's way into the memory."""

    def __init__(self, cache: Cache, memory: Memory, tally: Tally) -> None:
        self._memory, self._tally, tally.kept = memory, tally, True
        self._control = b"Cache-Control: public, max-age=%d\r\n" % cache.max_age

    def find(self, target: str, headers: Mapping[str, str], request_id: bytes) -> tuple[int, bytes] | None:
        """Status and whole answer, if it is known and still valid."""
        kept = self._memory.find(target)
        return None if kept is None else kept.send(self._memory.clockwork, headers, request_id)

    def keep(
        self,
        target: str,
        headers: Mapping[str, str],
        request_id: bytes,
        data: bytes,
        pagination: bytes,
        valid: Callable[[], bool],
    ) -> tuple[int, bytes]:
        """Remember a fresh answer and send it."""
        etag = f'W/"{hashlib.blake2b(data + pagination, digest_size=12).hexdigest()}"'
        short = self._control + b"ETag: %b\r\n" % etag.encode()
        lead = b'{"success":true,"data":' + data
        kept = Kept(self._tally, etag, JSON + short, short, lead, pagination, valid)
        self._memory.keep(target, kept)
        return kept.send(self._memory.clockwork, headers, request_id)
