"""Encoded answers of public reads, kept by raw path and query, with ETag and 304 (RELIABILITY 4.8, 4.12).

The handler says with `Reply.valid` whether its answer still stands, so nothing here expires by the clock.
"""

import hashlib
from collections.abc import Callable, Mapping

import attrs

from core.http.envelope import JSON, Clockwork
from core.http.routing import Cache

MOST = 4_096
"""Answers kept per route; then all go, for whoever varies queries without end."""


@attrs.define
class Kept:
    """One encoded answer."""

    etag: str
    data: bytes
    pagination: bytes
    valid: Callable[[], bool]


class CachedAnswers:
    """The memory of one route."""

    def __init__(self, cache: Cache, clockwork: Clockwork) -> None:
        self._clockwork = clockwork
        self._control = b"Cache-Control: public, max-age=%d\r\n" % cache.max_age
        self._kept: dict[str, Kept] = {}

    def find(self, target: str, headers: Mapping[str, str], request_id: bytes) -> tuple[int, bytes] | None:
        """Status and whole answer, if it is known and still valid."""
        kept = self._kept.get(target)
        if kept is None:
            return None
        if not kept.valid():
            del self._kept[target]
            return None
        return self._send(kept, headers, request_id)

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
        if len(self._kept) >= MOST:
            self._kept.clear()
        digest = hashlib.blake2b(data + pagination, digest_size=12).hexdigest()
        kept = self._kept[target] = Kept(f'W/"{digest}"', data, pagination, valid)
        return self._send(kept, headers, request_id)

    def _send(self, kept: Kept, headers: Mapping[str, str], request_id: bytes) -> tuple[int, bytes]:
        known = headers.get("If-None-Match")
        if known is not None and (kept.etag in known or known == "*"):
            kind = self._control + b"ETag: %b\r\n" % kept.etag.encode()
            return 304, b"%bX-Request-Id: %b\r\n\r\n" % (self._clockwork.head(304, kind), request_id)
        kind = JSON + self._control
        body = self._clockwork.success(request_id, kept.data, kept.pagination)
        return 200, b"%bETag: %b\r\nX-Request-Id: %b\r\nX-Correlation-Id: %b\r\nContent-Length: %d\r\n\r\n%b" % (
            self._clockwork.head(200, kind), kept.etag.encode(), request_id, request_id, len(body), body,
        )  # fmt: skip
