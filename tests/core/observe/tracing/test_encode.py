"""OTLP as OpenTelemetry's own classes read it."""

import pytest

from core.observe.tracing import CLIENT, Facts, Span, Tracer, Value
from core.observe.tracing_encode import Encoder
from tests.core.observe.tracing.receiver import read


class Nowhere:
    """Takes nothing."""

    sent = lost = 0

    def take(self, _: Span) -> None:
        """No."""


def root() -> Span:
    """A span that begins a trace."""
    span = Tracer(1.0, Nowhere()).root(None, "GET /api/v1/things")
    assert span is not None
    return span


def test_every_field_arrives() -> None:
    first = root()
    span = first.child("SELECT shop.things", CLIENT)
    span.plugin, span.facts = "product", Facts({"db.system.name": "postgresql"})
    span.set("rows", 3)
    span.fail(KeyError("x"))
    for one in (span, first):
        one.end()
    seen, top = read(Encoder({"service.instance.id": "r1"}).request([span, first]))
    assert (seen.name, seen.kind, seen.plugin, seen.failed) == ("SELECT shop.things", "CLIENT", "product", True)
    assert (seen.trace, seen.id, seen.parent) == (f"{span.trace:032x}", f"{span.id:016x}", f"{first.id:016x}")
    assert (seen.began, seen.ended, seen.replica) == (span.began, span.ended, "r1")
    assert seen.attributes == {"db.system.name": "postgresql", "rows": 3, "error.type": "KeyError"}
    assert (top.kind, top.parent, top.failed, top.attributes) == ("SERVER", "", False, {})


@pytest.mark.parametrize("value", ["text", 7, -7, 2**40, 1.5, True, False, "", "ünï ₹", "word " * 40])
def test_values_keep_their_type(value: Value) -> None:
    span = root()
    span.set("value", value)
    span.set("vurksha.request_id", "id")
    (seen,) = read(Encoder({}).request([span]))
    assert (seen.attributes["value"], type(seen.attributes["value"])) == (value, type(value))
    assert seen.attributes["vurksha.request_id"] == "id"


def test_equal_values_of_several_types_are_not_mixed_up() -> None:
    span = root()
    for name in ("value", "value", "value"):
        for value in (1, True, 1.0):
            span.set(name, value)
            (seen,) = read(Encoder({}).request([span]))
            assert type(seen.attributes["value"]) is type(value)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 5_000])
def test_requests_of_any_size_are_whole(size: int) -> None:
    span = root()
    spans = read(Encoder({"service.name": "shop"}).request([span] * size))
    assert len(spans) == size
    assert all(seen.id == f"{span.id:016x}" for seen in spans)


@pytest.mark.parametrize("name", ["vurksha.request_id", "note"])
@pytest.mark.parametrize(
    "private",
    [
        "9876543210",
        "+919876543210",
        "98765 43210",
        "eyJhbGciOi.eyJzdWIiOiI.c2lnbmF0dXJl",
        "k" * 43,
        "order-09876543210",
    ],
)
def test_phones_and_tokens_do_not_leave(name: str, private: str) -> None:
    span = root()
    span.set(name, private)
    body = Encoder({}).request([span])
    assert private.removeprefix("order-0").encode() not in body
    assert "***" in str(read(body)[0].attributes[name])


def test_an_id_of_ours_is_left_as_it_is() -> None:
    span = root()
    span.set("vurksha.request_id", "0192a3f4-7def-4abc-8def-009876543210")
    span.set("messaging.message.id", "0192a3f4-7def-7abc-8def-0123456789ab")
    assert "***" not in str(read(Encoder({}).request([span]))[0].attributes)
