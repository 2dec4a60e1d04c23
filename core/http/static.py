"""Small public files and pages, held in memory and answered as ready bytes with ETag and 304."""

import hashlib
import mimetypes
from collections.abc import Iterator

from core.http.compile import Incoming
from core.http.envelope import Clockwork, correlation_of, request_id_of
from core.http.routing import Files
from core.http.table import Values


class StaticEndpoint:
    """One document."""

    def __init__(
        self, clockwork: Clockwork, content: bytes, kind: str, *, max_age: int, policy: str | None = None
    ) -> None:
        self._clockwork, self._content = clockwork, content
        self._etag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        head = f"Content-Type: {kind}\r\nETag: {self._etag}\r\nCache-Control: public, max-age={max_age}\r\n"
        if policy:
            head += f"Content-Security-Policy: {policy}\r\n"
        self._kind = head.encode()

    async def serve(self, incoming: Incoming, _: Values) -> bytes:
        """The document, or 304."""
        rid = request_id_of(incoming.headers.get("X-Request-ID")).encode()
        known, correlation = incoming.headers.get("If-None-Match", ""), correlation_of(incoming.headers, rid)
        if self._etag in known or known == "*":
            return self._clockwork.unchanged(self._kind, rid, correlation)
        return self._clockwork.answer(200, self._kind, rid, self._content, correlation)


def files(declared: Files, clockwork: Clockwork) -> Iterator[tuple[str, StaticEndpoint]]:
    """Path and endpoint of every file in the folder."""
    for path in sorted(declared.folder.rglob("*")):
        if path.is_file():
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            url = f"{declared.prefix}/{path.relative_to(declared.folder).as_posix()}"
            content, age = path.read_bytes(), declared.max_age
            yield url, StaticEndpoint(clockwork, content, kind, max_age=age, policy=declared.policy)
