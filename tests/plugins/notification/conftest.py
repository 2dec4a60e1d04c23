"""The domain's tables on a database of their own, beside those of users, whose sessions its SQL asks about.

The ports of the other domains are stood in for.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import pytest

from core.events.model import EventMeta
from core.extensions import Extends, Extensions
from core.isolation.guards import Guards
from core.settings import IsolationSettings, Secret
from core.store import migrate
from core.store.db import Db, Tx
from core.store.pool import Pool
from core.types import UserId, uuid7
from plugins.notification import subscribers
from plugins.notification.channels.build import Channels, build
from plugins.notification.channels.pace import Pace
from plugins.notification.ports import Channel, Medium, Message, NotSent, Sent, Template
from plugins.notification.sending import Courier
from plugins.notification.service import NotificationService
from plugins.notification.settings import NotificationSettings
from plugins.notification.templates import BUILT_IN
from plugins.notification.texts import Texts
from plugins.user.ports import Contact
from tests.plugins.notification.world import TEMPLATE_IDS, World
from tests.providers import sms
from tests.providers.google import Google
from tests.providers.mail import PASSWORD, USER, MailServer
from tests.providers.sms import GatewayServer, Msg91Server

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "INSERT INTO users.accounts (id, phone) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING"
SESSION = """
INSERT INTO users.sessions (id, user_id, salt, address, user_agent, expires_at)
VALUES ($1, $2, '', '', '', now() + interval '90 days')
"""
PACE = Pace(concurrency=8, lease=20, poll=1, slowest=6)


class FakeUsers:
    """The user domain's directory, in memory."""

    def __init__(self) -> None:
        self.known: dict[UserId, Contact] = {}

    def add(self, *, email: str | None = "asha@example.com") -> UserId:
        """Somebody new."""
        user = UserId(uuid7())
        phone = f"+9198{user.int % 10**8:08d}"
        self.known[user] = Contact(phone=phone, email=email, name="Asha")
        return user

    async def contacts(self, tx: Tx | Db, ids: Collection[UserId]) -> Mapping[UserId, Contact]:
        """The active ones."""
        return {user: self.known[user] for user in ids if user in self.known}

    async def reach(self, source: Tx | Db, user_id: UserId) -> Contact | None:
        """Anybody known."""
        return self.known.get(user_id)


class FakeChannel:
    """Keeps what it was given; raises what `failures` hold, one for each call, before it takes anything."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.failures: list[NotSent] = []
        self.before: Callable[[Message], Awaitable[None]] | None = None
        self.after: Callable[[Message], Awaitable[None]] | None = None

    async def send(self, message: Message) -> Sent:
        """Take it."""
        if self.before:
            await self.before(message)
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)
        if self.after:
            await self.after(message)
        return Sent("fake", "ref-1")


@attrs.frozen(kw_only=True)
class Room:
    """The service and what it stands on."""

    db: Db
    users: FakeUsers
    service: NotificationService
    texts: dict[str, Template]

    def courier(self, medium: Medium, channel: Channel, pace: Pace = PACE) -> Courier:
        """A worker, as one replica has."""
        return Courier(medium, channel, self.db, self.users, pace, self.texts.get)

    async def tell(self, user: UserId, template: str = "ORDER_PLACED", meta: EventMeta | None = None) -> EventMeta:
        """What the bus does with an event."""
        meta = meta or occurred(user)
        order = str(uuid7())
        words = {
            "orderId": order,
            "orderNumber": "VRK-2026-000001",
            "amount": "₹1,234.50",
            "expected": "soon",
            "refund": "",
        }
        async with self.db.transaction() as tx:
            await self.service.announce(tx, user, template, words, meta)
        return meta

    async def with_push(self) -> tuple[UserId, str]:
        """A customer with one phone, and a push on its way to it."""
        user, token = self.users.add(email=None), f"token-{uuid7()}"
        await self.register(user, token, "android")
        await self.tell(user)
        return user, token

    async def sign_in(self, user: UserId) -> UUID:
        """A session of this customer, which is open."""
        session = uuid7()
        async with self.db.transaction() as tx:
            await tx.execute(ACCOUNT, user, self.users.known[user].phone)
            await tx.execute(SESSION, session, user)
        return session

    async def register(self, user: UserId, token: str, platform: str) -> UUID:
        """Who signs in registers the phone; the session."""
        session = await self.sign_in(user)
        await self.service.register(user, session, token, platform)
        return session

    async def states(self, user: UserId) -> list[tuple[str, str, str | None]]:
        """Medium, state and reason of each delivery."""
        rows = await self.db.fetch(
            "SELECT medium, state, reason FROM notifications.deliveries WHERE user_id = $1 ORDER BY medium, id", user
        )
        return [(row["medium"], row["state"], row["reason"]) for row in rows]

    async def run_out(self, user: UserId) -> None:
        """Time passes: whatever waits for this customer is due."""
        await self.db.command("UPDATE notifications.deliveries SET next_attempt_at = now() WHERE user_id = $1", user)


def occurred(user: UserId) -> EventMeta:
    """An event's meta."""
    return EventMeta(
        event_id=uuid7(), aggregate_id=str(uuid7()), occurred_at=datetime.now(UTC), correlation_id="", user_id=user
    )


@pytest.fixture(scope="module")
async def room(new_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Room]:
    """One database for a module, so that its couriers find no others' deliveries."""
    dsn = await new_database()
    own = {name: ROOT / "plugins" / name / "migrations" for name in ("user", "notification")}
    folders = {"kernel": ROOT / "core/store/migrations", **own}
    await migrate.apply(dsn, migrate.read(folders))
    pool = Pool(dsn, size=8, warm=1, connect=1.0, server={"timezone": "UTC"})
    await pool.open()
    db, users, texts = Db(pool), FakeUsers(), dict(BUILT_IN)
    yield Room(db=db, users=users, service=NotificationService(db, users, tuple(Medium), texts.get), texts=texts)
    await pool.close()


@pytest.fixture
async def clean(room: Room) -> Room:
    """The room with nothing on its way."""
    async with room.db.transaction() as tx:
        await tx.execute("DELETE FROM notifications.deliveries")
    return room


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    google, msg91, gateway, mail = Google(), Msg91Server(), GatewayServer(), MailServer(tmp_path)
    async with google.running(), msg91.running(), gateway.running(), mail.running():
        settings = NotificationSettings(
            call_timeout=0.5,
            fcm_service_account=Secret(google.account()),
            fcm_url=google.url,
            google_token_url=f"{google.url}/token",
            msg91_authkey=Secret(sms.AUTHKEY),
            msg91_url=msg91.url,
            msg91_templates=TEMPLATE_IDS,
            sms_gateway_url=gateway.url,
            sms_gateway_key=Secret(sms.KEY),
            smtp_host="127.0.0.1",
            smtp_port=mail.port,
            smtp_user=USER,
            smtp_password=Secret(PASSWORD),
            smtp_ca_file=str(mail.ca_file),
        )
        yield World(google, msg91, gateway, mail, settings)


@pytest.fixture
async def channels(world: World, tmp_path: Path) -> AsyncIterator[Channels]:
    built = build(world.settings, development=False, data_dir=tmp_path)
    async with built.http.opened():
        yield built


def contributed(*others: tuple[str, Extends[Any]]) -> tuple[Extensions, Guards]:
    """What these plugins contribute; `notification` is required, the others are not."""
    guards = Guards(IsolationSettings(), {plugin for plugin, _ in others} - {"notification"})
    extensions = Extensions(guards.available)
    for plugin, extends in others:
        extensions.add(plugin, extends)
    extensions.seal()
    return extensions, guards


def built_in_texts(*others: tuple[str, Extends[Any]]) -> Texts:
    """The built-in texts and those of others."""
    return Texts(*contributed(*(("notification", one) for one in subscribers.declared()), *others))
