import ipaddress
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.types import uuid7
from plugins.user.models import (
    AddressDraft,
    AddressPatch,
    ProfilePatch,
    TokenPair,
    address_key,
    draft_of,
    masked,
    normal_phone,
    phone_prefix,
)
from plugins.user.ports import AddressView

MOBILE = st.from_regex(r"[6-9][0-9]{9}", fullmatch=True)
DRAFT = AddressDraft(
    kind="home",
    full_name="Asha Rao",
    phone="9876543210",
    line1="1 MG Road",
    line2="Flat 4",
    landmark=None,
    city="Pune",
    state="Maharashtra",
    pincode="411001",
    country="India",
    latitude=None,
    longitude=None,
    special_notes=None,
    security_code=None,
    preferred_time_slot=None,
)


@given(MOBILE)
def test_both_forms_of_a_mobile_number_are_one_number(digits: str) -> None:
    assert normal_phone(digits) == normal_phone(f"+91{digits}") == f"+91{digits}"


@given(st.text(max_size=16))
def test_whatever_is_accepted_as_a_phone_has_the_one_stored_form(text: str) -> None:
    phone = normal_phone(text)
    assert phone is None or (len(phone) == 13 and phone.isascii() and phone.endswith(text[-10:]))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5876543210",
        "987654321",
        "98765432100",
        "919876543210",
        "+929876543210",
        "९८७६५४३२१०",
        "9876543210\n",
        "+91 9876543210",
    ],
)
def test_other_forms_are_no_phone(text: str) -> None:
    assert normal_phone(text) is None


def test_the_prefix_is_the_number_block_and_the_mask_hides_all_but_four_digits() -> None:
    assert phone_prefix("+919876543210") == "987654"
    assert masked("+919876543210") == "*********3210"


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("::1", "::/56"),
        ("", "local"),
        ("unix:", "local"),
    ],
)
def test_a_limit_sees_an_address_or_the_network_of_one_customer(client: str, key: str) -> None:
    assert address_key(client) == key


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**72 - 1))
def test_neighbours_in_a_56_share_a_limit(number: int, host: int) -> None:
    first = ipaddress.IPv6Address(number)
    second = ipaddress.IPv6Address(number >> 72 << 72 | host)
    if first.ipv4_mapped is None and second.ipv4_mapped is None:
        assert address_key(str(first)) == address_key(str(second))


def test_a_patch_changes_what_was_given_and_nothing_else() -> None:
    after = AddressPatch(city="Mumbai", line2="").apply(DRAFT)
    assert (after.city, after.line2, after.line1) == ("Mumbai", "", DRAFT.line1)
    assert AddressPatch().apply(DRAFT) == DRAFT


def test_a_fingerprint_tells_addresses_apart() -> None:
    assert DRAFT.fingerprint(is_default=False) == DRAFT.fingerprint(is_default=False)
    assert DRAFT.fingerprint(is_default=False) != DRAFT.fingerprint(is_default=True)
    assert DRAFT.fingerprint(is_default=False) != AddressPatch(city="x").apply(DRAFT).fingerprint(is_default=False)


def test_tokens_do_not_print() -> None:
    pair = TokenPair(access_token="opened", refresh_token="renewed", expires_in=900)
    assert repr(pair) == "TokenPair(expires_in=900)"


def test_the_changes_of_a_profile_have_wire_names() -> None:
    whole = ProfilePatch(name="Asha", email="a@b.in", profile_image_url="https://x/y")
    assert whole.changes() == {"name": "Asha", "email": "a@b.in", "profileImageUrl": "https://x/y"}
    assert ProfilePatch(name="Asha").changes() == {"name": "Asha"}
    assert ProfilePatch().changes() == {}


def test_a_draft_of_a_stored_address_is_what_its_owner_said() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    view = AddressView(**attrs.asdict(DRAFT), id=uuid7(), is_default=True, created_at=now, updated_at=now)
    assert draft_of(view) == DRAFT
