"""Accounts: profiles, roles, deactivation, and the port through which others learn who a user is."""

from collections.abc import Collection, Mapping
from uuid import UUID

from core.auth import Principal, Role
from core.errors import ALREADY_EXISTS, SESSION_EXPIRED, Problem, not_found
from core.store.db import Db, Refused, Tx
from core.types import Clock, UserId, utc_now
from plugins.user.models import Account, ProfilePatch
from plugins.user.ports import Contact, UserDeleted, UserUpdated
from plugins.user.queries import Accounts
from plugins.user.sessions import Sessions


class UnknownPhone(LookupError):
    """Nobody active has signed in with this phone."""


class UserService:
    """What an account's owner and an administrator may do with it; also the port `user.users`."""

    def __init__(self, db: Db, accounts: Accounts, sessions: Sessions, clock: Clock = utc_now) -> None:
        self._db, self._accounts, self._sessions, self._clock = db, accounts, sessions, clock

    async def contacts(self, tx: Tx | Db, ids: Collection[UserId]) -> Mapping[UserId, Contact]:
        """Contacts of the active ones among `ids`; the others are simply missing."""
        return await self._accounts.contacts(tx, ids)

    async def profile(self, user_id: UserId) -> Account:
        """The caller's own account; raises SESSION_EXPIRED when it is no longer active."""
        found = await self._accounts.find(self._db, user_id)
        if found is None or not found.is_active:
            raise Problem(SESSION_EXPIRED)
        return found

    async def account(self, user_id: UUID) -> Account:
        """Anybody's account, active or not; raises NOT_FOUND."""
        found = await self._accounts.find(self._db, user_id)
        if found is None:
            raise not_found("User")
        return found

    async def change(self, user_id: UserId, patch: ProfilePatch) -> Account:
        """Change what was given. Raises ALREADY_EXISTS for an e-mail address in use. Emits user.updated v1."""
        changes = patch.changes()
        if not changes:
            return await self.profile(user_id)
        try:
            async with self._db.transaction() as tx:
                if not await self._accounts.change(tx, user_id, patch):
                    raise Problem(SESSION_EXPIRED)
                tx.emit(UserUpdated(user_id=user_id, changes=changes, updated_at=self._clock()))
                found = await self._accounts.find(tx, user_id)
        except Refused:
            raise Problem(ALREADY_EXISTS, "This e-mail address is in use by another account.") from None
        assert found is not None  # noqa: S101  it was changed in this transaction
        return found

    async def delete(self, principal: Principal) -> None:
        """Deactivate the caller's account and end all its sessions. Emits user.deleted v1."""
        async with self._db.transaction() as tx:
            deleted_at = await self._accounts.deactivate(tx, principal.user_id)
            if deleted_at is None:
                raise Problem(SESSION_EXPIRED)
            ended = await self._sessions.end_all(tx, principal.user_id, "DELETED")
            tx.emit(UserDeleted(user_id=principal.user_id, deleted_at=deleted_at))
        self._sessions.feed.add(ended)

    async def grant(self, phone: str, role: Role) -> None:
        """Give a role; the sessions that carry the old one end. `phone` in the normal form. Raises UnknownPhone."""
        async with self._db.transaction() as tx:
            user_id = await self._accounts.grant(tx, phone, role)
            if user_id is None:
                raise UnknownPhone
            ended = await self._sessions.end_all(tx, user_id, "ROLE")
        self._sessions.feed.add(ended)
