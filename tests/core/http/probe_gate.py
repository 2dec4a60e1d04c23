"""The probe's sessions."""

from uuid import UUID

from core.auth import Principal, Role
from core.errors import SESSION_EXPIRED, Problem
from core.store.db import Db, Tx


class Gate:
    """Sessions that tests end by hand."""

    def __init__(self) -> None:
        self.ended: set[UUID] = set()
        self.role = Role.CUSTOMER
        self.is_live = True
        """What the database says; `ended` is what memory says."""
        self.age = 0.0
        """Seconds since each session began."""

    async def require(self, source: Tx | Db, principal: Principal) -> Role:
        """As stored."""
        assert await source.fetchval("SELECT true")
        if principal.session_id in self.ended or not self.is_live:
            raise Problem(SESSION_EXPIRED)
        return self.role

    async def recent(self, source: Tx | Db, principal: Principal, seconds: float) -> bool:
        """As stored."""
        assert await source.fetchval("SELECT true")
        return self.age < seconds

    def revoked(self, session_id: UUID) -> bool:
        """From memory."""
        return session_id in self.ended
