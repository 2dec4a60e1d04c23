"""Accounts: profiles, roles, deactivation, and the port through which others learn who a user is."""

from collections.abc import Collection, Mapping
from uuid import UUID

from core import audit
from core.auth import Principal, Role
from core.errors import ALREADY_EXISTS, SESSION_EXPIRED, Problem, not_found
from core.privacy.requests import Erasures
from core.store.db import Db, Tx
from core.types import Clock, UserId, utc_now
from plugins.user.models import Account, ProfilePatch
from plugins.user.personal_queries import PersonalRows
from plugins.user.ports import Contact, UserDeleted, UserUpdated
from plugins.user.queries import Accounts
from plugins.user.sessions import Sessions


class UnknownPhone(LookupError):
    """Nobody active has signed in with this phone."""


class UserService:
    """What an account's owner and an administrator may do with it; also the port `user.users`."""

    def __init__(self, db: Db, accounts: Accounts, sessions: Sessions, clock: Clock = utc_now) -> None:
        self._db, self._accounts, self._sessions, self._clock = db, accounts, sessions, clock
        self._erasures, self._personal = Erasures(), PersonalRows()

    async def contacts(self, tx: Tx | Db, ids: Collection[UserId]) -> Mapping[UserId, Contact]:
        """Contacts of the active ones among `ids`; the others are simply missing."""
        return await self._accounts.contacts(tx, ids)

    async def reach(self, source: Tx | Db, user_id: UserId) -> Contact | None:
        """The contact of an account that may be closed."""
        return await self._personal.reach(source, user_id)

    async def profile(self, user_id: UserId) -> Account:
        """The caller's own account; raises SESSION_EXPIRED when it is no longer active."""
        return await self._active(self._db, user_id)

    async def account(self, user_id: UUID) -> Account:
        """Anybody's account, active or not; raises NOT_FOUND."""
        found = await self._accounts.find(self._db, user_id)
        if found is None:
            raise not_found("User")
        return found

    async def change(self, tx: Tx, user_id: UserId, patch: ProfilePatch) -> Account:
        """Change what was given. Raises ALREADY_EXISTS for an e-mail address in use. Emits user.updated v1."""
        changes = patch.changes()
        if changes:
            if await self._accounts.change(tx, user_id, patch) == "TAKEN":
                raise Problem(ALREADY_EXISTS, "This e-mail address is in use by another account.")
            tx.emit(UserUpdated(user_id=user_id, changes=changes, updated_at=self._clock()))
        return await self._active(tx, user_id)

    async def _active(self, source: Tx | Db, user_id: UserId) -> Account:
        found = await self._accounts.find(source, user_id)
        if found is None or not found.is_active:
            raise Problem(SESSION_EXPIRED)
        return found

    async def delete(self, principal: Principal) -> None:
        """Close the caller's account, end all its sessions and ask for its erasure. Emits user.deleted v1.

        Whoever signs in with its phone within 24 hours has it back; after that it is erased (RELIABILITY 4.15).
        Raises SESSION_EXPIRED. It asks for the session itself, once all of them are locked: with its own held already,
        as the kernel holds it for other writes, two who delete the same account would wait for each other.
        """
        async with self._db.transaction() as tx:
            await self._sessions.hold(tx, principal.user_id)
            await self._sessions.require(tx, principal)
            deleted_at = await self._accounts.deactivate(tx, principal.user_id)
            await self._sessions.end_all(tx, principal.user_id, "DELETED")
            await self._erasures.request(tx, principal.user_id, "user")
            tx.emit(UserDeleted(user_id=principal.user_id, deleted_at=deleted_at))

    async def grant(self, phone: str, role: Role, actor: str) -> None:
        """Give a role; the sessions that carry the old one end. `phone` in the normal form. Raises UnknownPhone.

        Audited as an act of `actor`.
        """
        async with self._db.transaction() as tx:
            user_id = await self._accounts.of_phone(tx, phone)
            if user_id is None:
                raise UnknownPhone
            await self._sessions.hold(tx, user_id)
            was = await self._accounts.grant(tx, user_id, role)
            await self._sessions.end_all(tx, user_id, "ROLE")
            details = {"was": was.value, "role": role.value}
            await audit.record(tx, actor=actor, action="role.grant", subject=f"account:{user_id}", details=details)
