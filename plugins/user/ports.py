"""The door of the user domain: who a user is, where they live, and what is announced about them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

import attrs

from core.errors import Code
from core.events.model import Event
from core.services import Port
from core.store.db import Db, Tx
from core.types import UserId

OTP_INVALID = Code("AUTH_005", 400, "This code is not right.")
OTP_EXPIRED = Code("AUTH_006", 400, "This code is no longer valid. Please ask for a new one.")

REQUIRE_SESSION = "users.require_session"
"""`users.require_session(p_user uuid, p_session uuid) RETURNS text`, for others' SQL functions (RELIABILITY 4.4).

Answers the role as stored now and keeps the session from ending before the commit. Raises SQLSTATE VK000 with the
message SESSION_ENDED when it is over. Call it before you lock anything that others lock while they end sessions.
"""
SESSION_OPEN = "users.session_open"
"""`users.session_open(p_user uuid, p_session uuid) RETURNS boolean`, for others' SQL: is this user's session open?

It locks nothing and waits for nobody. Not open is one that was ended, whatever ended it, that is past its absolute
bound, or whose account is not active. One that is only unused is open until it is deleted as such (`upkeep`).
"""


@attrs.frozen(kw_only=True)
class Contact:
    """How to reach and greet a user. `phone` is in the form +91XXXXXXXXXX."""

    phone: str
    email: str | None
    name: str | None


class Users(Protocol):
    """Who users are."""

    async def contacts(self, tx: Tx | Db, ids: Collection[UserId]) -> Mapping[UserId, Contact]:
        """Contacts of the active ones among `ids`; the others are simply missing."""
        ...

    async def reach(self, source: Tx | Db, user_id: UserId) -> Contact | None:
        """The contact of an account that may be closed: only to find what was sent to it, never to send."""
        ...


USERS: Port[Users] = Port("user.users")


@attrs.frozen(kw_only=True)
class AddressView:
    """A delivery address as stored. `kind` is home, work or other; `phone` is as the customer wrote it."""

    id: UUID
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
    is_default: bool
    created_at: datetime
    updated_at: datetime


class Addresses(Protocol):
    """Where users want their deliveries."""

    async def find(self, tx: Tx | Db, user_id: UserId, address_id: UUID) -> AddressView | None:
        """The user's own address; None when it is unknown, deleted or somebody else's."""


ADDRESSES: Port[Addresses] = Port("user.addresses")


class CodeSender(Protocol):
    """Takes one-time codes to phones. Called by a worker, never by a request."""

    async def send(self, phone: str, code: str, expires_in: int) -> None:
        """Hand the code to a provider, trying each in turn for 3 s at most; raise when none took it.

        `expires_in` is in seconds. The caller gives up on one call after 6.5 s and tries again until the code expires.
        Neither phone nor code may be logged.
        """


CODE_SENDER: Port[CodeSender] = Port("user.code_sender")


@attrs.frozen(kw_only=True)
class UserCreated(Event):
    """A phone signed in for the first time."""

    event_type: ClassVar[str] = "user.created"
    aggregate_type: ClassVar[str] = "user"
    aggregate_key: ClassVar[str] = "user_id"
    user_id: UUID
    phone_number: str
    created_at: datetime


@attrs.frozen(kw_only=True)
class UserUpdated(Event):
    """A profile changed; `changes` holds the new values by their wire names."""

    event_type: ClassVar[str] = "user.updated"
    aggregate_type: ClassVar[str] = "user"
    aggregate_key: ClassVar[str] = "user_id"
    user_id: UUID
    changes: dict[str, str]
    updated_at: datetime


@attrs.frozen(kw_only=True)
class UserDeleted(Event):
    """An account was closed for its owner, and its sessions ended. Unless it is restored within a day, it is erased."""

    event_type: ClassVar[str] = "user.deleted"
    aggregate_type: ClassVar[str] = "user"
    aggregate_key: ClassVar[str] = "user_id"
    user_id: UUID
    deleted_at: datetime


@attrs.frozen(kw_only=True)
class UserRestored(Event):
    """A closed account was opened again: its owner signed in, or an operator undid its erasure."""

    event_type: ClassVar[str] = "user.restored"
    aggregate_type: ClassVar[str] = "user"
    aggregate_key: ClassVar[str] = "user_id"
    user_id: UUID
    restored_at: datetime
