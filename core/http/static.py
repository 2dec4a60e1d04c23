"""Small public files and pages, held in memory and answered as ready bytes with ETag and 304."""

import hashlib
import mimetypes
import time
from collections.abc import Iterator
from typing import Any

from core.http.compile import Incoming
from core.http.envelope import Clockwork, correlation_of, request_id_of
from core.http.routing import Files
from core.http.table import Values
from core.observe.logging import RequestLog
from core.observe.meter import Tally


class StaticEndpoint:
    """One document."""

    def __init__(
        self,
        clockwork: Clockwork,
        content: bytes,
        kind: str,
        *,
        max_age: int,
        policy: str | None = None,
        log: RequestLog | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Requests are logged and counted where both `log` and `tally` are given."""
        self._clockwork, self._content, self._log, self.tally = clockwork, content, log, tally
        self._etag = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        head = f"Content-Type: {kind}\r\nETag: {self._etag}\r\nCache-Control: public, max-age={max_age}\r\n"
        if policy:
            head += f"Content-Security-Policy: {policy}\r\n"
        self._kind = head.encode()

    async def serve(self, incoming: Incoming, _: Values) -> bytes:
        """The document, or 304."""
        began, request_id = time.perf_counter(), request_id_of(incoming.headers.get("X-Request-ID"))
        rid = request_id.encode()
        known, correlation = incoming.headers.get("If-None-Match", ""), correlation_of(incoming.headers, rid)
        unchanged = self._etag in known or known == "*"
        if self._log is not None and self.tally is not None:
            self._log.request(self.tally, 304 if unchanged else 200, began, request_id)
        if unchanged:
            return self._clockwork.unchanged(self._kind, rid, correlation)
        return self._clockwork.answer(200, self._kind, rid, self._content, correlation)


def files(
    declared: Files, clockwork: Clockwork, log: RequestLog | None = None, tally: Tally | None = None
) -> Iterator[tuple[str, StaticEndpoint]]:
    """Path and endpoint of every file in the folder."""
    common: dict[str, Any] = {"max_age": declared.max_age, "policy": declared.policy, "log": log, "tally": tally}
    for path in sorted(declared.folder.rglob("*")):
        if path.is_file():
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            url = f"{declared.prefix}/{path.relative_to(declared.folder).as_posix()}"
            yield url, StaticEndpoint(clockwork, path.read_bytes(), kind, **common)
