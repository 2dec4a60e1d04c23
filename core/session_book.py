"""The port by which operators learn of a user's sessions, where the owner of sessions tells of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import attrs

from core.auth import Role
from core.services import Port


@attrs.frozen(kw_only=True)
class OpenSession:
    """A session that has not ended, as operators see it: nothing of it says whose it is or from where."""

    id: UUID
    device: str
    """Its kind, such as `android`; may be empty."""
    began: datetime
    used: datetime
    """When its tokens were last renewed."""
    until: datetime
    """When it ends if they are not renewed before."""


@attrs.frozen(kw_only=True)
class Whose:
    """An account and its open sessions, the newest first."""

    user_id: UUID
    role: Role
    active: bool
    sessions: Sequence[OpenSession]


class SessionBook(Protocol):
    """What the console asks the owner of sessions, if there is one who tells."""

    async def sessions_of(self, user: str) -> Whose | None:
        """By the user's id or phone; None if nobody has it. Raises ValueError for what is neither."""
        ...


SESSION_BOOK: Port[SessionBook] = Port("kernel.session_book")
