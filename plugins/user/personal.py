"""Personal data of the user domain: what it holds, its copy and its erasure (RELIABILITY 4.15)."""

from uuid import UUID

from core.context import cause
from core.privacy.exports import Exports, ExportStatus
from core.privacy.model import BATCH, Fate, Holding, PersonalData, Step, Subject, uuid_of
from core.store.db import Db, Tx
from core.types import UserId, uuid7
from plugins.user.models import normal_phone
from plugins.user.personal_queries import PersonalRows
from plugins.user.ports import UserDeleted
from plugins.user.queries import Accounts
from plugins.user.sessions import Sessions

HOLDINGS = (
    Holding("users.accounts", Fate.DELETED, "the phone is free for a new account"),
    Holding("users.addresses", Fate.DELETED),
    Holding("users.sessions", Fate.DELETED),
    Holding("users.refresh_tokens", Fate.DELETED),
    Holding("users.challenges", Fate.DELETED, "those of the last day limit misuse; all go after 2 days"),
    Holding("users.code_messages", Fate.DELETED, "with their challenge; they live 5 minutes"),
    Holding("users.code_counters", Fate.KEPT, "counts by network address and number block, 2 days; no person's"),
    Holding("users.revocations", Fate.KEPT, "ids of ended sessions, 1 day"),
)


class PersonalAccounts:
    """The port `kernel.people`, the domain's `personal_data`, and customers' exports."""

    def __init__(self, db: Db, accounts: Accounts, sessions: Sessions) -> None:
        self._db, self._accounts, self._sessions = db, accounts, sessions
        self._rows, self._exports = PersonalRows(), Exports()

    def declared(self) -> PersonalData:
        """For the hook."""
        return PersonalData(
            holdings=HOLDINGS,
            export=self._rows.copy,
            erase=self.erase,
            payloads={"user.created": ("phoneNumber",), "user.updated": ("changes",)},
        )

    async def erase(self, tx: Tx, subject: Subject) -> Step:
        """Close the account, should a backup have opened it, then empty it, then delete it."""
        await self._shut(tx, subject.user_id)
        if not await self._rows.delete_parts(tx, subject.user_id, BATCH, all_codes=subject.final):
            return Step.MORE
        await self._rows.delete_account(tx, subject.user_id)
        return Step.DONE

    async def _shut(self, tx: Tx, user_id: UserId) -> None:
        await self._sessions.hold(tx, user_id)
        await self._accounts.deactivate(tx, user_id)
        await self._sessions.end_all(tx, user_id, "DELETED")

    async def find(self, source: Tx | Db, who: str) -> UserId | None:
        """Port `People`."""
        user_id, phone = uuid_of(who), normal_phone(who)
        if user_id is not None:
            found = await self._rows.by_id(source, user_id)
        else:
            found = await self._rows.by_phone(source, phone) if phone else None
        return UserId(found) if found else None

    async def close(self, tx: Tx, user_id: UserId) -> None:
        """Port `People`. Emits user.deleted v1."""
        await self._sessions.hold(tx, user_id)
        deleted_at = await self._accounts.deactivate(tx, user_id)
        await self._sessions.end_all(tx, user_id, "DELETED")
        tx.emit(UserDeleted(user_id=user_id, deleted_at=deleted_at))

    async def reopen(self, tx: Tx, user_id: UserId) -> bool:
        """Port `People`. Emits user.restored v1."""
        await self._sessions.hold(tx, user_id)
        return await self._rows.reopen(tx, user_id, uuid7(), cause.get().correlation_id)

    async def request_export(self, tx: Tx, user_id: UserId) -> ExportStatus:
        """Have a copy made within 24 hours; the last one, if that was asked for within a day."""
        return await self._exports.request(tx, user_id)

    async def latest_export(self, user_id: UserId) -> ExportStatus | None:
        """The newest copy that has not expired."""
        return await self._exports.latest(self._db, user_id)

    async def export(self, user_id: UserId, export_id: UUID) -> tuple[ExportStatus, str | None] | None:
        """One of the user's own copies and its JSON text, which is None until it is made."""
        return await self._exports.find(self._db, user_id, export_id)
