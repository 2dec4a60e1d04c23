"""The rules of the list, the devices and the preferences, and what an event turns into."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from core.errors import not_found
from core.events.model import EventMeta
from core.http.routing import Pagination
from core.observe.tracing import carried
from core.store.db import Db, Tx
from core.types import UserId, uuid7
from plugins.notification.models import Delivery, Entry, EntryView, Preferences
from plugins.notification.outgoing import Deliveries
from plugins.notification.personal_queries import PersonalRows
from plugins.notification.ports import Medium, Template
from plugins.notification.queries import Inbox
from plugins.notification.templates import BUILT_IN, LIFETIME
from plugins.notification.texts import filled, target
from plugins.user.ports import Users

BATCH = 1_000
"""Rows that one housekeeping statement deletes at most."""


class NotificationService:
    """Entries for everyone, deliveries for those who want them."""

    def __init__(
        self,
        db: Db,
        users: Users,
        media: Sequence[Medium],
        find: Callable[[str], Template | None] = BUILT_IN.get,
    ) -> None:
        """`find` answers the text of a name."""
        self._inbox, self._deliveries, self._personal = Inbox(db), Deliveries(db), PersonalRows()
        self._users, self._find = users, find
        self.media = tuple(media)
        """Those that somebody provides: known once every plugin has contributed."""
        self.on_deliveries: Callable[[Collection[Medium]], Awaitable[None]] = _nobody
        """Called with the media that have new deliveries, once they are committed: the couriers' wake-up."""

    async def announce(
        self, tx: Tx, user: UserId, template: str, variables: Mapping[str, str], meta: EventMeta
    ) -> None:
        """Write the owner's entry, whatever the settings, and a delivery per medium that the owner wants.

        A repeat, an event about an account that is gone, and one without a text write nothing. `variables` hold the
        words and `orderId`.
        """
        contact, text = (await self._users.contacts(tx, [user])).get(user), self._find(template)
        if contact is None or text is None:
            return
        entry = Entry(
            id=uuid7(),
            user_id=user,
            event_id=meta.event_id,
            type=text.type,
            title=filled(text.title, variables),
            body=filled(text.body, variables),
            action_type=text.action,
            action_data=target(variables),
            created_at=meta.occurred_at,
        )
        if not await self._inbox.add(tx, entry):
            return
        preferences, devices = await self._inbox.reach(tx, user)
        media = preferences.media(entry.type, [m for m in self.media if contact.email or m is not Medium.EMAIL])
        deliveries = _fan_out(entry, template, variables, media, devices)
        if deliveries:
            await self._deliveries.add(tx, deliveries, LIFETIME)
            tx.after_commit(partial(self.on_deliveries, {delivery.medium for delivery in deliveries}))

    async def silence(self, tx: Tx, user: UserId, until: datetime) -> None:
        """Send nothing of what was on its way to a customer at that time."""
        await self._personal.silence(tx, user, until)

    async def page(self, user: UserId, page: int, limit: int, *, unread: bool) -> tuple[list[EntryView], Pagination]:
        """Newest first. A page past the end is empty."""
        entries, total = await self._inbox.page(user, limit, (page - 1) * limit, unread=unread)
        return entries, Pagination(page=page, limit=limit, total=total)

    async def unread(self, user: UserId) -> int:
        """How many entries wait to be read."""
        return await self._inbox.unread(user)

    async def read(self, user: UserId, entry: UUID) -> None:
        """Mark one as read, again if need be; raises RES_001 when it is not the customer's."""
        if not await self._inbox.mark_read(user, entry):
            raise not_found("Notification")

    async def read_all(self, user: UserId) -> int:
        """Mark all as read; how many were not."""
        return await self._inbox.mark_all_read(user)

    async def delete(self, user: UserId, entry: UUID) -> None:
        """Take one off the list; raises RES_001 when it is not the customer's."""
        if not await self._inbox.delete(user, entry):
            raise not_found("Notification")

    async def clear(self, user: UserId) -> int:
        """Empty the list; how many there were."""
        return await self._inbox.clear(user)

    async def register(self, user: UserId, session: UUID, token: str, platform: str) -> None:
        """From now on the device is this customer's, whoever signed in on it before, until the session ends."""
        await self._inbox.register(user, session, uuid7(), token, platform)

    async def unregister(self, user: UserId, token: str) -> None:
        """Send nothing to the device any more. Doing it twice, or for an unknown token, changes nothing."""
        await self._inbox.deactivate(user, token)

    async def preferences(self, user: UserId) -> Preferences:
        """The customer's choices; reading them writes nothing."""
        return await self._inbox.preferences(user)

    async def change_preferences(self, user: UserId, changes: dict[str, bool]) -> Preferences:
        """Set the named switches and leave the others."""
        return await self._inbox.change(user, changes)

    async def housekeep(self, entry_days: int, delivery_days: int) -> None:
        """Delete what nobody will look at again, in bounded batches."""
        while await self._inbox.delete_old(entry_days, BATCH) == BATCH:
            pass
        while await self._deliveries.delete_done(delivery_days, BATCH) == BATCH:
            pass


async def _nobody(_: Collection[Medium]) -> None:
    """Until couriers are there."""


def _fan_out(
    entry: Entry, template: str, variables: Mapping[str, str], media: Sequence[Medium], devices: Sequence[UUID]
) -> list[Delivery]:
    """One delivery per medium; for push one per device."""
    return [
        Delivery(
            id=uuid7(),
            user_id=entry.user_id,
            entry_id=entry.id,
            medium=medium,
            device_id=device,
            template=template,
            variables=variables,
            traceparent=carried(),
        )
        for medium in media
        for device in (devices if medium is Medium.PUSH else (None,))
    ]
