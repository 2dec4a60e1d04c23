"""Tables, times, masks: the small things that operators read."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from core.commands.masking import masked
from core.commands.shared import WIDTH, ago, parse_since, table


def test_a_table_fits_and_keeps_what_other_commands_ask_for() -> None:
    told = table(
        ("ID", "WHO", "WHY"), [("i" * 36, "w" * 60, "y\n y" * 30), ("1", None, datetime(2026, 1, 2, tzinfo=UTC))]
    )
    lines = told.splitlines()
    assert max(map(len, lines)) == WIDTH
    assert lines[1].startswith("i" * 36 + "  www")
    assert lines[1].count("…") == 2
    assert lines[2].split() == ["1", "-", "2026-01-02T00:00:00Z"]


def test_ids_that_are_cut_keep_the_end_in_which_they_differ() -> None:
    name = "account:0196b1a4-5f0e-7c3a-9d2e-4b8f6a1c2d3e"
    told = table(("N", "SUBJECT", "WHO", "WHY"), [(1, name, "w" * 40, "y" * 40)]).splitlines()[1]
    assert told.split()[1].startswith("account:0196b1a4")
    assert told.split()[1].endswith("…6a1c2d3e")


def test_a_table_that_fits_is_left_alone() -> None:
    assert table(("A", "LONG"), [("one", "x")]) == "A    LONG\none  x"


@pytest.mark.parametrize(
    ("seconds", "told"), [(-3, "0s"), (0.4, "0s"), (59, "59s"), (61, "1m"), (7_199, "1h"), (200_000, "2d")]
)
def test_ages_are_short(seconds: float, told: str) -> None:
    assert ago(seconds) == told


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604_800)])
def test_how_long_ago_is_a_time(text: str, seconds: int) -> None:
    assert abs((datetime.now(UTC) - timedelta(seconds=seconds) - parse_since(text)).total_seconds()) < 5


def test_a_time_without_a_zone_is_utc() -> None:
    assert (
        parse_since("2026-01-31T12:00")
        == parse_since("2026-01-31T17:30+05:30")
        == datetime(2026, 1, 31, 12, tzinfo=UTC)
    )


@pytest.mark.parametrize("text", ["", "h", "2w", "-3h", "soon", "2026-13-01", "99999999999d", "٣h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse_since(text)


def test_ids_numbers_states_and_times_are_shown() -> None:
    plain = {
        "orderId": str(uuid4()), "amount": 120.5, "quantity": 3, "paid": True, "nothing": None, "status": "PAID",
        "at": "2026-01-01T00:00:00.123Z", "orderNumber": "VRK-2026-000123", "eventType": "order.created",
        "paymentMethod": "upi", "items": [{"productId": str(uuid4()), "price": 30}],
    }  # fmt: skip
    assert masked(plain) == plain


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("phoneNumber", "+919876543210", "*** (13 characters)"),
        ("contact", "9876543210", "*** (10 characters)"),
        ("contact", 9_876_543_210, "***"),
        ("pinCode", 411_001, "***"),
        ("reason", "Asha is away", "*** (12 characters)"),
        ("deliveryAddress", {"city": "Pune", "state": "MH"}, "*** (2 fields)"),
        ("changes", {"name": "Asha"}, "*** (1 fields)"),
        ("fullName", "ASHA", "*** (4 characters)"),
        ("name", ["ASHA"], ["*** (4 characters)"]),
        ("paymentMethod", "card of Asha", "*** (12 characters)"),
    ],
)
def test_what_may_be_a_persons_is_not(key: str, value: object, told: object) -> None:
    assert masked({"outer": [{key: value}]}) == {"outer": [{key: told}]}
