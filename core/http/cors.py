"""Cross-origin requests: an exact allow-list, never reflected (RELIABILITY 4.12)."""

from collections.abc import Iterable

from core.http.envelope import Clockwork

ALLOWED = "Content-Type, Authorization, X-Request-Id, X-Correlation-Id, X-Idempotency-Key, If-Match, If-None-Match"
EXPOSED = "X-Request-Id, X-Correlation-Id, X-Idempotent-Replayed, ETag, Retry-After"


class Cors:
    """Adds the headers for origins on the list, and nothing for others."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)

    def decorate(self, raw: bytes, origin: str) -> bytes:
        """An answer with the headers that let a listed origin read it."""
        if origin not in self._origins:
            return raw
        headers = (
            f"Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Expose-Headers: {EXPOSED}\r\nVary: Origin\r\n"
        )
        return raw.replace(b"\r\n", b"\r\n" + headers.encode(), 1)

    def preflight(self, clockwork: Clockwork, allow: str) -> bytes:
        """The answer to OPTIONS; `decorate` adds the origin."""
        kind = (
            f"Allow: {allow}\r\nAccess-Control-Allow-Methods: {allow}\r\nAccess-Control-Allow-Headers: {ALLOWED}\r\n"
            "Access-Control-Max-Age: 600\r\n"
        )
        return clockwork.head(204, kind.encode()) + b"\r\n"
