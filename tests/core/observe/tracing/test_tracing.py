"""Spans, who is sampled, and what goes on to other work."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from core.observe import tracing
from core.observe.tracing import Span, Tracer

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


class Kept:
    """Keeps what has ended."""

    def __init__(self) -> None:
        self.sent, self.lost = 3, 2
        self.spans: list[Span] = []

    def take(self, span: Span) -> None:
        """Keep it."""
        self.spans.append(span)


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What was told while traces are on, and every request is sampled."""
    kept = Kept()
    tracing.arm(Tracer(1.0, kept))
    yield kept
    tracing.arm(None)


def first() -> Span:
    """A sampled request."""
    assert tracing.armed is not None
    span = tracing.armed.root(None, "GET /things")
    assert span is not None
    return span


def test_nothing_of_opentelemetry_is_imported_by_the_app() -> None:
    listed = "[name for name in sys.modules if name.startswith(('opentelemetry.', 'google.'))]"
    code = ["-c", f"import sys, core.app, core.serve; print({listed})"]
    done = subprocess.run([sys.executable, *code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_a_tracer_nothing_is_recorded() -> None:
    assert tracing.armed is None
    with tracing.span("work") as work, tracing.continued(SAMPLED, "later", "order"):
        work.set("name", "value")
        work.fail("so")
    assert (tracing.trace_id(), tracing.carried()) == ("", None)
    assert tracing.outgoing("GET", "http://host/", "them") is tracing.span("work") is tracing.NOTHING


def test_outside_of_a_sampled_request_nothing_is_recorded(kept: Kept) -> None:
    with tracing.span("work"):
        assert tracing.carried() is None
    with tracing.outgoing("GET", "http://host/", "them") as call:
        call.answered(500)
        assert tracing.trace_id() == ""
    assert kept.spans == []


def test_spans_within_spans_are_their_children(kept: Kept) -> None:
    root = first()
    with root:
        with tracing.span("outer") as outer, tracing.span("inner"):
            outer.set("things", 3)
        assert tracing.trace_id() == f"{root.trace:032x}"
        assert tracing.carried() == f"00-{root.trace:032x}-{root.id:016x}-01"
    inner, outer_span, last = kept.spans
    assert (last, inner.parent, outer_span.parent, root.parent) == (root, outer_span.id, root.id, 0)
    assert {span.trace for span in kept.spans} == {root.trace}
    assert outer_span.attributes == {"things": 3}
    assert root.began <= outer_span.began <= inner.began <= inner.ended <= outer_span.ended <= root.ended
    assert tracing.trace_id() == ""


def test_a_failure_is_told_by_its_type(kept: Kept) -> None:
    with pytest.raises(ValueError, match="9876543210"), first(), tracing.span("work"):
        raise ValueError("9876543210 is wrong")
    assert [span.failure for span in kept.spans] == ["ValueError", "ValueError"]


def test_what_was_said_to_have_failed_stays_so(kept: Kept) -> None:
    span = first()
    span.fail("refused")
    with pytest.raises(ValueError, match="x"), span:
        raise ValueError("x")
    assert kept.spans[0].failure == "refused"


def test_what_has_ended_is_nobodys_parent(kept: Kept) -> None:
    root = first()
    tracing.current.set(root)
    root.end()
    with tracing.span("late"):
        assert tracing.carried() is None
    tracing.current.set(None)
    assert kept.spans == [root]


def test_long_texts_are_cut(kept: Kept) -> None:
    with first() as span:
        span.set("text", "x" * 1_000)
    assert kept.spans[0].attributes == {"text": "x" * tracing.LONGEST}


@pytest.mark.parametrize(("sample", "least", "most"), [(0.0, 0, 0), (0.1, 50, 160), (1.0, 1000, 1000)])
def test_so_many_requests_are_sampled(kept: Kept, sample: float, least: int, most: int) -> None:
    tracer = Tracer(sample, kept)
    assert least <= sum(tracer.root(None) is not None for _ in range(1_000)) <= most


@pytest.mark.parametrize("sample", [0.0, 1.0])
def test_a_trusted_caller_has_decided(kept: Kept, sample: float) -> None:
    tracer = Tracer(sample, kept)
    span = tracer.root(SAMPLED)
    assert span is not None
    assert (f"{span.trace:032x}", f"{span.parent:016x}") == (TRACE, PARENT)
    assert tracer.root(UNSAMPLED) is None


@pytest.mark.parametrize(
    "given",
    [
        "", "00", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-1", f"00-{TRACE[:-1]}-{PARENT}-01", f"{SAMPLED}x", 7,
    ],
)  # fmt: skip
def test_what_is_no_traceparent_is_not_followed(kept: Kept, given: object) -> None:
    tracer = Tracer(0.0, kept)
    assert tracer.follow(given, "work", tracing.CONSUMER, "order") is None
    if isinstance(given, str):
        assert tracer.root(given) is None


def test_a_later_version_of_traceparent_is_read(kept: Kept) -> None:
    assert Tracer(0.0, kept).follow(f"01-{TRACE}-{PARENT}-03-more", "work", tracing.CONSUMER, "order") is not None


def test_work_that_was_left_for_later_continues_its_trace(kept: Kept) -> None:
    url = "https://fcm.example/v1/projects/farm-shop/messages:send"
    with tracing.continued(SAMPLED, "deliver", "notification"), tracing.outgoing("POST", url, "fcm") as answer:
        answer.answered(200)
        assert tracing.trace_id() == TRACE
    call, deliver = kept.spans
    assert (deliver.name, deliver.kind, deliver.plugin) == ("deliver", tracing.CONSUMER, "notification")
    assert (call.name, call.kind, call.plugin, call.parent) == ("POST fcm", tracing.CLIENT, "notification", deliver.id)
    assert call.facts.attributes == {
        "http.request.method": "POST", "server.address": "fcm.example", "server.port": 443, "vurksha.provider": "fcm",
    }  # fmt: skip
    with tracing.continued(UNSAMPLED, "deliver", "x"), tracing.continued(None, "deliver", "x"):
        assert len(kept.spans) == 2


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://sms.example/x?phone=9876543210", {"server.port": 80, "http.request.method": "POST"}),
        ("https://sms.example:8443/9876543210", {"server.port": 8443, "http.request.method": "POST"}),
        ("smtp://sms.example:25", {"server.port": 25}),
        ("smtp://sms.example", {}),
    ],
)
def test_of_a_call_only_the_server_is_told(kept: Kept, url: str, told: dict[str, object]) -> None:
    with first(), tracing.outgoing("POST", url, "sms"):
        pass
    assert kept.spans[0].facts.attributes == {"server.address": "sms.example", "vurksha.provider": "sms", **told}


@pytest.mark.parametrize(("status", "failure"), [(200, ""), (404, "404"), (503, "503")])
def test_a_call_that_was_refused_has_failed(kept: Kept, status: int, failure: str) -> None:
    with first(), tracing.outgoing("POST", "http://sms.example", "sms") as call:
        call.answered(status)
    assert kept.spans[0].attributes == {"http.response.status_code": status}
    assert kept.spans[0].failure == failure


def test_a_tracer_knows_what_became_of_its_spans(kept: Kept) -> None:
    tracer = tracing.armed
    assert tracer is not None
    assert (tracer.sent, tracer.lost) == (kept.sent, kept.lost) == (3, 2)
