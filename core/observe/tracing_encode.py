"""Spans in OTLP's protobuf, as cheaply as that goes: an exporter's thread takes its time from the event loop.

OpenTelemetry's own encoder takes many times as long (ADR 34). A protobuf message is its fields one after the other, so
those that come again and again, attributes and names, are encoded once by the library and kept as bytes.
https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
"""

import re
import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Written

from core.observe.logging import PRIVATE
from core.observe.tracing import Span, Value

KEPT = 4_096
"""Encoded attributes that are kept."""
SEVEN_BITS = 0x7F
QUERY = "db.query.text"
UNLIKE = frozenset({"vurksha.request_id", "messaging.message.id"})
"""Attributes that are never the same twice."""
DIGITS = re.compile(r"[6-9]\d{4}[ -]?\d{5}").search
LONG = 40
"""Characters of a text that may hold a secret without any form of its own."""
IDS, PARENT, TIMES = struct.Struct("<2s16s2s8s"), struct.Struct("<2s8s"), struct.Struct("<BQBQ")
TRACE_ID, SPAN_ID, PARENT_ID, STARTED, ENDED = b"\x0a\x10", b"\x12\x08", b"\x22\x08", 0x39, 0x41
"""Tags of fields with their lengths, where these are fixed."""
SPANS, SCOPE_SPANS, RESOURCE_SPANS = b"\x12", b"\x12", b"\x0a"
"""Tags of ScopeSpans.spans, ResourceSpans.scope_spans and ExportTraceServiceRequest.resource_spans."""
ATTRIBUTES, VALUE, TEXT = b"\x4a", b"\x12", b"\x0a"
"""Tags of Span.attributes, KeyValue.value and AnyValue.string_value."""


class Encoder:
    """The spans of one process as requests to a collector."""

    def __init__(self, resource: Mapping[str, Value]) -> None:
        """`resource` says what this process is."""
        self._resource = ResourceSpans(
            resource=Resource(attributes=[_pair(name, value) for name, value in resource.items()])
        ).SerializeToString()
        self._scope = ScopeSpans(scope=InstrumentationScope(name="vurksha")).SerializeToString()

    def request(self, spans: Iterable[Span]) -> bytes:
        """An ExportTraceServiceRequest of these."""
        scope = b"".join([self._scope, *(_field(SPANS, encoded(span)) for span in spans)])
        return _field(RESOURCE_SPANS, self._resource + _field(SCOPE_SPANS, scope))


def encoded(span: Span) -> bytes:
    """One span."""
    parts = [
        IDS.pack(TRACE_ID, span.trace.to_bytes(16, "big"), SPAN_ID, span.id.to_bytes(8, "big")),
        TIMES.pack(STARTED, span.began, ENDED, span.ended),
        _head(span.name, span.kind, span.plugin, span.failure),
    ]
    if span.parent:
        parts.append(PARENT.pack(PARENT_ID, span.parent.to_bytes(8, "big")))
    if (facts := span.facts).attributes:
        facts.written = facts.written or _attributes(facts.attributes)
        parts.append(facts.written)
    if span.attributes:
        parts.append(_attributes(span.attributes))
    return b"".join(parts)


def _attributes(attributes: Mapping[str, Value]) -> bytes:
    written = b""
    for name, value in attributes.items():
        written += _unlike(name, str(value)) if name in UNLIKE else _attribute(name, value, type(value).__name__)
    return written


@lru_cache(KEPT)
def _head(name: str, kind: int, plugin: str, failure: str) -> bytes:
    told = [_pair("vurksha.plugin", plugin)] if plugin else []
    if failure:
        told.append(_pair("error.type", failure))
    status = Status(code=Status.STATUS_CODE_ERROR) if failure else None
    kinds: Any = kind  # OTLP's numbers
    return bytes(Written(name=name, kind=kinds, attributes=told, status=status).SerializeToString())


@lru_cache(KEPT)
def _attribute(name: str, value: Value, _: str) -> bytes:
    """The type belongs to the key: 1, 1.0 and True are equal."""
    return bytes(Written(attributes=[_pair(name, value)]).SerializeToString())


def _unlike(name: str, value: str) -> bytes:
    """As `_attribute` writes it, but by hand: nothing of the value is worth keeping."""
    text = (PRIVATE.sub("***", value) if _suspect(value) else value).encode()
    return _before(name, len(text)) + text


def _suspect(value: str) -> bool:
    """Whether an id may hold something private, at a fifth of the time that it takes to know."""
    return len(value) >= LONG or "eyJ" in value or DIGITS(value) is not None


@lru_cache(KEPT)
def _before(name: str, length: int) -> bytes:
    """What stands before a text of so many bytes in its attribute: all but the text, which is its end."""
    blank = bytes(length)
    key = bytes(KeyValue(key=name).SerializeToString())
    return _field(ATTRIBUTES, key + _field(VALUE, _field(TEXT, blank))).removesuffix(blank)


def _pair(name: str, value: Value) -> KeyValue:
    """What looks like a phone or a token is not told, whoever wrote it there. SQL is a constant of the code."""
    if isinstance(value, bool):
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=name, value=AnyValue(double_value=value))
    text = value if name == QUERY else PRIVATE.sub("***", value)
    return KeyValue(key=name, value=AnyValue(string_value=text))


def _field(tag: bytes, content: bytes) -> bytes:
    """A field of many bytes: tag, length, content."""
    left = len(content)
    if left <= SEVEN_BITS:
        return b"".join((tag, left.to_bytes(1, "big"), content))
    length = bytearray()
    while left > SEVEN_BITS:
        length.append(left & SEVEN_BITS | 0x80)
        left >>= 7
    length.append(left)
    return b"".join((tag, length, content))
