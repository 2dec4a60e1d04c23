"""The one place where JSON becomes objects and objects become JSON.

Names are snake_case here and camelCase on the wire. Nothing is coerced; unknown keys never bind; all mistakes of an
input are reported at once, by field. `wire` reads bodies and events; `text` reads queries, whose values are text.
"""

import re
import types
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin
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
LISTS: Mapping[Any, Callable[[Any], object]] = {
    list: list, tuple: tuple, set: set, frozenset: frozenset,
    Sequence: tuple, MutableSequence: list, AbstractSet: frozenset,
}  # fmt: skip
"""What a JSON list becomes, by the field's type."""
OBJECTS = (dict, Mapping, MutableMapping)


class Unreadable(Exception):
    """A class that no JSON can become, with the field that is the reason."""


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

    def prepare(self, cls: type) -> None:
        """Be ready to make instances of an attrs class; raises Unreadable where that will never work."""
        if (wrong := self._refused(cls)) is not None:
            field = next((one.name for one in attrs.fields(cls) if self._refused(one.type) is not None), "")
            raise Unreadable(f"{cls.__name__}.{field}: {wrong} is nothing that JSON can become")

    def _refused(self, kind: Any) -> object:
        """The part of a type that cannot be read, if there is one."""
        try:
            self._converter.get_structure_hook(kind)
        except cattrs.StructureHandlerNotFoundError as error:
            return error.type_
        return None

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
        factory(_is_collection, _unreadable)  # of a text, cattrs would make a queue of letters
        factory(lambda t: isinstance(t, type) and issubclass(t, Enum), lambda cls: lambda value, _: _member(value, cls))
        factory(lambda t: _origin(t) in LISTS, self._sequence)
        factory(lambda t: _origin(t) in OBJECTS, self._mapping)
        factory(lambda t: _origin(t) is Annotated, self._ruled)
        factory(_is_optional, self._optional)
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

    def _optional(self, cls: Any) -> Hook:
        """As cattrs has it, but what is inside is looked at once and at the start."""
        (kind,) = _but_none(cls)
        inner = self._converter.get_structure_hook(kind)
        return lambda value, _: None if value is None else inner(value, kind)

    def _sequence(self, cls: Any) -> Hook:
        item, *more = get_args(cls) or (Any,)
        if more not in ([], [...]):
            return _unreadable(cls)
        many = list_structure_factory(cast("type", list[item]), self._converter)  # type: ignore[valid-type]  # it is one
        kind = LISTS[_origin(cls)]

        def read(value: object, _: object) -> object:
            if not isinstance(value, list):
                raise ValueError("must be a list")  # noqa: TRY004  wrong input is one kind of error
            return kind(many(value, cls))

        return read

    def _mapping(self, cls: Any) -> Hook:
        _, kind = get_args(cls) or (str, Any)
        inner = self._converter.get_structure_hook(kind)

        def read(value: object, _: object) -> object:
            if not isinstance(value, dict):
                raise ValueError("must be an object")  # noqa: TRY004  wrong input is one kind of error
            return {key: inner(item, kind) for key, item in value.items()}

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
    return get_origin(cls) or cls


def _is_collection(cls: Any) -> bool:
    kind = _origin(cls)
    return isinstance(kind, type) and issubclass(kind, Collection)


def _is_optional(cls: Any) -> bool:
    return _origin(cls) in (Union, types.UnionType) and len(_but_none(cls)) == 1


def _but_none(cls: Any) -> list[Any]:
    return [kind for kind in get_args(cls) if kind is not types.NoneType]


def _unreadable(cls: Any) -> Hook:
    raise cattrs.StructureHandlerNotFoundError(f"{cls} has no strict hook", cls)


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
