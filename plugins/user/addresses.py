"""The rules of delivery addresses: ten at most, exactly one default as soon as there is one."""

from uuid import UUID

from core.errors import INVALID_INPUT, SESSION_EXPIRED, Problem, not_found
from core.store.db import Db, Tx
from core.types import UserId, uuid7
from plugins.user.address_queries import AddressRows
from plugins.user.models import AddressDraft, AddressPatch, draft_of
from plugins.user.ports import AddressView


class AddressBook:
    """A customer's addresses. Every write locks the owner's account row first."""

    def __init__(self, db: Db, rows: AddressRows, *, most: int) -> None:
        self._db, self._rows, self._most = db, rows, most

    async def all(self, user_id: UserId) -> list[AddressView]:
        """The default first, then the newest."""
        return await self._rows.of_user(self._db, user_id)

    async def one(self, user_id: UserId, address_id: UUID) -> AddressView:
        """One of the user's own; raises NOT_FOUND."""
        return await self._found(self._db, user_id, address_id)

    async def add(self, tx: Tx, user_id: UserId, draft: AddressDraft, *, is_default: bool) -> AddressView:
        """Save an address, the first one as default. The same one again within 60 s answers the one that is there.

        Raises INVALID_INPUT when the user has as many as are allowed.
        """
        await self._lock(tx, user_id)
        fingerprint = draft.fingerprint(is_default=is_default)
        twin = await self._rows.twin(tx, user_id, fingerprint)
        if twin is not None:
            return await self._found(tx, user_id, twin)
        held = await self._rows.count(tx, user_id)
        if held >= self._most:
            raise Problem(INVALID_INPUT, f"You can keep at most {self._most} addresses.")
        address_id = uuid7()
        await self._rows.insert(tx, address_id, user_id, draft, fingerprint)
        if is_default or held == 0:
            await self._rows.make_default(tx, user_id, address_id)
        return await self._found(tx, user_id, address_id)

    async def change(
        self, tx: Tx, user_id: UserId, address_id: UUID, patch: AddressPatch, *, is_default: bool | None
    ) -> AddressView:
        """Change what was given. A default stays the default until another one takes its place; raises NOT_FOUND."""
        await self._lock(tx, user_id)
        view = await self._found(tx, user_id, address_id)
        draft = patch.apply(draft_of(view))
        fingerprint = draft.fingerprint(is_default=bool(is_default))
        await self._rows.update(tx, address_id, user_id, draft, fingerprint)
        if is_default:
            await self._rows.make_default(tx, user_id, address_id)
        return await self._found(tx, user_id, address_id)

    async def make_default(self, tx: Tx, user_id: UserId, address_id: UUID) -> AddressView:
        """Let orders go here unless told otherwise; raises NOT_FOUND."""
        await self._lock(tx, user_id)
        await self._found(tx, user_id, address_id)
        await self._rows.make_default(tx, user_id, address_id)
        return await self._found(tx, user_id, address_id)

    async def delete(self, tx: Tx, user_id: UserId, address_id: UUID) -> None:
        """Forget an address; orders keep their own copy. Again is no error; raises NOT_FOUND for one never had."""
        await self._lock(tx, user_id)
        if not await self._rows.delete(tx, user_id, address_id):
            raise not_found("Address")

    async def _lock(self, tx: Tx, user_id: UserId) -> None:
        if not await self._rows.lock_owner(tx, user_id):
            raise Problem(SESSION_EXPIRED)

    async def _found(self, source: Tx | Db, user_id: UserId, address_id: UUID) -> AddressView:
        view = await self._rows.find(source, user_id, address_id)
        if view is None:
            raise not_found("Address")
        return view
