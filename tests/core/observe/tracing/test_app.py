"""An app that traces: its requests, its answers from memory, its handlers, and whom it believes."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from core.observe import tracing
from core.observe.tracing import Span, Tracer
from core.types import uuid7
from tests.core.events.samples import ParcelArrived
from tests.core.harness import NewProbe, Probe

THEIRS = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED, UNSAMPLED = (f"00-{THEIRS}-00f067aa0ba902b7-{flags}" for flags in ("01", "00"))


class Kept:
    """Keeps what has ended."""

    def __init__(self) -> None:
        self.sent = self.lost = 0
        self.spans: list[Span] = []

    def take(self, span: Span) -> None:
        """Keep it."""
        self.spans.append(span)

    def named(self, name: str) -> list[Span]:
        """Those of this name."""
        return [span for span in self.spans if span.name == name]


@pytest.fixture(scope="module")
async def behind(new_probe: NewProbe) -> AsyncIterator[Probe]:
    """An app behind a proxy that it trusts: this machine."""
    async with new_probe() as started:
        yield started


@pytest.fixture(scope="module")
async def alone(new_probe: NewProbe) -> AsyncIterator[Probe]:
    """An app that trusts nobody."""
    async with new_probe(http={"trusted_proxies": []}) as started:
        yield started


def traced(sample: float) -> Kept:
    """Turn traces on until the test ends."""
    kept = Kept()
    tracing.arm(Tracer(sample, kept))
    return kept


@pytest.fixture(autouse=True)
def off() -> Iterator[None]:
    """Turn them off."""
    yield
    tracing.arm(None)


@pytest.mark.parametrize("path", ["/probe/hello", "/probe/cached"])
async def test_every_request_has_its_span_also_from_memory(alone: Probe, path: str) -> None:
    kept = traced(1.0)
    for number in range(3):
        assert (await alone.get(path, headers={"X-Request-ID": f"id-{number}"})).status == 200
    spans = kept.named(f"GET /api/v1{path}")
    assert [span.attributes["vurksha.request_id"] for span in spans] == ["id-0", "id-1", "id-2"]
    assert {(span.plugin, span.kind, span.parent) for span in spans} == {("probe", tracing.SERVER, 0)}
    assert all(span.facts.attributes["http.response.status_code"] == 200 for span in spans)
    assert all(0 < span.began <= span.ended for span in spans)


async def test_health_is_not_traced(alone: Probe) -> None:
    kept = traced(1.0)
    async with aiohttp.ClientSession() as session, session.get(f"{alone.url}/health/ready") as answer:
        assert answer.status == 200
    assert kept.spans == []


async def test_a_failure_is_told_by_its_status(alone: Probe) -> None:
    kept = traced(1.0)
    assert (await alone.get("/probe/boom")).status == 500
    assert [span.failure for span in kept.spans] == ["500"]


@pytest.mark.parametrize("path", ["/probe/hello", "/probe/cached"])
async def test_a_trusted_proxy_decides_what_is_traced(behind: Probe, path: str) -> None:
    kept = traced(0.0)
    for _ in range(2):
        await behind.get(path, headers={"traceparent": SAMPLED})
        await behind.get(path, headers={"traceparent": UNSAMPLED})
        await behind.get(path)
    assert [f"{span.trace:032x}" for span in kept.spans] == [THEIRS, THEIRS]


@pytest.mark.parametrize("path", ["/probe/hello", "/probe/cached"])
async def test_nobody_else_does(alone: Probe, path: str) -> None:
    kept = traced(0.0)
    for _ in range(2):
        await alone.get(path, headers={"traceparent": SAMPLED})
    assert kept.spans == []
    kept = traced(1.0)
    await alone.get(path, headers={"traceparent": SAMPLED})
    assert [f"{span.trace:032x}" == THEIRS for span in kept.spans] == [False]


async def emitted(probe: Probe) -> Span:
    """An event told within a trace, and handled by now; the span around its telling."""
    assert tracing.armed is not None
    around = tracing.armed.root(None, "telling")
    assert around is not None
    with around:
        async with probe.db.transaction() as tx:
            tx.emit(ParcelArrived(parcel_id=uuid7()))
    await probe.app.bus.idle()
    return around


async def test_a_handler_joins_the_trace_of_what_told_its_event(alone: Probe) -> None:
    kept = traced(1.0)
    around = await emitted(alone)
    (handled,) = kept.named("process parcel.arrived")
    assert (handled.trace, handled.parent, handled.kind) == (around.trace, around.id, tracing.CONSUMER)
    assert (handled.plugin, handled.failure) == ("probe", "")
    assert handled.facts.attributes["messaging.consumer.group.name"] == "probe.ears"
    commits = [span for span in kept.named("COMMIT") if span.parent == handled.id]
    assert len(commits) == 1
    assert commits[0].ended <= handled.ended


async def test_a_handler_that_fails_has_failed(alone: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = traced(1.0)
    monkeypatch.setattr(alone.app.bus, "_delays", ())
    monkeypatch.setattr(alone.plugin, "heard", None)
    await emitted(alone)
    assert [span.failure for span in kept.named("process parcel.arrived")] == ["AttributeError"]


async def test_what_was_not_sampled_goes_on_unseen(alone: Probe) -> None:
    kept = traced(0.0)
    async with alone.db.transaction() as tx:
        tx.emit(ParcelArrived(parcel_id=uuid7()))
    await alone.app.bus.idle()
    assert kept.spans == []
