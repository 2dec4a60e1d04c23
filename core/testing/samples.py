"""Made-up instances of attrs classes, such as an event that nobody emitted, by the types of their fields."""

import types
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs

from core.types import uuid7

T = TypeVar("T")
PLAIN: Mapping[Any, Callable[[], object]] = {
    str: lambda: "text",
    bool: lambda: True,
    int: lambda: 1,
    float: lambda: 1.0,
    UUID: uuid7,
    datetime: lambda: datetime.now(UTC),
}


def sample(cls: type[T], **given: object) -> T:
    """An instance with `given` values and plausible ones for the rest."""
    hints = get_type_hints(cls, include_extras=True)
    names = [field.name for field in attrs.fields(cls)]  # type: ignore[arg-type]  # whoever asks gives an attrs class
    return cls(**{name: _value(hints[name]) for name in names if name not in given}, **given)


def _value(kind: Any) -> object:
    if isinstance(kind, NewType):
        return _value(kind.__supertype__)
    if kind in PLAIN:
        return PLAIN[kind]()
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _value(inner[0])
    if origin in (Union, types.UnionType):
        return _value(next(each for each in inner if each is not type(None)))
    if origin in (list, tuple, Sequence):
        return (list if origin is list else tuple)([_value(inner[0])])
    return _whole(kind)


def _whole(kind: Any) -> object:
    """An enum's first member, a nested object; an empty mapping where nobody can know what belongs in."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if isinstance(kind, type) and attrs.has(kind):
        return sample(kind)
    return {}
