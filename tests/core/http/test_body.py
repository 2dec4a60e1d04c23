"""Bodies and queries: every bound, and never another exception than a Problem."""

import json
import re
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import INVALID_FORMAT, INVALID_INPUT, Problem
from core.http.body import MAX_DEPTH, MAX_FIELDS, MAX_ITEMS, MAX_KEYS, MAX_SAFE, MAX_TEXT, decode, parse_query

KEYS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=5) | st.sampled_from(
    ['"', "\\", ":", '":"', '\\":', "a", "b"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE, MAX_SAFE) | st.floats(-1e9, 1e9) | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)


def outcome(raw: bytes) -> dict[str, Any] | Problem:
    try:
        return decode(raw)
    except Problem as problem:
        return problem


def is_well(found: object) -> bool:
    """An object, or a refusal of one of the two kinds."""
    return isinstance(found, dict) or (isinstance(found, Problem) and found.code in (INVALID_FORMAT, INVALID_INPUT))


def refusal(raw: bytes) -> Problem:
    found = outcome(raw)
    assert isinstance(found, Problem)
    return found


class Pairs(list[tuple[str, Any]]):
    """An object as it was written, with every pair."""


def has_twice(value: object) -> bool:
    if isinstance(value, Pairs):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(has_twice(inner) for _, inner in value)
    return isinstance(value, list) and any(map(has_twice, value))


@given(OBJECTS, st.booleans(), st.sampled_from([None, 2]))
def test_what_was_written_is_read(value: dict[str, Any], ascii_only: bool, indent: int | None) -> None:
    assert decode(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()) == value


@given(st.lists(st.tuples(KEYS, VALUES), max_size=5), st.lists(st.tuples(KEYS, VALUES), max_size=3), KEYS)
def test_a_key_is_found_twice_exactly_when_it_was_written_twice(
    outer: list[tuple[str, Any]], inner: list[tuple[str, Any]], name: str
) -> None:
    def written(pairs: list[tuple[str, str]]) -> str:
        return "{" + ",".join(f"{json.dumps(key)}: {value}" for key, value in pairs) + "}"

    nested = written([(key, json.dumps(value)) for key, value in inner])
    raw = written([*((key, json.dumps(value)) for key, value in outer), (name, nested)])
    twice = has_twice(json.loads(raw, object_pairs_hook=Pairs))
    found = outcome(raw.encode())
    assert isinstance(found, Problem) == twice
    assert not isinstance(found, Problem) or "twice" in found.message


@given(st.binary(max_size=200))
def test_any_bytes_give_an_object_or_a_problem(raw: bytes) -> None:
    assert is_well(outcome(raw))


@given(st.data())
def test_a_body_that_was_damaged_on_the_way_gives_an_object_or_a_problem(data: st.DataObject) -> None:
    raw = bytearray(orjson.dumps(data.draw(OBJECTS)))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert is_well(outcome(bytes(raw)))


@pytest.mark.parametrize(
    "raw", [b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b'{"a":' + b"9" * 5_000 + b"}"]
)
def test_hostile_bodies_cost_nothing(raw: bytes) -> None:
    assert refusal(raw).code in (INVALID_FORMAT, INVALID_INPUT)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"a": [0] * MAX_ITEMS}, {"a": [0] * (MAX_ITEMS + 1)}),
        ({"a": "x" * MAX_TEXT}, {"a": "x" * (MAX_TEXT + 1)}),
        ({"x" * MAX_TEXT: 1}, {"x" * (MAX_TEXT + 1): 1}),
        ({"a": MAX_SAFE, "b": -MAX_SAFE}, {"a": MAX_SAFE + 1}),
        ({str(n): n for n in range(MAX_KEYS)}, {str(n): n for n in range(MAX_KEYS + 1)}),
        ({"a": ""}, {"a": "\0"}),
        ({"a": 1}, {"a\0": 1}),
    ],
)
def test_each_bound_holds_exactly(good: dict[str, Any], bad: dict[str, Any]) -> None:
    assert decode(orjson.dumps(good)) == good
    assert refusal(orjson.dumps(bad)).code is INVALID_INPUT


def test_the_depth_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)

    decode(nested(MAX_DEPTH))
    assert refusal(nested(MAX_DEPTH + 1)).code is INVALID_INPUT


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{", r"The body is not valid JSON: .+\."),
        (b"[]", r"The body must be a JSON object\."),
        (b'{"a":1,"a":1}', r"The body names a key twice\."),
        (orjson.dumps({"a": [0] * 201}), r"A list has more than 200 items\."),
        (b'{"a":' * 20 + b"{}" + b"}" * 20, r"The body is nested more than 20 deep\."),
        (orjson.dumps({"a": [{str(n): n for n in range(500)}] * 2}), r"The body has more than 1000 keys\."),
        (b'{"a":9007199254740993}', r"A number is too large\."),
        (orjson.dumps({"a": "x" * 10_001}), r"A text has more than 10000 characters\."),
        (b'{"a":"\\u0000"}', r"A text holds a NUL character\."),
    ],
)
def test_a_refusal_names_its_bound(raw: bytes, message: str) -> None:
    assert re.fullmatch(message, refusal(raw).message)


def test_no_bytes_are_an_object_without_fields() -> None:
    assert decode(b"") == {}


def test_a_query_names_each_value_once() -> None:
    assert parse_query("") == {}
    assert parse_query("a=1&b=%20x&c=&d") == {"a": "1", "b": " x"}
    for query in (
        "a=1&a=1",
        "a=%00",
        "a=" + "x" * (MAX_TEXT + 1),
        "a=\udcff",
        "a=%ff",
        "&".join(["a=1"] * (MAX_FIELDS + 1)),
    ):
        with pytest.raises(Problem) as caught:
            parse_query(query)
        assert caught.value.code in (INVALID_FORMAT, INVALID_INPUT)


def test_a_query_has_fifty_fields_at_most() -> None:
    fields = [f"f{n}=1" for n in range(MAX_FIELDS)]
    assert len(parse_query("&".join(fields))) == MAX_FIELDS == 50
    with pytest.raises(Problem, match=r"^The query could not be read\.$"):
        parse_query("&".join([*fields, "more=1"]))


def test_a_name_that_is_given_twice_is_told_but_not_at_any_length() -> None:
    name = "é" + "n" * 60
    with pytest.raises(Problem) as caught:
        parse_query(f"{name}=1&{name}=2")
    assert caught.value.message == "'\\xe9" + "n" * 39 + "' is given twice."


@given(st.text(st.characters(codec=None), max_size=60) | st.text("&=%+aF0;", max_size=40))
def test_any_query_gives_storable_texts_or_a_problem(query: str) -> None:
    with suppress(Problem):
        "".join(parse_query(query).values()).encode()
