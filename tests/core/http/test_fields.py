"""Each rule is strict, says so in words for people, and agrees with its own schema."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from core.http.fields import MAX_SAFE, UNSTORABLE, ManyOf, Moment, Number, OneOf, Rule, Text, Whole, parse_number

PAYMENT = OneOf(("COD", "UPI", "CARD"), {"creditCard": "CARD", "cash": "COD"})
RULES: list[Rule] = [
    Text(),
    Text(1, 5),
    Text(3, 40),
    Text(min=6, max=6, pattern="[0-9]{6}", hint="must be six digits"),
    Text(pattern=r"(?:\+91)?[6-9][0-9]{9}"),
    Whole(),
    Whole(1, 99),
    Number(),
    Number(-90, 90),
    PAYMENT,
    Moment(),
]
ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60) | st.lists(st.text())


def allowed(schema: dict[str, Any]) -> st.SearchStrategy[object]:
    """Values that the schema allows."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("format") == "date-time":
        offsets = st.integers(-23 * 60, 23 * 60).map(
            lambda minutes: f"{minutes // 60:+03d}:{minutes % 60:02d}"
        ) | st.just("Z")
        first, last = datetime(1900, 1, 1), datetime(2199, 12, 31)  # noqa: DTZ001  their offsets are drawn apart
        moments = st.datetimes(first, last).map(datetime.isoformat)
        return st.builds(str.__add__, moments, offsets)
    if schema["type"] == "string":
        texts = st.from_regex(schema["pattern"]) if "pattern" in schema else st.text(max_size=80)
        return texts.filter(lambda text: not UNSTORABLE.search(text))
    bounds = schema["minimum"], schema["maximum"]
    return st.integers(*bounds) if schema["type"] == "integer" else st.floats(*bounds)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@given(data=st.data())
def test_a_rule_takes_what_its_schema_allows(rule: Rule, data: st.DataObject) -> None:
    schema = rule.schema()
    valid = Draft202012Validator(schema, format_checker=FormatChecker()).is_valid
    rule.read(data.draw(allowed(schema).filter(valid)))


@pytest.mark.parametrize("rule", RULES, ids=repr)
@given(data=st.data())
def test_a_rules_schema_allows_what_it_takes_unchanged(rule: Rule, data: st.DataObject) -> None:
    value = data.draw(ANYTHING | allowed(rule.schema()))
    try:
        clean = rule.read(value)
    except ValueError:
        return
    if clean == value:
        Draft202012Validator(rule.schema()).validate(value)


@pytest.mark.parametrize("rule", RULES, ids=repr)
@given(value=ANYTHING)
def test_a_rule_reads_its_own_answer_again(rule: Rule, value: object) -> None:
    try:
        clean = rule.read(value)
    except ValueError:
        return
    if not isinstance(rule, Moment):
        assert rule.read(clean) == clean


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_every_schema_is_a_schema(rule: Rule) -> None:
    Draft202012Validator.check_schema(rule.schema())


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (Text(), 5, "must be text"),
        (Text(2, 4), "a", "must have 2 to 4 characters"),
        (Text(2, 2), "a", "must have exactly 2 characters"),
        (Text(max=2), "abc", "must have at most 2 characters"),
        (Text(1, 9), "   ", "must have 1 to 9 characters"),
        (Text(), "a\0b", "holds a character that cannot be stored"),
        (Text(), "a\ud800b", "holds a character that cannot be stored"),
        (Text(pattern="[0-9]+"), "x", "does not have the expected form"),
        (Text(pattern="[0-9]+", hint="must be digits"), "1x", "must be digits"),
        (Whole(1, 99), True, "must be a whole number"),
        (Whole(1, 99), "2", "must be a whole number"),
        (Whole(1, 99), 2.0, "must be a whole number"),
        (Whole(1, 99), 0, "must be a whole number from 1 to 99"),
        (Whole(1), 0, "must be a whole number, 1 or more"),
        (Whole(max=5), 6, "must be a whole number, 5 or less"),
        (Whole(), MAX_SAFE + 1, "must be a whole number that is not so large"),
        (Number(), "1.5", "must be a number"),
        (Number(), False, "must be a number"),
        (Number(), float("nan"), "must be a number that is not so large"),
        (Number(0, 1_234_567.5), float("inf"), "must be a number from 0 to 1234567.5"),
        (PAYMENT, "GOLD", "must be one of COD, UPI, CARD"),
        (PAYMENT, 1, "must be one of COD, UPI, CARD"),
        (Moment(), 1_767_000_000, "must be a time such as 2026-01-31T09:00:00Z"),
        (Moment(), "2026-02-30T09:00:00Z", "must be a time such as 2026-01-31T09:00:00Z"),
        (Moment(), "2026-W05-1T09:00:00Z", "must be a time such as 2026-01-31T09:00:00Z"),
        (Moment(), "20260131T090000Z", "must be a time such as 2026-01-31T09:00:00Z"),
        (Moment(), "2026-01-31", "must be a time such as 2026-01-31T09:00:00Z"),
        (Moment(), "2026-01-31T09:00:00", "must say its offset, as in 2026-01-31T09:00:00Z"),
        (Moment(), "2026-01-31T09:00:00+24:00", "must be a time such as 2026-01-31T09:00:00Z"),
        (Moment(), "9999-12-31T23:59:59Z", "must lie between the years 1900 and 2199"),
        (Moment(), "1899-12-31T23:59:59Z", "must lie between the years 1900 and 2199"),
        (Moment(), "0001-01-01T00:00:00+10:00", "must lie between the years 1900 and 2199"),
    ],
)
def test_a_refusal_says_what_is_wanted(rule: Rule, value: object, message: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011  the message is compared whole
        rule.read(value)
    assert str(refusal.value) == message


def test_text_is_trimmed() -> None:
    assert Text(1, 3).read("  tea\n") == "tea"


@pytest.mark.parametrize("given", ["CARD", "card", "creditCard", "CREDITCARD"])
def test_a_word_may_come_in_other_spellings(given: str) -> None:
    assert PAYMENT.read(given) == "CARD"
    assert PAYMENT.schema() == {"type": "string", "enum": ["COD", "UPI", "CARD", "creditCard", "cash"]}


@pytest.mark.parametrize(
    ("given", "hour"),
    [("2026-01-31T09:00:00Z", 9), ("2026-01-31 09:00:00.123456+05:30", 3), ("2026-01-31t09:00:00z", 9)],
)
def test_a_moment_is_answered_in_utc(given: str, hour: int) -> None:
    moment = Moment().read(given)
    assert moment.tzinfo is UTC
    assert (moment.date(), moment.hour) == (datetime(2026, 1, 31, tzinfo=UTC).date(), hour)


def test_a_moment_can_be_told_in_any_zone() -> None:
    assert Moment().read("2199-12-31T23:59:59-23:59").year == 2200
    assert Moment().read("1900-01-01T00:00:00+23:59").year == 1899


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-01-31", "2026-01-30T18:30:00+00:00"),
        ("2026-01-31T09:00:00.5", "2026-01-31T03:30:00.500000+00:00"),
        ("2026-01-31T09:00:00Z", "2026-01-31T09:00:00+00:00"),
    ],
)
def test_a_moment_without_an_offset_is_meant_in_the_rules_own_zone(given: str, meant: str) -> None:
    assert Moment(timezone(timedelta(hours=5, minutes=30))).read(given).isoformat() == meant


def test_a_moment_is_documented_with_its_centuries() -> None:
    common = {"type": "string", "pattern": "^(?:19|20|21)", "examples": ["2026-01-31T09:00:00Z"]}
    assert Moment().schema() == {**common, "format": "date-time"}
    assert Moment(UTC).schema() == {**common, "anyOf": [{"format": "date-time"}, {"format": "date"}]}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("7", 7), ("-7", -7), ("1.50", 1.5), ("1e3", 1000.0), ("-2.5E-1", -0.25)),
        *((text, text) for text in ("", "\u0661", "0x1", ".5", "1.", "1e", "1e999", "inf", "9" * 18)),
    ],
)
def test_a_query_gives_numbers_as_ascii_digits(text: str, number: object) -> None:
    assert parse_number(text) == Whole().parse(text) == Number().parse(text) == number


@pytest.mark.parametrize("rule", [Text(), PAYMENT, Moment()], ids=repr)
def test_a_query_gives_text_as_it_is(rule: Rule) -> None:
    assert rule.parse(" 1 ") == " 1 "


@pytest.mark.parametrize("rule", [*RULES, ManyOf(1, 5)], ids=repr)
def test_a_rule_can_be_hashed_for_optional_fields(rule: object) -> None:
    assert hash(Annotated[str, rule] | None)


@pytest.mark.parametrize(
    ("senseless", "message"),
    [
        (lambda: Text(5, 4), r"Text\(min=5, .*\): min is above max"),
        (lambda: Whole(2, 1), r"Whole\(min=2, max=1\): min is above max"),
        (lambda: Number(2, 1), r"Number\(min=2, max=1\): min is above max"),
        (lambda: ManyOf(2, 1), r"ManyOf\(min=2, max=1\): min is above max"),
        (lambda: Text(pattern="[0-9]+", example="x"), "does not have the expected form"),
        (lambda: OneOf(("a",), {"b": "c"}), r"OneOf\(.*\): `also` leads to a word that is not among `words`"),
        (lambda: OneOf(("a", "A")), r"OneOf\(.*\): two words differ in case only"),
    ],
)
def test_a_senseless_rule_fails_where_it_is_declared(senseless: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        senseless()


def test_a_narrow_rule_makes_sense() -> None:
    assert (Text(1, 1).read("x"), Whole(2, 2).read(2), Number(2, 2).read(2)) == ("x", 2, 2)
    assert ManyOf(1, 1).max == 1
    assert OneOf(("a",), {"b": "a"}).read("B") == "a"


def test_digits_of_a_pattern_are_ascii() -> None:
    with pytest.raises(ValueError, match=r"^must be digits$"):
        Text(pattern=r"\d+", hint="must be digits").read("१२३")


def test_a_hint_and_an_example_are_documented() -> None:
    schema = Text(pattern="[0-9]{6}", hint="must be six digits", example="411001", format="pin").schema()
    assert schema["description"] == "Must be six digits."
    assert (schema["examples"], schema["format"], schema["pattern"]) == (["411001"], "pin", "^(?:[0-9]{6})$")
