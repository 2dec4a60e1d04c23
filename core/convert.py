"""The one place where JSON becomes objects and objects become JSON.

Names are snake_case here and camelCase on the wire. Nothing is coerced; unknown keys never bind; all mistakes of an
input are reported at once, by field. `wire` reads bodies and events; `text` reads queries, whose values are text.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin
from uuid import UUID

import attrs
import cattrs
import orjson
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from core.errors import FieldError, Invalid
from core.http.fields import MAX_TEXT, ManyOf, Moment, parse_number

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
WORDS = {"true": True, "1": True, "false": False, "0": False}


def camel(name: str) -> str:
    """`pin_code` as the app writes it: `pinCode`."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def dump_json(value: object) -> bytes:
    """JSON of plain values, ids and times; times end in Z."""
    return orjson.dumps(value, default=_id_text, option=orjson.OPT_UTC_Z)


def _id_text(value: object) -> str:
    """The driver's ids are a subclass of UUID, which orjson does not take."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


class Wire:
    """A cattrs converter with strict hooks; `is_text` for values that arrive as text."""

    def __init__(self, *, is_text: bool = False) -> None:
        self._converter = cattrs.Converter()
        self._is_text = is_text
        self._register()

    def structure(self, value: object, cls: type[T]) -> T:
        """An instance of an attrs class, or Invalid with every field that is wrong."""
        try:
            return self._converter.structure(value, cls)
        except cattrs.BaseValidationError as error:
            raise Invalid(list(_flatten(error, ()))) from None
        except ValueError as error:
            raise Invalid([FieldError("", str(error))]) from None

    def accept(self, cls: type) -> None:
        """Take instances of a class as they are."""
        self._converter.register_structure_hook(cls, lambda value, _: value)

    def plain(self, value: object) -> dict[str, Any]:
        """A dict with wire names; ids and times in it are still objects, which `orjson` writes."""
        out: dict[str, Any] = self._converter.unstructure(value)
        return out

    def dump(self, value: object) -> bytes:
        """The JSON of an attrs instance."""
        return dump_json(self._converter.unstructure(value))

    def _register(self) -> None:
        converter, factory = self._converter, self._converter.register_structure_hook_factory
        for kind, read in (
            (str, _text),
            (UUID, _uuid),
            (datetime, lambda value, _: Moment().read(value)),
            (bool, _of_text(WORDS.get, _flag) if self._is_text else _flag),
            (int, _of_text(parse_number, _whole) if self._is_text else _whole),
            (float, _of_text(parse_number, _number) if self._is_text else _number),
        ):
            converter.register_structure_hook(kind, read)
        converter.register_structure_hook_func(lambda t: t is object, lambda value, _: value)
        factory(lambda t: isinstance(t, type) and issubclass(t, Enum), lambda cls: lambda value, _: _member(value, cls))
        factory(lambda t: _origin(t) in (list, tuple), self._sequence)
        factory(lambda t: _origin(t) in (dict, Mapping), self._mapping)
        factory(lambda t: _origin(t) is Annotated, self._ruled)
        factory(_is_attrs, self._object)
        converter.register_unstructure_hook_factory(
            _is_attrs, lambda cls: make_dict_unstructure_fn(cls, converter, **_names(cls))
        )

    def _object(self, cls: Any) -> Hook:
        build = make_dict_structure_fn(cls, self._converter, **_names(cls))

        def read(value: object, kind: object) -> object:
            if not isinstance(value, dict):
                raise ValueError("must be an object")  # noqa: TRY004  wrong input is one kind of error
            return build(value, kind)

        return read

    def _sequence(self, cls: Any) -> Hook:
        item: Any = get_args(cls)[0]
        many = list_structure_factory(cast("type", list[item]), self._converter)
        kind: Any = get_origin(cls)

        def read(value: object, _: object) -> object:
            if not isinstance(value, list):
                raise ValueError("must be a list")  # noqa: TRY004  wrong input is one kind of error
            return kind(many(value, cls))

        return read

    def _mapping(self, cls: Any) -> Hook:
        inner = self._converter.get_structure_hook(get_args(cls)[1])

        def read(value: object, _: object) -> object:
            if not isinstance(value, dict):
                raise ValueError("must be an object")  # noqa: TRY004  wrong input is one kind of error
            return {key: inner(item, get_args(cls)[1]) for key, item in value.items()}

        return read

    def _ruled(self, cls: Any) -> Hook:
        base, *rules = get_args(cls)
        rule = next((r for r in rules if isinstance(r, ManyOf) or hasattr(r, "read")), None)
        if isinstance(rule, ManyOf):
            return self._bounded(base, rule)
        if rule is None:
            return self._converter.get_structure_hook(base)
        if self._is_text:
            return lambda value, _: rule.read(rule.parse(value) if isinstance(value, str) else value)
        return lambda value, _: rule.read(value)

    def _bounded(self, base: Any, rule: ManyOf) -> Hook:
        inner = self._converter.get_structure_hook(base)

        def read(value: object, _: object) -> object:
            if isinstance(value, list) and not rule.min <= len(value) <= rule.max:
                raise ValueError(f"must have {rule.min} to {rule.max} items")
            return inner(value, base)

        return read


def _origin(cls: Any) -> Any:
    return get_origin(cls)


def _is_attrs(cls: Any) -> bool:
    return attrs.has(get_origin(cls) or cls) if isinstance(get_origin(cls) or cls, type) else False


def _names(cls: Any) -> dict[str, Any]:
    return {f.name: override(rename=camel(f.name)) for f in attrs.fields(get_origin(cls) or cls)}


def _of_text(parse: Callable[[str], object], read: Hook) -> Hook:
    def hook(value: object, cls: object) -> object:
        return read(parse(value) if isinstance(value, str) else value, cls)

    return hook


def _text(value: object, cls: Any) -> object:
    if isinstance(cls, type) and issubclass(cls, Enum):  # cattrs finds this hook for a StrEnum, by its base
        return _member(value, cls)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError(f"must be text of at most {MAX_TEXT} characters")
    return value


def _uuid(value: object, _: object) -> UUID:
    if isinstance(value, UUID):
        return value
    if not isinstance(value, str) or not UUID_FORM.fullmatch(value):
        raise ValueError("must be a uuid")
    return UUID(value)


def _flag(value: object, _: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004  wrong input is one kind of error
    return value


def _whole(value: object, _: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004  wrong input is one kind of error
    return value


def _number(value: object, _: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004  wrong input is one kind of error
    return float(value)


def _member(value: object, cls: type[Enum]) -> Enum:
    known = {member.value: member for member in cls}
    if not isinstance(value, str) or value not in known:
        raise ValueError("must be one of " + ", ".join(map(str, known)))
    return known[value]


def _flatten(error: BaseException, path: tuple[str, ...]) -> Iterator[FieldError]:
    """Every leaf of cattrs' tree of errors with its path on the wire."""
    if isinstance(error, cattrs.BaseValidationError):
        for inner in error.exceptions:
            inner.__traceback__ = None  # it has the frame that has it: a circle, which would wait for the collector
            step = tuple(map(_step, getattr(inner, "__notes__", ())[-1:]))
            yield from _flatten(inner, path + step)
        return
    field = ".".join(path)
    if isinstance(error, KeyError):
        yield FieldError(field, "is required", "required")
    elif isinstance(error, ValueError):
        yield FieldError(field, str(error))
    else:  # a type of error that no hook of ours raises: say nothing about our insides
        yield FieldError(field, "is not valid")


def _step(note: object) -> str:
    name = getattr(note, "name", None)
    return camel(name) if name is not None else str(getattr(note, "index", ""))


wire = Wire()
text = Wire(is_text=True)
