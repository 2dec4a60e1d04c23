"""A collector for tests: OTLP over HTTP on a real socket, read with OpenTelemetry's own classes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

import attrs
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Written

PATIENCE = 20.0
"""Seconds that a busy machine gets."""


@attrs.frozen
class Seen:
    """A span as it arrived. Ids are hexadecimal; `parent` is empty for the first of a trace."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    plugin: str
    failed: bool
    began: int
    ended: int
    replica: str
    attributes: Mapping[str, object]


class Collector:
    """Keeps what it gets. `status` is what it answers."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.spans: list[Seen] = []
        self.bodies: list[bytes] = []
        self.headers: list[Mapping[str, str]] = []

    async def take(self, request: web.Request) -> web.Response:
        """A request of an exporter."""
        body = await request.read()
        if self.status == 200:
            self.bodies.append(body)
            self.headers.append(request.headers)
            self.spans += read(body)
        return web.Response(status=self.status)

    async def until(self, found: Callable[[list[Seen]], object], what: str) -> list[Seen]:
        """Wait until what arrived satisfies `found`; all of it."""
        end = time.monotonic() + PATIENCE
        while not found(self.spans):
            assert time.monotonic() < end, f"{what}; there are: {', '.join(sorted({s.name for s in self.spans}))}"
            await asyncio.sleep(0.02)
        return self.spans

    def named(self, name: str) -> list[Seen]:
        """Those of this name."""
        return [span for span in self.spans if span.name == name]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """One that listens while the block runs."""
    collector = Collector()
    app = web.Application(client_max_size=2**26)
    app.add_routes([web.post("/v1/traces", collector.take)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    try:
        yield collector
    finally:
        await runner.cleanup()


def read(body: bytes) -> list[Seen]:
    """The spans of a request."""
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        replica = _plain(resource.resource.attributes).get("service.instance.id", "")
        for scope in resource.scope_spans:
            found += [_seen(span, str(replica)) for span in scope.spans]
    return found


def _seen(span: Written, replica: str) -> Seen:
    attributes = _plain(span.attributes)
    return Seen(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        kind=Written.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        plugin=str(attributes.pop("vurksha.plugin", "")),
        failed=span.status.code == 2,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        replica=replica,
        attributes=attributes,
    )


def _plain(attributes: Iterable[KeyValue]) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in attributes}


def tree(spans: list[Seen]) -> str:
    """One trace for people: each span below its parent, with its kind, plugin and milliseconds."""
    known = {span.id for span in spans}
    first = min(span.began for span in spans)
    lines = []

    def tell(parent: str, depth: int) -> None:
        for span in sorted(spans, key=lambda one: one.began):
            if span.parent == parent or (not depth and span.parent not in known and span.parent):
                start, took = (span.began - first) / 1e6, (span.ended - span.began) / 1e6
                lines.append(
                    f"{start:8.1f} ms {took:7.1f}  {'  ' * depth}{span.name}"
                    f"  [{span.kind.lower()}, {span.plugin}, {span.replica[:4]}]{' FAILED' if span.failed else ''}"
                )
                tell(span.id, depth + 1)

    tell("", 0)
    return "\n".join(lines)
