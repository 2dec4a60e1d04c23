"""Saved ways to pay: a handful a customer, one of them the default (CONTRACT C.10)."""

from collections.abc import Sequence
from uuid import UUID

from core.errors import Problem, not_found
from core.store.db import Db, Tx
from core.types import UserId, uuid7
from plugins.payment.method_queries import Methods
from plugins.payment.models import NewMethod, SavedMethod
from plugins.payment.ports import TOO_MANY_METHODS


class MethodBook:
    """Writes hold the owner's lock. The first one is the default; when the default goes, the newest that is left is."""

    def __init__(self, db: Db, most: int) -> None:
        self._db, self._most = db, most
        self._methods = Methods()

    async def all(self, owner: UserId) -> Sequence[SavedMethod]:
        """The default first, then the newest."""
        return await self._methods.all(self._db, owner)

    async def upi_id(self, tx: Tx, owner: UserId, method_id: UUID) -> str | None:
        """The UPI address of a saved method; None when it has none. Raises not found."""
        found = await self._methods.find(tx, owner, method_id)
        if found is None:
            raise not_found("Payment method")
        return found.token if found.type == "upi" else None

    async def add(self, tx: Tx, owner: UserId, new: NewMethod) -> SavedMethod:
        """Keep one more. Raises TOO_MANY_METHODS."""
        await self._methods.hold(tx, owner)
        there = await self._methods.all(tx, owner)
        if len(there) >= self._most:
            raise Problem(TOO_MANY_METHODS, details={"most": self._most})
        method_id = uuid7()
        await self._methods.add(tx, owner, method_id, new)
        if new.is_default or not there:
            await self._methods.make_default(tx, owner, method_id)
        return await self._one(tx, owner, method_id)

    async def make_default(self, tx: Tx, owner: UserId, method_id: UUID) -> SavedMethod:
        """Propose this one from now on."""
        await self._methods.hold(tx, owner)
        await self._one(tx, owner, method_id)
        await self._methods.make_default(tx, owner, method_id)
        return await self._one(tx, owner, method_id)

    async def delete(self, tx: Tx, owner: UserId, method_id: UUID) -> None:
        """Forget one. When it was the default, the newest that is left becomes it."""
        await self._methods.hold(tx, owner)
        if not await self._methods.delete(tx, owner, method_id):
            raise not_found("Payment method")
        left = await self._methods.all(tx, owner)
        if left and not left[0].is_default:
            await self._methods.make_default(tx, owner, left[0].id)

    async def _one(self, tx: Tx, owner: UserId, method_id: UUID) -> SavedMethod:
        found = await self._methods.find(tx, owner, method_id)
        if found is None:
            raise not_found("Payment method")
        return found
