"""Personal data of notifications: entries, devices, choices, messages (RELIABILITY 4.15)."""

from core.privacy.model import BATCH, Fate, Holding, PersonalData, Step, Subject
from core.store.db import Db, Tx
from core.types import UserId
from plugins.notification.channels.journal import Journal
from plugins.notification.personal_queries import PersonalRows
from plugins.user.ports import Users

HOLDINGS = (
    Holding("notifications.entries", Fate.DELETED),
    Holding("notifications.devices", Fate.DELETED),
    Holding("notifications.preferences", Fate.DELETED),
    Holding("notifications.deliveries", Fate.DELETED),
)


class PersonalNotifications:
    """The domain's `personal_data`."""

    def __init__(self, db: Db, users: Users, journal: Journal | None) -> None:
        """`journal` where there is one: in development."""
        self._db, self._users, self._journal, self._rows = db, users, journal, PersonalRows()

    def declared(self) -> PersonalData:
        """For the hook."""
        return PersonalData(holdings=HOLDINGS, export=self._rows.copy, erase=self.erase, elsewhere=self.forget)

    async def erase(self, tx: Tx, subject: Subject) -> Step:
        """All of it."""
        return Step.DONE if await self._rows.delete(tx, subject.user_id, BATCH) else Step.MORE

    async def forget(self, user_id: UserId) -> None:
        """What development wrote down of the messages to this person's phone, mailbox and devices."""
        if self._journal is None:
            return
        receivers = set(await self._rows.tokens(self._db, user_id))
        contact = await self._users.reach(self._db, user_id)
        if contact is not None:
            receivers |= {contact.phone, contact.email or contact.phone}
        await self._journal.forget(receivers)
