"""Rules for single fields of bodies and queries: one declaration is both the check and the OpenAPI schema.

    quantity: Annotated[int, Whole(1, 99)]

A rule sees the decoded JSON value (or, in a query, text) and answers the clean value or raises ValueError with a
message that a person can read. Nothing is coerced: `"2"`, `2.0` and `true` are not whole numbers. What a rule's schema
allows, the rule accepts; the reverse holds but for kindness (spaces around text, the case of a word). A rule is
hashable, so that `Annotated[T, rule] | None` works, and a senseless one fails where it is declared.
"""

import re
from abc import abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from math import isfinite
from typing import Protocol

import attrs

Schema = dict[str, object]
"""A JSON Schema 2020-12."""

MAX_SAFE = 2**53
"""The largest integer that every JSON reader keeps exactly (RELIABILITY 4.12)."""
MAX_TEXT = 10_000

SEEN = r"[^\s\x1c-\x1f]"
"""What Python does not trim: it takes four control characters for spaces that other regular expressions do not."""
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL and lone surrogates: PostgreSQL cannot keep them (RELIABILITY 4.12)."""
WHOLE = re.compile(r"-?\d{1,17}", re.ASCII)
DECIMAL = re.compile(r"-?\d{1,17}(?:\.\d{1,400})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d(?P<time>[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?P<offset>[Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)
TIME_HINT = "must be a time such as 2026-01-31T09:00:00Z"
YEARS = (1900, 2199)
"""Far enough from the ends of datetime's own range that no zone and no sum can leave it."""


class Rule(Protocol):
    """What `Annotated[T, rule]` needs."""

    @abstractmethod
    def read(self, value: object) -> object:
        """The clean value, or ValueError."""

    @abstractmethod
    def parse(self, text: str) -> object:
        """A query's or path's text as the JSON value that `read` takes."""

    @abstractmethod
    def schema(self) -> Schema:
        """What it accepts."""


def _ordered(rule: "Text | Whole | Number | ManyOf") -> None:
    if rule.min > rule.max:
        raise ValueError(f"{rule}: min is above max")


def _compiled(rule: "Text") -> re.Pattern[str] | None:
    return None if rule.pattern is None else re.compile(rule.pattern, re.ASCII)


def _spellings(rule: "OneOf") -> dict[str, str]:
    spellings = {**rule.also, **{word: word for word in rule.words}}
    return {spelling.casefold(): word for spelling, word in spellings.items()}


@attrs.frozen
class Text:
    """A string of `min` to `max` characters after trimming. `pattern` must match all of it and holds no anchors."""

    min: int = 0
    max: int = MAX_TEXT
    pattern: str | None = None
    hint: str | None = None
    """What to tell a person when the pattern does not match."""
    format: str | None = None
    """JSON Schema `format`, for documentation only."""
    example: str | None = None
    """Shown in the documentation; must itself be accepted."""
    _form: re.Pattern[str] | None = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_compiled, takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        """Refuse bounds that cannot be met and an example that is none."""
        _ordered(self)
        if self.example is not None:
            self.read(self.example)

    def read(self, value: object) -> str:
        """Trimmed text."""
        if not isinstance(value, str):
            raise ValueError("must be text")  # noqa: TRY004  one kind of error for all wrong input
        value = value.strip()
        if not self.min <= len(value) <= self.max:
            raise ValueError(self._length())
        if UNSTORABLE.search(value):
            raise ValueError("holds a character that cannot be stored")
        if self._form is not None and not self._form.fullmatch(value):
            raise ValueError(self.hint or "does not have the expected form")
        return value

    def _length(self) -> str:
        if self.min == self.max:
            return f"must have exactly {self.max} characters"
        if self.min == 0:
            return f"must have at most {self.max} characters"
        return f"must have {self.min} to {self.max} characters"

    def parse(self, text: str) -> object:
        """As it is."""
        return text

    def schema(self) -> Schema:
        """Lengths, pattern and hint. Without a pattern of its own, one that says that spaces around do not count."""
        out: Schema = {"type": "string", "maxLength": self.max}
        if self.min:
            out["minLength"] = self.min
        if self.pattern is not None:
            out["pattern"] = f"^(?:{self.pattern})$"
        elif self.min:
            out["pattern"] = SEEN if self.min == 1 else rf"{SEEN}[\s\S]{{{self.min - 2},}}{SEEN}"
        if self.hint:
            out["description"] = f"{self.hint[0].upper()}{self.hint[1:]}."
        if self.format:
            out["format"] = self.format
        if self.example is not None:
            out["examples"] = [self.example]
        return out


def parse_number(text: str) -> object:
    """ASCII digits as a number, as JSON writes them; anything else stays text, which the rule then refuses."""
    if WHOLE.fullmatch(text):
        return int(text)
    if DECIMAL.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text


def _between(kind: str, low: float, high: float) -> str:
    """Names only the bounds that somebody chose."""
    if (low, high) == (-MAX_SAFE, MAX_SAFE):
        return f"must be {kind} that is not so large"
    if high == MAX_SAFE:
        return f"must be {kind}, {low:.15g} or more"
    if low == -MAX_SAFE:
        return f"must be {kind}, {high:.15g} or less"
    return f"must be {kind} from {low:.15g} to {high:.15g}"


@attrs.frozen
class Whole:
    """A whole number from `min` to `max`, both included."""

    min: int = -MAX_SAFE
    max: int = MAX_SAFE

    def __attrs_post_init__(self) -> None:
        """Refuse bounds that cannot be met."""
        _ordered(self)

    def read(self, value: object) -> int:
        """The number."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("must be a whole number")  # noqa: TRY004  one kind of error for all wrong input
        if not self.min <= value <= self.max:
            raise ValueError(_between("a whole number", self.min, self.max))
        return value

    def parse(self, text: str) -> object:
        """ASCII digits."""
        return parse_number(text)

    def schema(self) -> Schema:
        """Integer with bounds. A schema also calls 2.0 an integer; the rule does not (CONTRACT A.5)."""
        return {"type": "integer", "minimum": self.min, "maximum": self.max}


@attrs.frozen
class Number:
    """A finite number from `min` to `max`, both included."""

    min: float = -MAX_SAFE
    max: float = MAX_SAFE

    def __attrs_post_init__(self) -> None:
        """Refuse bounds that cannot be met."""
        _ordered(self)

    def read(self, value: object) -> float:
        """The number. Comparing refuses NaN and the infinities too."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError("must be a number")  # noqa: TRY004  one kind of error for all wrong input
        if not self.min <= value <= self.max:
            raise ValueError(_between("a number", self.min, self.max))
        return value

    def parse(self, text: str) -> object:
        """ASCII digits."""
        return parse_number(text)

    def schema(self) -> Schema:
        """Number with bounds."""
        return {"type": "number", "minimum": self.min, "maximum": self.max}


@attrs.frozen
class OneOf:
    """One of a few words. `also` maps other spellings (compared without case) to them."""

    words: tuple[str, ...]
    also: Mapping[str, str] = attrs.field(factory=dict[str, str], hash=False)
    _known: dict[str, str] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_spellings, takes_self=True)
    )

    def __attrs_post_init__(self) -> None:
        """Refuse other spellings of words that are not there, and words that only their case tells apart."""
        if not {*self.also.values()} <= {*self.words}:
            raise ValueError(f"{self}: `also` leads to a word that is not among `words`")
        if len({word.casefold() for word in self.words}) < len(self.words):
            raise ValueError(f"{self}: two words differ in case only")

    def read(self, value: object) -> str:
        """The word in its own spelling."""
        word = self._known.get(value.casefold()) if isinstance(value, str) else None
        if word is None:
            raise ValueError("must be one of " + ", ".join(self.words))
        return word

    def parse(self, text: str) -> object:
        """As it is."""
        return text

    def schema(self) -> Schema:
        """Enum of every accepted spelling, the proper ones first."""
        return {"type": "string", "enum": list(dict.fromkeys([*self.words, *self.also]))}


@attrs.frozen
class Moment:
    """An RFC 3339 time; answered in UTC."""

    zone: tzinfo | None = None
    """Where a time without an offset, as Dart writes a local one, or a mere day is meant. None refuses such."""

    def read(self, value: object) -> datetime:
        """Aware, in UTC. Python's own reader also takes week dates and times without seconds; this does not."""
        form = RFC_3339.fullmatch(value) if isinstance(value, str) else None
        if form is None or (form["time"] is None and self.zone is None):
            raise ValueError(TIME_HINT)
        if form["offset"] is None and self.zone is None:
            raise ValueError("must say its offset, as in 2026-01-31T09:00:00Z")
        try:
            moment = datetime.fromisoformat(form[0].upper())
        except ValueError:
            raise ValueError(TIME_HINT) from None
        if not YEARS[0] <= moment.year <= YEARS[1]:
            raise ValueError(f"must lie between the years {YEARS[0]} and {YEARS[1]}")
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)

    def parse(self, text: str) -> object:
        """As it is."""
        return text

    def schema(self) -> Schema:
        """Format date-time, in these three centuries; with a zone also a mere day."""
        kinds: Schema = {"format": "date-time"}
        if self.zone is not None:
            kinds = {"anyOf": [{"format": "date-time"}, {"format": "date"}]}
        return {"type": "string", **kinds, "pattern": "^(?:19|20|21)", "examples": ["2026-01-31T09:00:00Z"]}


@attrs.frozen
class ManyOf:
    """Marks a list in a body: `Annotated[list[Line], ManyOf(1, 50)]`. Its items are checked by their own type."""

    min: int = 0
    max: int = 200
    """RELIABILITY 4.12."""

    def __attrs_post_init__(self) -> None:
        """Refuse bounds that cannot be met."""
        _ordered(self)
