"""What a domain declares of the personal data that it holds (hook `personal_data`)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import attrs

from core.services import Port
from core.types import UserId

if TYPE_CHECKING:
    from core.store.db import Db, Tx

BATCH = 500
"""Rows that one transaction of an erasure touches at most, per statement: nobody waits long for its locks."""


class Fate(StrEnum):
    """What becomes of a table's rows."""

    DELETED = "deleted"
    ANONYMISED = "anonymised"
    """The row stays; what tells of a person leaves it."""
    KEPT = "kept"
    """It tells nobody who it was, or goes by itself soon; `Holding.why` says which."""


@attrs.frozen
class Holding:
    """One table, and what becomes of its rows when their person is erased."""

    table: str
    fate: Fate
    why: str = ""
    """What stays, and by which law or for how long. Needed unless everything is deleted."""


class Step(Enum):
    """How far one call of `erase` came."""

    MORE = "more"
    """Call again at once: there may be more rows."""
    DONE = "done"
    LATER = "later"
    """Call again in a while: something still needs the rest. Not answered when the subject is `final`."""


@attrs.frozen
class Subject:
    """Who is to be erased."""

    user_id: UserId
    final: bool
    """The time that was promised is nearly over: nothing may wait any more."""


Export = Callable[["Tx", UserId], Awaitable[Mapping[str, str]]]
"""JSON text by section. Only what is the user's own: nobody else's data, no hashes, keys or tokens."""
Erase = Callable[["Tx", Subject], Awaitable[Step]]
"""At most BATCH rows per statement. It can be called again at any time, also for someone who is gone already."""


async def nowhere(_: UserId) -> None:
    """Nothing lies outside PostgreSQL."""


@attrs.frozen(kw_only=True)
class PersonalData:
    """A domain's declaration. Every table with a column that leads to a person has to be among `holdings` (tested)."""

    holdings: Sequence[Holding]
    export: Export
    erase: Erase
    elsewhere: Callable[[UserId], Awaitable[None]] = nowhere
    """Erases what lies outside PostgreSQL; called first, while rows still say what it is. Raises to be called again.

    By then what other domains hold may be gone: nobody waits for who failed.
    """
    payloads: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    """By event type, keys of the payload whose text or object tells of a person. Ids need no naming."""


class People(Protocol):
    """What the kernel asks the owner of accounts."""

    async def find(self, source: "Tx | Db", who: str) -> UserId | None:
        """The account of an id or a phone, open or closed."""
        ...

    async def close(self, tx: "Tx", user_id: UserId) -> None:
        """Close the account and end its sessions."""
        ...

    async def reopen(self, tx: "Tx", user_id: UserId) -> bool:
        """Undo the erasure and open the account again; False when it is too late or was never asked for."""
        ...


PEOPLE: Port[People] = Port("kernel.people")


def uuid_of(text: str) -> UUID | None:
    """The id that a text is, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
