"""Traces: what a sampled request does, here and wherever it leads, as spans of one id (ADR 34).

Off, `armed` is None, and a call site is one look at it; on, work that was not sampled costs one more. A span is a few
fields until the exporter's thread writes it down: nothing of OpenTelemetry is imported here.
"""

import re
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from functools import lru_cache
from random import Random
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

Value = str | int | float | bool
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)
"""Kinds of spans, as OTLP numbers them."""
TRACEPARENT = "traceparent"
"""A key of an event's metadata, a header of a message, a header of a request (https://www.w3.org/TR/trace-context)."""
FORM = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
KEPT = 256
"""Servers of others whose attributes are kept."""
PORTS = {"http": 80, "https": 443}
REFUSED = 400
LONGEST = 200
"""Characters of a text in an attribute, but for SQL."""
_random = Random()  # noqa: S311  ids of traces are no secret


class Unrecorded:
    """A span that nobody sees: traces are off, or this work was not sampled."""

    __slots__ = ()

    def set(self, name: str, value: Value) -> None:
        """Say more of the work. Never a phone, a code, a name, an address or anything else of a person."""

    def fail(self, why: BaseException | str) -> None:
        """It did not succeed. Of an exception its type is told, never its text."""

    def answered(self, status: int) -> None:
        """Somebody else's server answered so."""
        self.set("http.response.status_code", status)
        if status >= REFUSED:
            self.fail(str(status))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        pass


NOTHING = Unrecorded()


class Facts:
    """Attributes that many spans share: written down once, by the exporter."""

    __slots__ = ("attributes", "written")

    def __init__(self, attributes: Mapping[str, Value]) -> None:
        self.attributes, self.written = attributes, b""


NO_FACTS = Facts({})


class Span(Unrecorded):
    """A piece of work with a beginning and an end, in nanoseconds since 1970. `parent` is 0 for the first of a trace.

    As a context manager it is what `span` and the kernel's own spans begin within, and ends with its block.
    """

    __slots__ = (
        "_take", "_token", "attributes", "began", "ended", "facts", "failure", "id", "kind", "name", "parent", "plugin",
        "trace",
    )  # fmt: skip

    def __init__(
        self, take: "Callable[[Span], None]", trace: int, parent: int, name: str, kind: int, plugin: str
    ) -> None:
        self._take, self.trace, self.parent, self.name, self.kind, self.plugin = take, trace, parent, name, kind, plugin
        self.id = _random.getrandbits(64) or 1
        self.facts = NO_FACTS
        self.attributes: dict[str, Value] = {}
        self.failure = ""
        self._token: Token[Span | None] | None = None
        self.ended = 0
        self.began = time.time_ns()

    def set(self, name: str, value: Value) -> None:
        """See Unrecorded."""
        self.attributes[name] = value[:LONGEST] if isinstance(value, str) else value

    def fail(self, why: BaseException | str) -> None:
        """See Unrecorded."""
        self.failure = why if isinstance(why, str) else type(why).__name__

    def child(self, name: str, kind: int = INTERNAL) -> "Span":
        """One within this, of the same plugin."""
        return Span(self._take, self.trace, self.id, name, kind, self.plugin)

    def end(self) -> None:
        """Hand it to the exporter."""
        self.ended = time.time_ns()
        self._take(self)

    @property
    def traceparent(self) -> str:
        """What another process needs to know of it. Only sampled ones have it."""
        return f"00-{self.trace:032x}-{self.id:016x}-01"

    def __enter__(self) -> Self:
        self._token = current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None and not self.failure:
            self.fail(error)
        if self._token is not None:
            current.reset(self._token)
        self.end()


current: ContextVar[Span | None] = ContextVar("span", default=None)


class Taker(Protocol):
    """Whoever gets each span that has ended."""

    sent: int
    lost: int

    def take(self, span: Span, /) -> None:
        """Keep it until it can be sent. Quick, and never fails."""
        ...


class Tracer:
    """Decides what is sampled."""

    def __init__(self, sample: float, taker: Taker) -> None:
        """`sample` is the share of requests, 0 to 1."""
        self._sample, self.taker, self._take = sample, taker, taker.take

    @property
    def sent(self) -> int:
        """Spans that the collector took."""
        return self.taker.sent

    @property
    def lost(self) -> int:
        """Spans that nobody will see."""
        return self.taker.lost

    def root(self, traceparent: str | None, name: str = "", kind: int = SERVER) -> Span | None:
        """A span for work that comes from outside, or None when it is not sampled.

        `traceparent` is somebody's whom we trust: whether it is sampled was decided there. Without one it is decided
        here.
        """
        if traceparent is not None and (found := FORM.fullmatch(traceparent)) is not None:
            return self._continued(found, name, kind, "kernel")
        if _random.random() >= self._sample:
            return None
        return Span(self._take, _random.getrandbits(128) or 1, 0, name, kind, "kernel")

    def follow(self, traceparent: object, name: str, kind: int, plugin: str) -> Span | None:
        """A span of the trace that set this work off; None when there is none that was sampled."""
        found = FORM.fullmatch(traceparent) if isinstance(traceparent, str) else None
        return None if found is None else self._continued(found, name, kind, plugin)

    def _continued(self, found: "re.Match[str]", name: str, kind: int, plugin: str) -> Span | None:
        if not int(found[4], 16) & 1:
            return None
        return Span(self._take, int(found[2], 16), int(found[3], 16), name, kind, plugin)


armed: Tracer | None = None
"""This process's, while traces are on."""


def arm(tracer: Tracer | None) -> None:
    """Turn traces on, or off with None."""
    global armed  # noqa: PLW0603  call sites look at one name
    armed = tracer


def active() -> Span | None:
    """What is under way here. What has ended is nobody's parent: a task may outlive the request that began it."""
    found = current.get()
    return None if found is None or found.ended else found


def trace_id() -> str:
    """Of the trace under way here, for a log line: 32 hexadecimal digits, or nothing."""
    found = current.get()
    return "" if found is None else f"{found.trace:032x}"


def span(name: str) -> Unrecorded:
    """Begins a span of one's own: `with tracing.span("prices.compare") as work: work.set("prices.offers", 3)`.

    A name says what is done, and holds no values. Where traces are off or the request was not sampled this does
    nothing.
    """
    around = active() if armed is not None else None
    return NOTHING if around is None else around.child(name)


def carried() -> str | None:
    """What to write beside work that is left for later, such as a queue's row; None when there is nothing to tell."""
    around = active() if armed is not None else None
    return None if around is None else around.traceparent


def continued(traceparent: str | None, name: str, plugin: str) -> Unrecorded:
    """A span for such work, in a `with` block, maybe on another replica. `traceparent` is what `carried` returned."""
    if armed is None or traceparent is None:
        return NOTHING
    return armed.follow(traceparent, name, CONSUMER, plugin) or NOTHING


def outgoing(method: str, url: str, provider: str) -> Unrecorded:
    """A span for a call of somebody else's server, in a `with` block; `answered` tells it the status.

    Of the URL only the server is told: paths and queries hold ids of payments, projects and people.
    """
    around = active() if armed is not None else None
    if around is None:
        return NOTHING
    work = around.child(f"{method} {provider}", CLIENT)
    work.facts = _called(method, url.partition("?")[0], provider)
    return work


@lru_cache(KEPT)
def _called(method: str, url: str, provider: str) -> Facts:
    parts = urlsplit(url)
    told: dict[str, Value] = {"vurksha.provider": provider, "server.address": parts.hostname or ""}
    if parts.scheme in PORTS:
        told["http.request.method"] = method
    port = parts.port or PORTS.get(parts.scheme)
    return Facts(told if port is None else {**told, "server.port": port})
