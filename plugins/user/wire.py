"""Bodies and answers of sign-in and profile routes, as the app knows them (CONTRACT A.3, B.3)."""

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import attrs

from core.errors import FieldError, Invalid
from core.http.fields import OneOf, Text
from plugins.user.models import Account, Device, ProfilePatch, SignedIn, TokenPair, normal_phone

ATOM, LABEL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}", "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = rf"{ATOM}(?:\.{ATOM})*@{LABEL}(?:\.{LABEL})+"
"""RFC 5321 without quoted names; ASCII, because not every mail server on the way takes more."""
URL = rf"https?://{LABEL}(?:\.{LABEL})*(?::[0-9]{{1,5}})?(?:[/?#][A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*)?"
"""RFC 3986, of a web page, without a user and password."""
DEVICE = Text(min=1, max=200)
MAIL = Text(max=254, pattern=EMAIL, hint="must be an e-mail address")
IMAGE = Text(max=2000, pattern=URL, hint="must be a web address")


@attrs.frozen
class Mobile:
    """A field rule: an Indian mobile number, bare or with +91; answered with +91."""

    def read(self, value: object) -> str:
        """The normal form."""
        phone = normal_phone(value) if isinstance(value, str) else None
        if phone is None:
            raise ValueError("must be an Indian mobile number: ten digits from 6-9, bare or with +91")
        return phone

    def parse(self, text: str) -> object:
        """As it is."""
        return text

    def schema(self) -> dict[str, Any]:
        """Pattern."""
        return {"type": "string", "pattern": r"^(?:\+91)?[6-9][0-9]{9}$"}


def required(field: str) -> Invalid:
    """The refusal of a body that lacks a field which has two names."""
    return Invalid([FieldError(field, "is required", "required")])


@attrs.frozen(kw_only=True)
class SendCode:
    """Where to send a code; `phone` and `phoneNumber` mean the same."""

    either: ClassVar = ("phone", "phone_number")

    phone: Annotated[str, Mobile()] | None = None
    phone_number: Annotated[str, Mobile()] | None = None
    device_id: Annotated[str, DEVICE] | None = None

    def number(self) -> str:
        """The phone; raises Invalid when there is none."""
        phone = self.phone or self.phone_number
        if phone is None:
            raise required("phone")
        return phone


@attrs.frozen(kw_only=True)
class VerifyCode:
    """A code that was received; the device is optional and only narrows what the session may do."""

    either: ClassVar = ("phone", "phone_number")

    otp: Annotated[str, Text(min=6, max=6, pattern="[0-9]{6}", hint="must be six digits")]
    phone: Annotated[str, Mobile()] | None = None
    phone_number: Annotated[str, Mobile()] | None = None
    device_id: Annotated[str, DEVICE] | None = None
    device_name: Annotated[str, DEVICE] | None = None
    device_type: Annotated[str, OneOf(("ios", "android", "web"))] | None = None

    def number(self) -> str:
        """The phone; raises Invalid when there is none."""
        phone = self.phone or self.phone_number
        if phone is None:
            raise required("phone")
        return phone

    def device(self) -> Device:
        """What the app says of its device."""
        return Device(id=self.device_id, name=self.device_name, kind=self.device_type)


@attrs.frozen(kw_only=True)
class Refresh:
    """The token to exchange. Any text is looked at: one that cannot be ours is a 401, as every bad token is."""

    refresh_token: Annotated[str, Text(max=1000)]
    device_id: Annotated[str, DEVICE] | None = None


@attrs.frozen(kw_only=True)
class Logout:
    """All optional: an empty body ends the session of the access token."""

    refresh_token: Annotated[str, Text(max=1000)] | None = None
    all_devices: bool = False


@attrs.frozen(kw_only=True)
class ChangeProfile:
    """What is absent or null stays as it is; `profilePicture` and `profileImageUrl` mean the same."""

    name: Annotated[str, Text(min=2, max=100)] | None = None
    email: Annotated[str, MAIL] | None = None
    profile_image_url: Annotated[str, IMAGE] | None = None
    profile_picture: Annotated[str, IMAGE] | None = None

    def patch(self) -> ProfilePatch:
        """The change."""
        return ProfilePatch(
            name=self.name, email=self.email, profile_image_url=self.profile_image_url or self.profile_picture
        )


@attrs.frozen(kw_only=True)
class Message:
    """A sentence for a person."""

    message: str


@attrs.frozen(kw_only=True)
class CodeSent:
    """The same for every phone. Seconds: a code's life, and the wait before the next may be asked for."""

    message: str
    expires_in: int
    retry_in: int


@attrs.frozen(kw_only=True)
class UserView:
    """A user under the app's names and the earlier backend's: phone = phoneNumber, profilePicture = profileImageUrl."""

    id: UUID
    phone: str
    phone_number: str
    name: str | None
    email: str | None
    profile_picture: str | None
    profile_image_url: str | None
    is_verified: bool
    is_active: bool
    role: str
    created_at: datetime


@attrs.frozen(kw_only=True)
class SignedInUser(UserView):
    """The user who has just signed in; `is_new` at the first time, `is_restored` when that undid a deletion."""

    is_new: bool
    is_restored: bool


def user_fields(account: Account) -> dict[str, Any]:
    """The fields of a UserView."""
    return {
        "id": account.id,
        "phone": account.phone,
        "phone_number": account.phone,
        "name": account.name,
        "email": account.email,
        "profile_picture": account.profile_image_url,
        "profile_image_url": account.profile_image_url,
        "is_verified": account.is_verified,
        "is_active": account.is_active,
        "role": account.role.value,
        "created_at": account.created_at,
    }


@attrs.frozen(kw_only=True)
class UserAnswer:
    """One user."""

    user: UserView

    @classmethod
    def of(cls, account: Account) -> "UserAnswer":
        """The answer for an account."""
        return cls(user=UserView(**user_fields(account)))


@attrs.frozen(kw_only=True)
class RefreshAnswer:
    """A token pair, flat as the app reads it and nested as the earlier backend sent it."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    expires_in: int
    tokens: TokenPair

    @classmethod
    def of(cls, pair: TokenPair) -> "RefreshAnswer":
        """The answer for a pair."""
        return cls(
            access_token=pair.access_token, refresh_token=pair.refresh_token, expires_in=pair.expires_in, tokens=pair
        )


@attrs.frozen(kw_only=True)
class SignInAnswer:
    """A token pair, flat and nested, and who it is for."""

    access_token: str = attrs.field(repr=False)
    refresh_token: str = attrs.field(repr=False)
    expires_in: int
    tokens: TokenPair
    user: SignedInUser

    @classmethod
    def of(cls, done: SignedIn) -> "SignInAnswer":
        """The answer for a sign-in."""
        pair = done.tokens
        return cls(
            access_token=pair.access_token,
            refresh_token=pair.refresh_token,
            expires_in=pair.expires_in,
            tokens=pair,
            user=SignedInUser(**user_fields(done.account), is_new=done.is_new, is_restored=done.is_restored),
        )
