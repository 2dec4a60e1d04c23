"""What nobody should send: as JSON values, whole bodies, texts in addresses, and headers."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from core.http.schema import Schemas
from core.types import uuid7

VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, -1e308, 2**53 + 1, 2**63, -(2**64), "", " ", "0", "-1", "1e400", "null",
    "x" * 9_999, "x" * 10_001, "nul\0", "\x1b[31m", "\u202edesrever", "٣٤٥", "\uff16", "🥕" * 300, "e\u0301" * 200,
    "'; DROP TABLE users.accounts; --", "../../etc/passwd", "{{7*7}}", "%s%n", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z", "00000000-0000-0000-0000-000000000000", str(uuid7()),
    [], {}, [None], [[]], [{}], [1] * 200, [1] * 201, {"": ""}, {"id": {"$ne": None}}, {"__class__": "x"},
)  # fmt: skip

DEEP = b"[" * 30 + b"]" * 30
BODIES = {
    "broken": b"{", "cut": b'{"a":"', "array": b"[]", "null": b"null", "number": b"1", "text": b'"x"', "two": b"{}{}",
    "nan": b'{"a":NaN}', "infinity": b'{"a":-Infinity}', "1e400": b'{"a":1e400}', "10^30": b'{"a":1' + b"0" * 30 + b"}",
    "many digits": b'{"a":' + b"9" * 5_000 + b"}",
    "nul": b'{"a":"\\u0000"}', "nul key": b'{"\\u0000":1}', "raw nul": b'{"a":"\x00"}',
    "lone surrogate": b'{"a":"\\ud800"}', "surrogate key": b'{"\\udfff":1}', "wrong pair": b'{"a":"\\udc00\\ud800"}',
    "bad utf-8": b'{"a":"\xff"}', "surrogate bytes": b'{"a":"\xed\xa0\x80"}', "overlong": b'{"a":"\xc0\xaf"}',
    "utf-16": '{"a":1}'.encode("utf-16"), "bom": b'\xef\xbb\xbf{"a":1}',
    "same key": b'{"a":1,"a":2}', "same key escaped": b'{"a":1,"\\u0061":2}', "same key deep": b'{"a":{"b":1,"b":1}}',
    "deep": b'{"a":' + DEEP + b"}", "very deep": b"[" * 60_000, "deep objects": b'{"a":' * 900 + b"1" + b"}" * 900,
    "201 items": json.dumps({"a": [1] * 201}).encode(),
    "1001 keys": json.dumps({str(n): n for n in range(1001)}).encode(),
    "long text": json.dumps({"a": "x" * 10_001}).encode(), "large": b'{"a":"' + b"x" * 70_000 + b'"}',
    "comment": b"{/**/}", "single quotes": b"{'a':1}", "form": b"a=1&b=2", "xml": b"<a/>", "spaces": b" \r\n\t ",
}  # fmt: skip
"""By what is wrong with them."""

TEXTS = (
    "", "0", "-1", "1.5", "1e400", "NaN", "Infinity", "9" * 30, "-" + "9" * 30, "0x10", "+1", "1_000", " 1", "%D9%A3",
    "%EF%BC%96", "%00", "a%00b", "%ff", "%ed%a0%80", "%F0%9F%A5%95", "..", "%2e%2e%2f", "a%2Fb", "%25", "%0d%0aX:y",
    "true", "null", "None", "undefined", "[]", "{}", "'", "%22", "%5C", "%27%3B--", "%25%25", "x" * 3_000,
    "created_at%3Bdrop", "00000000-0000-0000-0000-000000000000", "not-a-uuid", "{00000000-0000-0000-0000-000000000000}",
    "00000000000000000000000000000000", "urn:uuid:00000000-0000-0000-0000-000000000000", str(uuid7()),
)  # fmt: skip
"""Percent-encoded, for values in paths and queries."""

QUERIES = (
    "page=1&page=2", "page[]=1", "page=0&limit=0", "page=-1&limit=-1", "page=1000000&limit=100", "limit=101",
    f"page={10**30}&limit={10**30}", "sortBy=nonsense", "sortBy=price_paise;--&sortOrder=sideways", "sort=%00",
    "%ff=%ff", "&&&", "=", "?", "a=b=c", "&".join(f"a{n}=1" for n in range(60)), "x=" + "y" * 4_096, "page", "%00=1",
    "status=%ED%A0%80",
)  # fmt: skip

HEADERS: tuple[Mapping[str, str], ...] = (
    {"Content-Type": ""}, {"Content-Type": "text/plain"}, {"Content-Type": "application/xml"}, {"Content-Type": ";;;"},
    {"Content-Type": "multipart/form-data; boundary=x"}, {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "application/json; charset=utf-16"}, {"Content-Type": "x" * 3_000},
    {"Content-Encoding": "gzip"}, {"Content-Encoding": "deflate"}, {"Content-Encoding": "br, gzip"},
    {"Accept": "application/problem+json;q=0.1"}, {"Accept": "image/png"}, {"Accept": ""},
    {"Accept-Encoding": "gzip, zstd"},
    {"If-Match": ""}, {"If-Match": "nonsense"}, {"If-Match": f'"{10**30}"'}, {"If-Match": '"-1"'}, {"If-Match": "*"},
    {"If-None-Match": '"'}, {"If-None-Match": "*"}, {"If-Modified-Since": "never"}, {"Range": "bytes=0-0"},
    {"X-Idempotency-Key": ""}, {"X-Idempotency-Key": "a b"}, {"X-Idempotency-Key": "x" * 256},
    {"X-Idempotency-Key": "schlüssel"}, {"X-Request-Timeout-Ms": "-1"},
    {"X-Request-Timeout-Ms": "9" * 50}, {"X-Request-ID": "x" * 65}, {"X-Forwarded-For": "nobody, 999.999.999.999"},
    {"X-HTTP-Method-Override": "DELETE"}, {"Host": "elsewhere.example"}, {"Origin": "null"},
    {"Expect": "200-ok"}, {"Upgrade": "websocket", "Connection": "Upgrade"}, {"Traceparent": "00-zz-zz-01"},
)  # fmt: skip

ZIPPED = gzip.compress(b"{}")

STRANGERS = (None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer a.b.c", "bearer x", "Bearer " + "x" * 4_000)
"""Authorization of somebody who has no token."""

EXTRA = b'{"__proto__":{"role":"ADMIN"},"role":"ADMIN","isActive":true,"userId":"me","x":0.' + b"9" * 5_000 + b"}"
"""Fields that no body has."""

WORDS = ("text", "9876543210", "411001", "000000", "someone@example.com", "https://example.com/a.jpg", "ab")


def encoded(value: object) -> bytes:
    """JSON, also of what JSON does not allow."""
    return json.dumps(value).encode()


class Samples:
    """Bodies that are as they should be, made from the classes of the routes."""

    def __init__(self, known: Mapping[str, object]) -> None:
        """`known` has values for fields of these names."""
        self._schemas, self._known = Schemas({}), known

    def body(self, cls: type | None) -> dict[str, Any]:
        """Every field given."""
        made: dict[str, Any] = {} if cls is None else self._of(self._schemas.input(cls), "")
        return made

    def _of(self, schema: Mapping[str, Any], name: str) -> Any:
        if name in self._known:
            return self._known[name]
        if "$ref" in schema:
            return self._of(self._schemas.components[schema["$ref"].rpartition("/")[2]], name)
        if "properties" in schema:
            return {field: self._of(inner, field) for field, inner in schema["properties"].items()}
        if "enum" in schema or "examples" in schema:
            return (schema.get("examples") or schema["enum"])[0]
        if "anyOf" in schema:
            return self._of(schema["anyOf"][0], name)
        kind = schema.get("type", "object")
        kind = kind if isinstance(kind, str) else kind[0]
        if kind == "array":
            return [self._of(schema["items"], "")]
        if kind == "string":
            fits = re.compile(schema.get("pattern", "")).search
            return next(w for w in WORDS if fits(w) and len(w) <= schema.get("maxLength", 100))
        return {"boolean": True, "integer": 1, "number": 1, "object": {}}[kind]


def spoilt(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body with one field, or one within, replaced by each hostile value, or left out."""
    for name, value in body.items():
        yield {key: other for key, other in body.items() if key != name}
        for bad in VALUES:
            yield {**body, name: bad}
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            for worse in spoilt(inner):
                yield {**body, name: [worse] if isinstance(value, list) else worse}
