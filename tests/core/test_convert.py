"""JSON to objects and back: strict, whole, with the wire's names."""

from collections import deque
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID, uuid4

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.convert import Unreadable, camel, dump_json, text, wire
from core.errors import Invalid
from core.http.fields import ManyOf, Moment, Number, OneOf, Whole
from core.types import rupees


class Colour(StrEnum):
    """Two."""

    RED = "RED"
    GREEN = "GREEN"


@attrs.frozen(kw_only=True)
class Line:
    """Nested."""

    product_id: UUID
    quantity: Annotated[int, Whole(1, 99)] = 1


@attrs.frozen(kw_only=True)
class Everything:
    """One of every kind."""

    name: str
    count: int = 0
    ratio: float = 0.0
    flag: bool = False
    colour: Colour = Colour.RED
    at: datetime | None = None
    when: Annotated[datetime, Moment()] | None = None
    lines: Annotated[list[Line], ManyOf(0, 2)] = attrs.field(factory=list)
    pair: tuple[str, ...] = ()
    extra: dict[str, int] = attrs.field(factory=dict)
    other: Mapping[str, object] = attrs.field(factory=dict)
    any_thing: object = None
    noted: Annotated[str, "a note that is no rule"] = ""


@attrs.frozen(kw_only=True)
class Branch:
    """It may have some of its own kind."""

    left: "Branch | None" = None
    tips: "Sequence[Branch]" = ()


@attrs.frozen(kw_only=True)
class Query:
    """As text."""

    page: Annotated[int, Whole(1, 9)] = 1
    plain: int = 0
    price: Annotated[float, Number(0)] | None = None
    share: float = 0
    organic: bool | None = None
    sort: Annotated[str, OneOf(("price", "name"), {"cost": "price"})] = "name"
    owner: UUID | None = None


def errors(value: object, cls: type = Everything) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        wire.structure(value, cls)
    return {e.field: e.message for e in caught.value.errors}


def test_a_whole_object_comes_back() -> None:
    line = Line(product_id=uuid4(), quantity=3)
    moment = datetime(2026, 1, 31, 9, tzinfo=UTC)
    thing = Everything(
        name="a", count=1, ratio=1.5, flag=True, colour=Colour.GREEN, at=moment, when=moment, lines=[line],
        pair=("x", "y"), extra={"a": 1}, other={"b": [1]}, any_thing={"c": None}, noted="n",
    )  # fmt: skip
    sent = orjson.loads(wire.dump(thing))
    assert sent["lines"][0]["productId"] == str(line.product_id)
    assert sent["at"] == "2026-01-31T09:00:00Z"
    assert sent["anyThing"] == {"c": None}
    assert wire.structure(sent, Everything) == thing


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 1), ("name", None), ("name", "x" * 10_001), ("count", "1"), ("count", 1.0), ("count", True),
        ("ratio", "1"), ("ratio", True), ("flag", 1), ("flag", "true"), ("colour", "BLUE"), ("colour", 3),
        ("at", "today"), ("at", "2026-01-31"), ("when", "2026-01-31T09:00:00"), ("lines", {}), ("lines", "ab"),
        ("lines", [{}, {}, {}]), ("pair", "ab"), ("pair.1", ["a", 1]),
        ("extra", []), ("other", 5), ("lines.0.productId", [{}]), ("lines.0", [5]),
    ],
)  # fmt: skip
def test_nothing_is_coerced(field: str, value: object) -> None:
    assert field in errors({"name": "a", field.split(".", maxsplit=1)[0]: value})


def one_field(kind: Any) -> type:
    return attrs.make_class("Sent", {"value": attrs.field(type=kind)}, frozen=True)


@pytest.mark.parametrize(
    ("kind", "became"),
    [
        (Sequence[str], ("a", "b")),
        (MutableSequence[str], ["a", "b"]),
        (AbstractSet[str], frozenset("ab")),
        (set[str], {"a", "b"}),
        (frozenset[str] | None, frozenset("ab")),
        (list, ["a", "b"]),
    ],
)
def test_a_list_becomes_what_its_field_is_and_nothing_else_becomes_a_list(kind: Any, became: object) -> None:
    cls: Any = one_field(kind)
    assert wire.structure({"value": ["a", "b"]}, cls).value == became
    for wrong in ("ab", {"a": 1, "b": 2}, 5):
        assert errors({"value": wrong}, cls) == {"value": "must be a list"}


@pytest.mark.parametrize("kind", [MutableMapping[str, int], dict])
def test_an_object_becomes_a_mapping_and_nothing_else_does(kind: Any) -> None:
    cls: Any = one_field(kind)
    assert wire.structure({"value": {"a": 1}}, cls).value == {"a": 1}
    for wrong in ([["a", 1]], "ab", 5):
        assert errors({"value": wrong}, cls) == {"value": "must be an object"}


@pytest.mark.parametrize(
    "kind", [date, date | None, list[date], dict[str, date], str | int, deque[str], tuple[int, str], Iterable[str]]
)
def test_what_no_json_can_become_is_told_before_any_comes(kind: Any) -> None:
    with pytest.raises(Unreadable, match=r"^Sent\.value: .* is nothing that JSON can become$"):
        wire.prepare(one_field(kind))
    with pytest.raises(Unreadable, match=r"^Sent\.value: .* is nothing that JSON can become$"):
        text.prepare(one_field(Sequence[one_field(kind)]))  # type: ignore[misc]  # made here


def test_a_class_may_lead_back_to_itself() -> None:
    wire.prepare(Branch)
    assert wire.structure({"tips": [{"left": {}}, {}]}, Branch) == Branch(tips=(Branch(left=Branch()), Branch()))


def test_every_mistake_is_told_with_its_path() -> None:
    told = errors({"count": "x", "lines": [{"productId": "y", "quantity": 100}, {"quantity": 2}]})
    assert told == {
        "name": "is required",
        "count": "must be a whole number",
        "lines.0.productId": "must be a uuid",
        "lines.0.quantity": "must be a whole number from 1 to 99",
        "lines.1.productId": "is required",
    }


def test_only_objects_are_objects() -> None:
    for value in ([], "x", 5, None):
        assert errors(value) == {"": "must be an object"}


def test_other_errors_say_nothing_of_our_insides() -> None:
    @attrs.frozen(kw_only=True)
    class Odd:
        """Its own check fails."""

        name: Annotated[str, "a note"] = attrs.field(validator=lambda *_: 1 / 0)

    with pytest.raises(Invalid) as caught:
        wire.structure({"name": "a"}, Odd)
    assert [e.message for e in caught.value.errors] == ["is not valid"]


def test_an_instance_is_written_with_the_wires_names_and_nothing_else_is() -> None:
    owner = uuid4()
    assert wire.plain(Line(product_id=owner)) == {"productId": owner, "quantity": 1}
    assert wire.structure({"product_id": 1, "productId": owner}, Line).product_id is owner
    assert wire.dump(Line(product_id=owner)) == b'{"productId":"%b","quantity":1}' % str(owner).encode()
    with pytest.raises(TypeError, match="not JSON serializable: object"):
        dump_json(object())


def test_queries_are_read_from_text() -> None:
    owner = uuid4()
    found = text.structure(
        {
            "page": "2",
            "plain": "7",
            "price": "0",
            "share": "0.5",
            "organic": "false",
            "sort": "COST",
            "owner": str(owner),
        },
        Query,
    )
    assert found == Query(page=2, plain=7, price=0, share=0.5, organic=False, sort="price", owner=owner)


@pytest.mark.parametrize("value", ["", " 1", "1.0", "+1", "٣", "1_0", "0x1", "1e1", "9" * 30, "-"])
def test_numbers_in_queries_are_ascii_digits(value: str) -> None:
    with pytest.raises(Invalid):
        text.structure({"page": value}, Query)


@given(st.from_regex(r"[a-z]+(_[a-z]+){0,3}", fullmatch=True))
def test_names_lose_only_their_underscores(name: str) -> None:
    assert camel(name).lower() == name.replace("_", "")
    assert "_" not in camel(name)


@given(st.integers(0, 10**14))
def test_rupees_keep_every_paisa(paise: int) -> None:
    assert round(rupees(paise) * 100) == paise
