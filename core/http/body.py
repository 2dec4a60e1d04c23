"""Reading JSON bodies and query strings, with every bound of RELIABILITY 4.12."""

import re
from typing import Any
from urllib.parse import parse_qsl

import orjson

from core.errors import INVALID_FORMAT, INVALID_INPUT, Problem
from core.http.fields import MAX_SAFE, MAX_TEXT

MAX_DEPTH, MAX_KEYS, MAX_ITEMS = 20, 1_000, 200
MAX_FIELDS = 50
"""Of a query string."""
STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
"""JSON strings, to be blanked so that what is left of `:` counts the pairs that were written."""


def decode(raw: bytes) -> dict[str, Any]:
    """A JSON object, or Problem(INVALID_FORMAT). No bytes are an object without fields (CONTRACT A.1)."""
    if not raw:
        return {}
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(INVALID_FORMAT, f"The body is not valid JSON: {error.msg}.") from None
    if not isinstance(value, dict):
        raise Problem(INVALID_FORMAT, "The body must be a JSON object.")
    if _measure(value, 1) != STRINGS.sub(b"", raw).count(b":"):
        raise Problem(INVALID_FORMAT, "The body names a key twice.")
    return value


def _measure(value: object, depth: int) -> int:
    """Check one value and all below it; the number of keys in it."""
    if isinstance(value, dict):
        inner, keys = list(value.values()), len(value)
        for key in value:
            _check_text(key)
    elif isinstance(value, list):
        inner, keys = value, 0
        if len(value) > MAX_ITEMS:
            raise Problem(INVALID_INPUT, f"A list has more than {MAX_ITEMS} items.")
    else:
        _check_plain(value)
        return 0
    if depth > MAX_DEPTH:
        raise Problem(INVALID_INPUT, f"The body is nested more than {MAX_DEPTH} deep.")
    keys += sum(_measure(item, depth + 1) for item in inner)
    if keys > MAX_KEYS:
        raise Problem(INVALID_INPUT, f"The body has more than {MAX_KEYS} keys.")
    return keys


def _check_plain(value: object) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int | float) and not -MAX_SAFE <= value <= MAX_SAFE:
        raise Problem(INVALID_INPUT, "A number is too large.")


def _check_text(value: str) -> None:
    if len(value) > MAX_TEXT:
        raise Problem(INVALID_INPUT, f"A text has more than {MAX_TEXT} characters.")
    if "\0" in value:
        raise Problem(INVALID_INPUT, "A text holds a NUL character.")


def parse_query(query: str) -> dict[str, str]:
    """Names and values, each name once; blank values count as not given."""
    if not query:
        return {}
    try:
        query.encode()  # bytes that are no UTF-8 arrive as lone surrogates
        pairs = parse_qsl(query, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:  # those of Unicode are such, too
        raise Problem(INVALID_FORMAT, "The query could not be read.") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise Problem(INVALID_INPUT, f"{name[:40]!a} is given twice.")
        _check_text(value)
        found[name] = value
    return found
