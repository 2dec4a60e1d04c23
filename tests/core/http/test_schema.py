"""The schema of a class allows what the converter takes and sends."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from typing import Annotated, Any, ClassVar, Literal, NewType, cast
from uuid import UUID

import attrs
import orjson
import pytest
from jsonschema import Draft202012Validator

from core.convert import wire
from core.http.fields import ManyOf, Text, Whole
from core.http.schema import Schemas
from core.types import Paise, Rupees, UserId, uuid7


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Size(Enum):
    SMALL = 1


@attrs.frozen(kw_only=True)
class Line:
    """One line."""

    product_id: UUID
    quantity: Annotated[int, Whole(1, 99)]
    unit: Annotated[str, Text(max=20)] = "kg"
    pin_code: str | None = None


@attrs.frozen(kw_only=True)
class Basket:
    lines: Annotated[list[Line], ManyOf(1, 3)]
    gift: Line | None = None
    colour: Colour = Colour.RED


@attrs.frozen(kw_only=True)
class Branch:
    name: str
    children: list["Branch"]


@attrs.frozen(kw_only=True)
class Everything:
    """Every kind of field that an answer may have."""

    owner: UserId
    price: Rupees
    weight: float
    count: int
    is_open: bool
    at: datetime
    note: str | None = None
    colour: Colour | None = Colour.GREEN
    lines: tuple[Line, ...] = ()
    names: Sequence[str] = ()
    prices: dict[str, Rupees] = attrs.field(factory=dict)
    basket: Basket | None = None
    extra: object = None


def component(cls: type, *, given: bool = False) -> dict[str, Any]:
    """The whole schema of one class, with what it refers to."""
    schemas = Schemas({})
    reference = schemas.input(cls) if given else schemas.answer(cls)
    return {**reference, "components": {"schemas": schemas.components}}


def test_an_answer_fits_its_schema() -> None:
    line = Line(product_id=uuid7(), quantity=2)
    full = Everything(
        owner=UserId(uuid7()), price=Rupees(40.0), weight=1.5, count=3, is_open=True, at=datetime.now(UTC),
        lines=(line,), names=["a"], prices={"tea": Rupees(9.5)}, basket=Basket(lines=[line]), extra={"free": ["form"]},
    )  # fmt: skip
    for answer in (full, attrs.evolve(full, lines=(), colour=None, basket=None, prices={}, extra=None)):
        Draft202012Validator(component(Everything)).validate(orjson.loads(wire.dump(answer)))


def test_an_answer_always_sends_every_field() -> None:
    schema = component(Everything)["components"]["schemas"]["Everything"]
    assert schema["required"] == [*schema["properties"]]
    assert {"isOpen", "owner"} <= {*schema["properties"]}
    assert schema["description"] == "Every kind of field that an answer may have."
    assert "additionalProperties" not in schema


def test_an_input_requires_what_has_no_default() -> None:
    schemas = component(Basket, given=True)["components"]["schemas"]
    assert schemas["Basket"]["required"] == ["lines"]
    assert schemas["Line"]["required"] == ["productId", "quantity"]
    assert schemas["Line"]["properties"]["unit"]["default"] == "kg"
    assert schemas["Basket"]["properties"]["colour"] == {"type": "string", "enum": ["red", "green"], "default": "red"}
    assert schemas["Basket"]["properties"]["gift"] == {
        "anyOf": [{"$ref": "#/components/schemas/Line"}, {"type": "null"}]
    }
    assert "description" not in schemas["Basket"]


@pytest.mark.parametrize(
    "value",
    [
        {"lines": [{"productId": str(uuid7()), "quantity": 1}]},
        {"lines": [{"productId": str(uuid7()), "quantity": 99, "unit": "g", "pinCode": None, "more": 1}], "gift": None},
        {"lines": []},
        {"lines": [{"productId": str(uuid7()), "quantity": 1}] * 4},
        {"lines": [{"productId": str(uuid7()), "quantity": 100}]},
        {"lines": [{"productId": str(uuid7())}]},
        {"lines": [{"productId": str(uuid7()), "quantity": 1}], "colour": "blue"},
        {"lines": None},
        {},
        [],
    ],
)
def test_the_schema_of_an_input_and_the_converter_agree(value: object) -> None:
    try:
        wire.structure(value, Basket)
        taken = True
    except Exception:  # noqa: BLE001  refused is refused
        taken = False
    assert Draft202012Validator(component(Basket, given=True)).is_valid(value) is taken


@attrs.frozen(kw_only=True)
class Spelled:
    either: ClassVar = ("pin_code", "pincode")

    pin_code: str | None = None
    pincode: str | None = None


def test_an_input_may_need_one_of_two_spellings() -> None:
    schemas = Schemas({})
    asked = Draft202012Validator({**schemas.input(Spelled), "components": {"schemas": schemas.components}})
    assert asked.is_valid({"pinCode": "1"})
    assert asked.is_valid({"pincode": "1", "pinCode": None})
    assert not asked.is_valid({})
    assert not asked.is_valid({"pincode": None})
    answered = Schemas({})
    answered.answer(Spelled)
    assert "anyOf" not in answered.components["Spelled"]


def test_a_class_may_hold_itself() -> None:
    schema = component(Branch)
    Draft202012Validator(schema).validate({"name": "a", "children": [{"name": "b", "children": []}]})
    assert [*schema["components"]["schemas"]] == ["Branch"]


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (str | None, {"type": ["string", "null"]}),
        (Colour | None, {"anyOf": [{"type": "string", "enum": ["red", "green"]}, {"type": "null"}]}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1, 2], {"enum": [1, 2]}),
        (Size, {"enum": [1]}),
        (UUID, {"type": "string", "format": "uuid"}),
        (date, {"type": "string", "format": "date"}),
        (Any, {}),
        (object, {}),
        (dict, {"type": "object"}),
        (Mapping[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Paise, {"type": "integer", "description": "Paise, 100 to the rupee."}),
        (NewType("Code", str), {"type": "string"}),
        (Annotated[int, "no rule"], {"type": "integer"}),
        (
            Annotated[list[int], ManyOf(1, 2)],
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        ),
    ],
)
def test_kinds_of_fields(kind: object, schema: dict[str, object]) -> None:
    assert Schemas({}).answer(kind) == schema


def test_a_class_that_is_answer_and_input_has_two_components() -> None:
    schemas = Schemas({})
    assert schemas.answer(Line) == {"$ref": "#/components/schemas/Line"}
    assert schemas.input(Line) == schemas.input(Line) == {"$ref": "#/components/schemas/LineInput"}
    assert [*schemas.components] == ["Line", "LineInput"]


def test_classes_of_one_name_are_told_apart_by_where_they_stand() -> None:
    alike = [attrs.make_class("Line", {}) for _ in "ab"]
    for cls, room in zip(alike, "ab", strict=True):
        cls.__module__ = f"vurksha_notes.{room}"
    schemas = Schemas({})
    schemas.answer(Line)
    assert schemas.answer(alike[0]) == {"$ref": "#/components/schemas/VurkshaNotesLine"}
    assert schemas.answer(alike[1]) == {"$ref": "#/components/schemas/VurkshaNotesBLine"}
    assert schemas.answer(alike[0]) == {"$ref": "#/components/schemas/VurkshaNotesLine"}
    assert schemas.input(alike[0]) == {"$ref": "#/components/schemas/LineInput"}


def test_two_classes_of_one_name_in_one_module_are_an_error() -> None:
    first, second, third, fourth = (attrs.make_class("Line", {}) for _ in range(4))
    schemas = Schemas({})
    for one in (first, second, third):
        schemas.answer(one)
    with pytest.raises(TypeError, match="another schema is called Line"):
        schemas.answer(fourth)


@pytest.mark.parametrize("kind", [bytes, dict[int, str], tuple[int, str], set[str]])
def test_a_kind_without_a_schema_is_an_error_that_names_the_field(kind: object) -> None:
    cls = attrs.make_class("Odd", {"field": attrs.field(type=cast("type", kind))})
    with pytest.raises(TypeError, match="has no JSON Schema") as error:
        Schemas({}).answer(cls)
    assert error.value.__notes__[0].endswith("Odd.field")
