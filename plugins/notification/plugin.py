"""Wiring: the service, its consumers and routes, one courier per medium, and the housekeeping."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from core.events.subscription import Subscription
from core.extensions import Extends
from core.hookspecs import hookimpl
from core.http.health import HealthCheck
from core.http.routing import Route
from core.jobs import Job
from core.kernel import Kernel, Manifest
from core.observe.counts import Count
from core.privacy.model import PersonalData
from core.services import Provided
from core.tasks import SILENCE
from plugins.notification import routes, subscribers
from plugins.notification.channels.build import build
from plugins.notification.channels.contributed import Contributed
from plugins.notification.channels.pace import Pace, paces
from plugins.notification.codes import CodesBySms
from plugins.notification.counts import Counts
from plugins.notification.outgoing import Deliveries
from plugins.notification.personal import PersonalNotifications
from plugins.notification.ports import CHANNELS, Channel, Medium
from plugins.notification.sending import Courier
from plugins.notification.service import NotificationService
from plugins.notification.settings import NotificationSettings
from plugins.notification.texts import Texts
from plugins.user.ports import CODE_SENDER, USERS

HOUR = 3600.0
STOP_BUDGET = 8.0
"""Seconds that the couriers get to finish what is under way: the slowest send and its mark."""
MARKED = 10.0
"""Seconds beyond its lease that a courier may stand still: its sends end within the lease, and are marked then."""
LATE = 300
"""Seconds a due delivery may wait before the health page says so."""


class NotificationPlugin:
    """The notification domain."""

    manifest = Manifest(
        name="notification",
        version="1.0.0",
        schema="notifications",
        requires=("order", "user"),
        owner="messaging team",
        required=True,
        paths=("notifications",),
        settings=NotificationSettings,
    )

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """The way of one-time codes to phones."""
        self._settings = settings = kernel.section(NotificationSettings)
        self._channels = build(
            settings, development=kernel.settings.development, data_dir=kernel.data_dir, breakers=kernel.breakers
        )
        users = kernel.services.get(USERS)
        self._kernel, self._texts = kernel, Texts(kernel.extensions, kernel.guards)
        self._couriers: list[Courier] = []
        self._counts = Counts()
        self._service = NotificationService(kernel.db, users, (), self._texts.find)
        self._service.on_deliveries = self._poke
        self._deliveries = Deliveries(kernel.db)
        self._personal = PersonalNotifications(kernel.db, users, self._channels.journal)
        return (Provided(CODE_SENDER, CodesBySms(self._channel(Medium.SMS))),)

    @hookimpl
    def extends(self) -> Sequence[Extends[Any]]:
        """The built-in channels and texts, as any plugin would."""
        return (*self._channels.declared(), *subscribers.declared())

    def _channel(self, medium: Medium) -> Contributed:
        return Contributed(medium, self._kernel.extensions, self._kernel.guards)

    def _staff(self) -> None:
        """One courier for each medium that somebody provides, now that every plugin has contributed."""
        offered = {one.item.medium for one in self._kernel.extensions.of(CHANNELS)}
        self._channels.check(offered)
        channels = {medium: self._channel(medium) for medium in Medium if medium in offered}
        timeout = self._settings.call_timeout
        pace = paces(self._settings, {medium: channel.slowest(timeout) for medium, channel in channels.items()})
        self._service.media = tuple(channels)
        self._couriers = [self._courier(medium, channel, pace[medium]) for medium, channel in channels.items()]

    def _courier(self, medium: Medium, channel: Channel, pace: Pace) -> Courier:
        kernel = self._kernel
        users = kernel.services.get(USERS)
        return Courier(medium, channel, kernel.db, users, pace, self._texts.find, self._counts)

    async def _poke(self, media: Collection[Medium]) -> None:
        for courier in self._couriers:
            if courier.medium in media:
                courier.poke()

    @hookimpl
    def migrations(self) -> Path:
        """The schema `notifications`."""
        return Path(__file__).parent / "migrations"

    @hookimpl
    def routes(self) -> Sequence[Route]:
        """CONTRACT section 0, 34 to 41, and deleting."""
        return routes.routes(self._service)

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        """Orders, payments, deleted accounts, and what other plugins tell of. By now all of them have contributed."""
        self._staff()
        return subscribers.subscriptions(self._service, self._texts)

    @hookimpl
    def personal_data(self) -> PersonalData:
        """Entries, devices, choices and messages."""
        return self._personal.declared()

    @hookimpl
    def jobs(self) -> Sequence[Job]:
        """Deleting what is old."""
        return (Job(name="notification.housekeeping", every=HOUR, run=self._housekeep, single=True),)

    async def _housekeep(self) -> None:
        await self._service.housekeep(self._settings.keep_entries_days, self._settings.keep_deliveries_days)

    @hookimpl
    def health_checks(self) -> Sequence[HealthCheck]:
        """Whether messages leave."""
        return (HealthCheck(name="deliveries", check=self._not_late),)

    async def _not_late(self) -> None:
        waited = await self._deliveries.oldest_due(self._service.media)
        if waited > LATE:
            raise RuntimeError(f"messages have been waiting for {waited:.0f} s")

    @hookimpl
    def metrics(self) -> Sequence[Count]:
        """See counts.py."""
        return self._counts.all()

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """The providers' session, and the couriers, which finish what they hold before it closes."""
        return self._serving()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        tasks, silence = self._kernel.tasks, max(SILENCE, self._settings.lease + MARKED)
        async with self._channels.http.opened():
            for courier in self._couriers:
                tasks.forever(f"notification {courier.medium}", courier.run, silence=silence)
            try:
                yield
            finally:
                await asyncio.gather(*(courier.stop(STOP_BUDGET) for courier in self._couriers))
                await tasks.stop(1.0)  # before the session closes under them


plugin = NotificationPlugin
