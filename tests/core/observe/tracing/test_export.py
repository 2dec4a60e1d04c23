"""The exporter's thread against real sockets: collectors that take, refuse, are away, or hang."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.observe import tracing_export
from core.observe.tracing import Tracer
from core.observe.tracing_export import Exporter
from core.settings import Secret, TracingSettings
from tests.core.observe.tracing.receiver import Collector

NOBODY = "http://127.0.0.1:9/v1/traces"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send often."""
    monkeypatch.setattr(tracing_export, "EVERY", 0.02)


@asynccontextmanager
async def exporting(settings: TracingSettings) -> AsyncIterator[Exporter]:
    """An exporter at work."""
    exporter = Exporter(settings, {"service.name": "vurksha"})
    exporter.start()
    try:
        yield exporter
    finally:
        await exporter.stop(settings.flush)
        await until(exporter, running=False)


def give(exporter: Exporter, spans: int) -> None:
    """So many spans."""
    tracer = Tracer(1.0, exporter)
    for number in range(spans):
        span = tracer.root(None, f"span {number}")
        assert span is not None
        span.end()


async def until(exporter: Exporter, **figures: int) -> None:
    """Wait for figures of an exporter."""
    async with asyncio.timeout(20):
        while any(getattr(exporter, name) != value for name, value in figures.items()):
            await asyncio.sleep(0.01)


async def test_spans_reach_the_collector_in_order_and_in_batches(collector: Collector) -> None:
    async with exporting(TracingSettings(endpoint=collector.url)) as exporter:
        give(exporter, 1_200)
        await until(exporter, sent=1_200)
    assert [span.name for span in collector.spans] == [f"span {number}" for number in range(1_200)]
    assert len(collector.bodies) >= 3
    assert {headers["Content-Type"] for headers in collector.headers} == {"application/x-protobuf"}
    assert exporter.lost == 0


async def test_the_collector_is_shown_what_it_wants(collector: Collector) -> None:
    settings = TracingSettings(endpoint=collector.url, authorization=Secret("Bearer open sesame"))
    async with exporting(settings) as exporter:
        give(exporter, 1)
        await until(exporter, sent=1)
    assert collector.headers[0]["Authorization"] == "Bearer open sesame"


async def test_what_waits_is_sent_at_the_end(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_export, "EVERY", 60.0)
    async with exporting(TracingSettings(endpoint=collector.url)) as exporter:
        give(exporter, 700)
    assert (len(collector.spans), exporter.sent, exporter.lost) == (700, 700, 0)


async def test_a_refusal_costs_those_spans_only(collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    async with exporting(TracingSettings(endpoint=collector.url)) as exporter:
        collector.status = 503
        give(exporter, 5)
        await until(exporter, lost=5)
        collector.status = 200
        give(exporter, 3)
        await until(exporter, sent=3)
    assert "spans were lost: 5 at once: the collector answered 503" in caplog.text


async def test_a_collector_that_is_away_costs_spans_only(caplog: pytest.LogCaptureFixture) -> None:
    async with exporting(TracingSettings(endpoint=NOBODY)) as exporter:
        give(exporter, 5)
        await until(exporter, lost=5)
    assert "5 at once: ConnectionRefusedError" in caplog.text


async def test_a_collector_that_closes_idle_connections_loses_nothing() -> None:
    answered = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        answered += 1
        writer.close()

    async with await asyncio.start_server(once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with exporting(TracingSettings(endpoint=f"http://127.0.0.1:{port}")) as exporter:
            for number in range(1, 4):
                give(exporter, 1)
                await until(exporter, sent=number)
    assert (answered, exporter.lost) == (3, 0)


@asynccontextmanager
async def hanging() -> AsyncIterator[str]:
    """A collector that takes connections and requests, and never says a word."""
    sock = socket.create_server(("127.0.0.1", 0))
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}/v1/traces"
    finally:
        sock.close()


async def test_a_collector_that_hangs_fills_the_queue_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_export, "MOST", 100)
    async with hanging() as url, exporting(TracingSettings(endpoint=url, timeout=60.0, flush=0.2)) as exporter:
        give(exporter, 1)
        await until(exporter, waiting=0)
        began = time.perf_counter()
        give(exporter, 1_000)
        took = time.perf_counter() - began
        assert (exporter.lost, exporter.sent) == (900, 0)
    assert took < 5.0
    assert exporter.lost == 1_001


async def test_the_end_waits_for_a_collector_that_hangs_as_long_as_it_may(caplog: pytest.LogCaptureFixture) -> None:
    async with hanging() as url:
        exporter = Exporter(TracingSettings(endpoint=url, timeout=60.0), {})
        give(exporter, 600)
        exporter.start()
        await until(exporter, waiting=88)
        began = time.monotonic()
        await exporter.stop(0.3)
        assert 0.2 < time.monotonic() - began < 20.0
    await until(exporter, lost=600, running=False)
    assert "88 spans were not sent in time" in caplog.text


async def test_a_late_answer_costs_the_spans_that_waited_for_it() -> None:
    async with hanging() as url, exporting(TracingSettings(endpoint=url, timeout=0.1)) as exporter:
        give(exporter, 4)
        await until(exporter, lost=4)


async def test_a_thread_that_cannot_encode_says_so(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from core.observe import tracing_encode  # noqa: PLC0415  as the exporter does

    def broken(*_: object) -> None:
        raise ImportError("no protobuf")

    monkeypatch.setattr(tracing_encode, "Encoder", broken)
    async with exporting(TracingSettings(endpoint=collector.url)):
        await asyncio.sleep(0.1)
    assert "spans were lost: ImportError" in caplog.text
