"""JSON lines on stdout: one per request, written by hand into a buffer, and the standard library's records.

Only the fields named here ever leave: no bodies, codes, tokens, names, addresses or phone numbers (RELIABILITY 4.13).
"""

import logging
import re
import sys
import time
import traceback
from typing import TextIO
from uuid import UUID

import orjson

from core import context

FLUSH_EVERY = 0.1
"""Seconds that a line may wait."""
MOST_TEXT = 500
PRIVATE = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<![\w-])[\w-]{40,}(?![\w-])"  # a refresh token, a key
    r"|(?<!\d)(?:\+?91[ -]?|0)?[6-9]\d{4}[ -]?\d{5}(?!\d)"  # a phone
    r"|(?<=://)[^/@\s]+(?=@)"  # who and password of a URL
)
"""What no message of ours holds, but one of a library may. Our own log calls name types and ids only."""
log = logging.getLogger("core.http")


class RequestLog:
    """One line per request: id, route, status, microseconds, user."""

    def __init__(self, stream: TextIO | None = None, *, enabled: bool = True) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._enabled = enabled
        self._lines: list[str] = []
        self._skew = time.time() - time.perf_counter()
        self._second, self._prefix = -1, ""

    def request(self, route: str, status: int, began: float, request_id: str, user: UUID | None) -> None:
        """Every value is one of ours or was checked, so nothing needs escaping."""
        if not self._enabled:
            return
        now = time.perf_counter()
        self._lines.append(
            f'{{"at":"{self.stamp(now + self._skew)}","level":"info","event":"request","request_id":"{request_id}",'
            f'"route":"{route}","status":{status},"us":{(now - began) * 1e6:.0f},"user":"{user or ""}"}}\n'
        )

    def stamp(self, seconds: float) -> str:
        """ISO-8601 in UTC with milliseconds. The calendar is asked once a second."""
        second = int(seconds)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._prefix}.{int((seconds - second) * 1000):03d}Z"

    def write(self, line: str) -> None:
        """A line of another kind, in order with the requests."""
        self._lines.append(line)

    def flush(self) -> None:
        """All lines in one write."""
        self._skew = time.time() - time.perf_counter()
        if self._lines:
            lines, self._lines = self._lines, []
            self._stream.write("".join(lines))
            self._stream.flush()


class JsonLines(logging.Handler):
    """The standard library's records as JSON lines through the same buffer; warnings and worse at once."""

    def __init__(self, out: RequestLog) -> None:
        super().__init__()
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        """A failure is told by its type and place; its text may hold what must not be logged."""
        fields: dict[str, object] = {
            "at": self._out.stamp(record.created),
            "level": record.levelname.lower(),
            "event": told(record),
            "logger": record.name,
            "request_id": (because := context.cause.get()).request_id or because.correlation_id,
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = type(record.exc_info[1]).__name__
            fields["stack"] = [
                f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(record.exc_info[2])[-12:]
            ]
        self._out.write(orjson.dumps(fields, default=str).decode() + "\n")
        if record.levelno >= logging.WARNING:
            self._out.flush()


def told(record: logging.LogRecord) -> str:
    """The message's first line without private parts: the next ones of asyncio's quote exceptions."""
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001  a log call with the wrong arguments must not fail whoever made it
        text = str(record.msg)
    return PRIVATE.sub("***", next(iter(text.splitlines()), ""))[:MOST_TEXT]


def log_failure(route: str, request_id: str, error: Exception) -> None:
    """An exception that no rule expected: answered 500, told here in full but for its text."""
    log.error("unexpected failure in %s (%s)", route, request_id, exc_info=error)


def install(out: RequestLog, level: str) -> None:
    """Make the root logger write JSON lines."""
    root = logging.getLogger()
    root.handlers[:] = [JsonLines(out)]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
