"""Entities of the user domain and its pure rules about phones, client addresses and profiles."""

import ipaddress
import re
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import attrs
import orjson

from core.auth import Role
from plugins.user.ports import AddressView

PURPOSE_LOGIN = "LOGIN"
PREFIX_DIGITS = 6
"""Leading digits of a mobile number that share one limit: a block of 10 000 numbers."""
LOCAL = "local"
_MOBILE = re.compile(r"(?:\+91)?([6-9][0-9]{9})")


def normal_phone(text: str) -> str | None:
    """An Indian mobile number as +91XXXXXXXXXX, from ten bare ASCII digits or that form; None for others."""
    found = _MOBILE.fullmatch(text)
    return f"+91{found[1]}" if found else None


def phone_prefix(phone: str) -> str:
    """The block of numbers that a normal phone belongs to, for a limit against guessed neighbours."""
    return phone[3 : 3 + PREFIX_DIGITS]


def masked(phone: str) -> str:
    """A phone as it may be shown to an operator: its last four digits."""
    return "*" * 9 + phone[-4:]


def address_key(client: str) -> str:
    """Who a client's address stands for in a limit: the IPv4 address, or the /56 of an IPv6 one (RELIABILITY 4.5)."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return LOCAL
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.IPv6Network((int(address), 56), strict=False))
        address = address.ipv4_mapped
    return str(address)


@attrs.frozen(kw_only=True)
class Device:
    """What an app says of the device it runs on. Believed only to narrow what its owner may do."""

    id: str | None = None
    name: str | None = None
    kind: str | None = None


@attrs.frozen(kw_only=True)
class Account:
    """One person. `phone` is in the normal form."""

    id: UUID
    phone: str
    name: str | None
    email: str | None
    profile_image_url: str | None
    role: Role
    is_verified: bool
    is_active: bool
    created_at: datetime


@attrs.frozen(kw_only=True)
class TokenPair:
    """What a client needs to go on. `expires_in` is the access token's life in seconds."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    expires_in: int


@attrs.frozen(kw_only=True)
class SignedIn:
    """The outcome of a code used rightly."""

    account: Account
    is_new: bool
    is_restored: bool
    """The account was closed and is open again."""
    tokens: TokenPair


@attrs.frozen(kw_only=True)
class ProfilePatch:
    """What of a profile is to change; None leaves a value as it is."""

    name: str | None = None
    email: str | None = None
    profile_image_url: str | None = None

    def changes(self) -> dict[str, str]:
        """New values by their wire names."""
        given = {"name": self.name, "email": self.email, "profileImageUrl": self.profile_image_url}
        return {name: value for name, value in given.items() if value is not None}


@attrs.frozen(kw_only=True)
class AddressDraft:
    """What a customer says of an address: everything that is stored but ids, times and which one is the default."""

    kind: str
    full_name: str
    phone: str
    line1: str
    line2: str
    landmark: str | None
    city: str
    state: str
    pincode: str
    country: str
    latitude: float | None
    longitude: float | None
    special_notes: str | None
    security_code: str | None
    preferred_time_slot: str | None

    def fingerprint(self, *, is_default: bool) -> bytes:
        """The same for two requests that ask for the same address."""
        return sha256(orjson.dumps([*attrs.astuple(self), is_default])).digest()


@attrs.frozen(kw_only=True)
class AddressPatch:
    """What of an address is to change; None leaves a value, an empty text clears one that may be empty."""

    kind: str | None = None
    full_name: str | None = None
    phone: str | None = None
    line1: str | None = None
    line2: str | None = None
    landmark: str | None = None
    city: str | None = None
    state: str | None = None
    pincode: str | None = None
    country: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    special_notes: str | None = None
    security_code: str | None = None
    preferred_time_slot: str | None = None

    def apply(self, draft: AddressDraft) -> AddressDraft:
        """The address after the change."""
        return attrs.evolve(draft, **attrs.asdict(self, filter=lambda _, value: value is not None))


def draft_of(view: AddressView) -> AddressDraft:
    """The part of a stored address that its owner may change."""
    return AddressDraft(**{field.name: getattr(view, field.name) for field in attrs.fields(AddressDraft)})
