import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.notification.models import MAX_WAIT, RETRY_AFTER, Preferences, rupee_text, wait_before_next
from plugins.notification.ports import EntryType, Medium, Message

PREFERENCES = st.builds(Preferences, **dict.fromkeys(Preferences.__annotations__, st.booleans()))


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (0, "₹0"),
        (5, "₹0.05"),
        (49_950, "₹499.50"),
        (99_900, "₹999"),
        (100_000, "₹1,000"),
        (10_000_000, "₹1,00,000"),
        (123_456_700, "₹12,34,567"),
        (-12_345, "-₹123.45"),
    ],
)
def test_amounts_are_written_as_people_in_india_write_them(paise: int, text: str) -> None:
    assert rupee_text(paise) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_an_amount_loses_no_paisa_and_groups_by_two_after_the_first_three(paise: int) -> None:
    whole, _, rest = rupee_text(paise).removeprefix("₹").partition(".")
    assert int(whole.replace(",", "")) * 100 + int(rest or "0") == paise
    *groups, last = whole.split(",")
    assert len(last) == 3 or not groups
    assert all(len(group) == 2 for group in groups[1:])


@given(PREFERENCES, st.sampled_from(EntryType), st.sets(st.sampled_from(Medium)))
def test_nothing_goes_out_that_was_switched_off_or_is_not_available(
    preferences: Preferences, kind: EntryType, available: set[Medium]
) -> None:
    media = preferences.media(kind, available)
    assert set(media) <= available
    assert preferences.push_enabled or Medium.PUSH not in media
    assert preferences.email_enabled or Medium.EMAIL not in media
    assert preferences.sms_enabled or Medium.SMS not in media
    switches = {
        EntryType.ORDER_UPDATE: preferences.order_updates,
        EntryType.PAYMENT_CONFIRMATION: preferences.order_updates,
        EntryType.DELIVERY_UPDATE: preferences.delivery_alerts,
        EntryType.PROMOTIONAL: preferences.promotional_offers,
    }
    assert switches[kind] or not media


def test_everything_on_means_every_available_medium() -> None:
    assert Preferences(sms_enabled=True).media(EntryType.ORDER_UPDATE, set(Medium)) == tuple(Medium)


def test_the_waits_are_the_agreed_ones_and_then_there_is_no_more() -> None:
    assert [wait_before_next(n) for n in range(1, 7)] == [*RETRY_AFTER, None]


@given(st.integers(1, 5), st.floats(0, 10**6))
def test_a_provider_may_ask_for_more_time_but_not_for_ever(attempts: int, asked: float) -> None:
    wait = wait_before_next(attempts, asked)
    assert wait is not None
    assert RETRY_AFTER[attempts - 1] <= wait <= MAX_WAIT
    assert wait >= min(asked, MAX_WAIT)


def test_a_message_prints_nothing_personal() -> None:
    message = Message(
        key="k",
        medium=Medium.SMS,
        to="+919876543210",
        template="T",
        title="",
        text="123456 is",
        expires_in=300,
        code="123456",
        variables={"code": "123456"},
    )
    assert "123456" not in repr(message)
    assert "9876543210" not in repr(message)
