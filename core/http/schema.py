"""From the attrs classes of bodies, queries and answers to the JSON Schemas (2020-12) of the OpenAPI document.

An input requires what has no default, and one of the fields that its class names in `either: ClassVar` (two spellings
of one thing; the class itself refuses a body without both). An answer always sends every field, so all of its fields
are required. A class becomes a component of its own name; one that serves as both an input and an answer has a second
one, `<Name>Input`.
"""

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs

from core.convert import camel
from core.http.fields import ManyOf, Schema
from core.types import Paise, Rupees

PLAIN: Mapping[object, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    dict: {"type": "object"},
    object: {},
    Any: {},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Rupees: {"type": "number", "description": "Rupees, with at most two decimals."},
    Paise: {"type": "integer", "description": "Paise, 100 to the rupee."},
}


class Schemas:
    """The components of one document. Ask for all answers before the first input."""

    def __init__(self, reserved: Mapping[str, Schema]) -> None:
        """`reserved`: components that are there already, by name."""
        self.components: dict[str, Schema] = dict(reserved)
        self._names: dict[tuple[type, bool], str] = {}

    def answer(self, kind: object) -> Schema:
        """The schema of what is sent."""
        return self._of(kind, given=False)

    def input(self, kind: object) -> Schema:
        """The schema of what is taken."""
        return self._of(kind, given=True)

    def fields(self, cls: type) -> dict[str, tuple[Schema, bool]]:
        """Schema and whether it is required, by wire name, of each field of an input."""
        return self._fields(cls, given=True)

    def _of(self, kind: object, *, given: bool) -> Schema:
        origin, args = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self._ruled(args[0], args[1:], given=given)
        if origin is Literal:
            return _enum(args)
        if origin in (Union, types.UnionType):
            return self._union(args, given=given)
        if origin is not None:
            return self._collection(kind, origin, args, given=given)
        return self._single(kind, given=given)

    def _single(self, kind: object, *, given: bool) -> Schema:
        if kind in PLAIN:
            return dict(PLAIN[kind])
        if isinstance(kind, NewType):
            return self._of(kind.__supertype__, given=given)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return _enum([member.value for member in kind])
        if isinstance(kind, type) and attrs.has(kind):
            return self._component(kind, given=given)
        raise TypeError(f"{kind!r} has no JSON Schema")

    def _ruled(self, base: object, rules: Sequence[object], *, given: bool) -> Schema:
        for rule in rules:
            if isinstance(rule, ManyOf):
                return {**self._of(base, given=given), "minItems": rule.min, "maxItems": rule.max}
            own: Callable[[], Schema] | None = getattr(rule, "schema", None)
            if own is not None:
                return own()
        return self._of(base, given=given)

    def _union(self, kinds: Sequence[object], *, given: bool) -> Schema:
        some = [self._of(kind, given=given) for kind in kinds if kind is not type(None)]
        if len(some) == len(kinds):
            return {"anyOf": some}
        if len(some) == 1 and isinstance(some[0].get("type"), str) and "enum" not in some[0]:
            return {**some[0], "type": [some[0]["type"], "null"]}
        return {"anyOf": [*some, {"type": "null"}]}

    def _collection(self, kind: object, origin: type, args: tuple[object, ...], *, given: bool) -> Schema:
        if issubclass(origin, Mapping) and args[0] is str:
            return {"type": "object", "additionalProperties": self._of(args[1], given=given)}
        if issubclass(origin, Sequence) and (len(args) == 1 or args[1:] == (...,)):
            return {"type": "array", "items": self._of(args[0], given=given)}
        raise TypeError(f"{kind!r} has no JSON Schema")

    def _component(self, cls: type, *, given: bool) -> Schema:
        known = self._names.get((cls, given))
        name = known or self._free_name(cls, given=given)
        reference: Schema = {"$ref": f"#/components/schemas/{name}"}
        if known:
            return reference
        self._names[cls, given] = name
        schema = self.components[name] = {"type": "object"}  # known before its fields, which may lead back to it
        fields = self._fields(cls, given=given)
        if about := _doc(cls):
            schema["description"] = about
        schema["properties"] = {field: inner for field, (inner, _) in fields.items()}
        if required := [field for field, (_, needed) in fields.items() if needed]:
            schema["required"] = required
        if given and (either := getattr(cls, "either", ())):
            schema["anyOf"] = [_there(camel(field)) for field in either]
        return reference

    def _free_name(self, cls: type, *, given: bool) -> str:
        """Its own name; where somebody else's class is called so, with that of its package or module before it."""
        own = cls.__name__ + ("Input" if given and (cls, False) in self._names else "")
        places = cls.__module__.split(".")
        for before in ([], places[-2:-1], places):
            name = "".join(word.capitalize() for place in before for word in place.split("_")) + own
            if name not in self.components:
                return name
        raise TypeError(f"{cls.__module__}.{cls.__qualname__}: another schema is called {own}")

    def _fields(self, cls: type, *, given: bool) -> dict[str, tuple[Schema, bool]]:
        hints = get_type_hints(cls, include_extras=True)
        out: dict[str, tuple[Schema, bool]] = {}
        for field in attrs.fields(cls):
            try:
                schema = self._of(hints[field.name], given=given)
            except TypeError as error:
                error.add_note(f"in {cls.__module__}.{cls.__qualname__}.{field.name}")
                raise
            if given and isinstance(field.default, str | int | float):
                schema = {**schema, "default": field.default}
            out[camel(field.name)] = schema, not given or field.default is attrs.NOTHING
        return out


def _enum(values: Sequence[object]) -> Schema:
    kind: Schema = {"type": "string"} if all(isinstance(value, str) for value in values) else {}
    return {**kind, "enum": list(values)}


def _there(field: str) -> Schema:
    return {"required": [field], "properties": {field: {"not": {"type": "null"}}}}


def _doc(cls: type) -> str:
    """The class's own docstring; a base's says nothing about it."""
    return inspect.cleandoc(cls.__doc__ or "")
