"""JSON lines on stdout: one per request, and the standard library's records.

A request costs a tuple in a list while it is answered; ten times a second the lines are made of those, and the requests
counted (`core.observe.meter`).

Only the fields named here ever leave: no bodies, codes, tokens, names, addresses or phone numbers (RELIABILITY 4.13).
"""

import logging
import re
import sys
import time
from typing import TextIO

import orjson

from core import context
from core.errors import INTERNAL
from core.observe import tracing
from core.observe.meter import Tally
from core.observe.progress import Progress, stack_of
from core.observe.redaction import tellable

FLUSH_EVERY = 0.1
"""Seconds that a line may wait."""
MOST_TEXT = 500
PRIVATE = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<![\w-])[\w-]{40,}(?![\w-])"  # a refresh token, a key
    r"|(?<!\d)(?:\+?91[ -]?|0)?[6-9]\d{4}[ -]?\d{5}(?!\d)"  # a phone
    r"|(?<=://)[^/@\s]+(?=@)"  # who and password of a URL
)
"""What no message of ours holds, but one of a library may: arguments are redacted by their type before that."""


FREE = '"db_us":0,"db_n":0'
INFO = "info", "", FREE
"""What is told of an answer from memory."""
Record = tuple[Tally, int, float, float, str, Progress | None, str]
"""Route, status, beginning and end by time.perf_counter(), request id, what more is known, trace id."""


class RequestLog:
    """One line per request, and the lines of the standard library's records between them, in order."""

    def __init__(self, stream: TextIO | None = None, *, enabled: bool = True) -> None:
        """Requests are counted also where `enabled` is false and no lines tell of them."""
        self._stream = stream if stream is not None else sys.stdout
        self._enabled = enabled
        self._items: list[Record | str] = []
        self._skew = time.time() - time.perf_counter()
        self._second, self._prefix = -1, ""
        self._millisecond, self._stamp = -1, ""

    def request(
        self,
        tally: Tally,
        status: int,
        began: float,
        request_id: str,
        progress: Progress | None = None,
        trace_id: str = "",
    ) -> None:
        """A request was answered. It is written down and counted at the next flush."""
        self._items.append((tally, status, began, time.perf_counter(), request_id, progress, trace_id))
        if status == INTERNAL.status:
            self.flush()

    def stamp(self, seconds: float) -> str:
        """ISO-8601 in UTC with milliseconds. The calendar is asked once a second."""
        millisecond = int(seconds * 1000)
        if millisecond != self._millisecond:
            second, rest = divmod(millisecond, 1000)
            if second != self._second:
                self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._millisecond, self._stamp = millisecond, f"{self._prefix}.{rest:03d}Z"
        return self._stamp

    def write(self, line: str) -> None:
        """A line of another kind, in order with the requests."""
        self._items.append(line)

    def flush(self) -> None:
        """Count all requests, and write all lines at once."""
        items, self._items = self._items, []
        lines = [line for item in items if (line := item if isinstance(item, str) else self._told(item))]
        self._skew = time.time() - time.perf_counter()
        if lines:
            self._stream.write("".join(lines))
            self._stream.flush()

    def _told(self, record: Record) -> str:
        """Every value is one of ours or was checked, so nothing needs escaping but the stack."""
        tally, status, began, ended, request_id, progress, trace_id = record
        seconds = ended - began
        level, user, more = INFO if progress is None else _more(progress)
        tally.count(seconds, status, None if progress is None else progress.code)
        if not self._enabled:
            return ""
        trace = f'"trace_id":"{trace_id}",' if trace_id else ""
        return (
            f'{{"at":"{self.stamp(ended + self._skew)}","level":"{level}","event":"request",'
            f'"request_id":"{request_id}",{trace}"user":"{user}",{tally.said},"status":{status},'
            f'"us":{int(seconds * 1e6)},{more}}}\n'
        )


def _more(progress: Progress) -> tuple[str, str, str]:
    """Level, user, and the further fields of a request that was worked on."""
    spent, user = progress.spent, str(progress.user or "")
    cost = FREE if spent is None else f'"db_us":{int(spent.seconds * 1e6)},"db_n":{spent.statements}'
    if not progress.code:
        return "info", user, cost
    rest = f'{cost},"code":"{progress.code}"'
    if not progress.error:
        return "info", user, rest
    told = orjson.dumps({"error": progress.error, "stack": progress.stack}).decode()
    return "error", user, f"{rest},{told[1:-1]}"


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
        if tracing.armed is not None and (trace := tracing.trace_id()):
            fields["trace_id"] = trace
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = type(record.exc_info[1]).__name__
            fields["stack"] = stack_of(record.exc_info[2])
        self._out.write(orjson.dumps(fields, default=str).decode() + "\n")
        if record.levelno >= logging.WARNING:
            self._out.flush()


def told(record: logging.LogRecord) -> str:
    """The message's first line without private parts: the next ones of asyncio's quote exceptions."""
    text, args = str(tellable(record.msg)), record.args
    try:
        if args:
            text %= tuple(map(tellable, args)) if isinstance(args, tuple) else tellable(args)
    except Exception:  # noqa: BLE001, S110  a log call with the wrong arguments must not fail whoever made it
        pass
    return PRIVATE.sub("***", next(iter(text.splitlines()), ""))[:MOST_TEXT]


def install(out: RequestLog, level: str) -> None:
    """Make the root logger write JSON lines."""
    root = logging.getLogger()
    root.handlers[:] = [JsonLines(out)]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
