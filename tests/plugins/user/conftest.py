"""The user domain on a database of its own, with the limits that production has."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import attrs
import pytest

import core.store
import plugins.user
from core.auth import Principal, Role, TokenIssuer
from core.settings import Secret
from core.store import migrate
from core.store.db import Db
from core.store.pool import Pool
from core.testing import TestApp
from core.types import SessionId, UserId
from plugins.user.address_queries import AddressRows
from plugins.user.addresses import AddressBook
from plugins.user.code_queries import Codes
from plugins.user.codes import CodeBook
from plugins.user.courier import Courier
from plugins.user.models import Account, Device, ProfilePatch, SignedIn
from plugins.user.queries import Accounts, SessionRows
from plugins.user.service import UserService
from plugins.user.sessions import Sessions
from plugins.user.settings import UserSettings
from plugins.user.signin import SignIn
from plugins.user.upkeep import Upkeep

PEPPER = "p" * 32
numbers = itertools.count(1)
"""Every test uses phones of its own. Consecutive ones lie in different blocks, as those of strangers do."""


def new_phone() -> str:
    """A phone that no test used before."""
    number = next(numbers)
    return f"+919{number % 100_000:05d}{number:04d}"


def new_address() -> str:
    """A client address that no test used before."""
    number = next(numbers)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class Outbox:
    """A sender that keeps what it is given. `failures` is how many calls it refuses first."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, int]] = []
        self.failures = 0

    async def send(self, phone: str, code: str, expires_in: int) -> None:
        """Keep it, or fail as told."""
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        self.sent.append((phone, code, expires_in))


@attrs.frozen
class House:
    """The services of one replica."""

    db: Db
    settings: UserSettings
    tokens: TokenIssuer
    book: CodeBook
    codes: Codes
    courier: Courier
    signin: SignIn
    sessions: Sessions
    users: UserService
    addresses: AddressBook
    upkeep: Upkeep

    async def code_of(self, phone: str) -> str:
        """The live code of a phone, read as the courier reads it."""
        row = await self.db.fetchrow(
            "SELECT m.challenge_id, m.sealed FROM users.code_messages m"
            " JOIN users.challenges c ON c.id = m.challenge_id WHERE c.phone = $1 AND c.live",
            phone,
        )
        assert row is not None
        return self.book.open(row["challenge_id"].bytes, row["sealed"])

    async def send(self, phone: str) -> str:
        """Send a code from an address of its own; the code."""
        await self.signin.send(phone, Device(), new_address())
        return await self.code_of(phone)

    async def verify(self, phone: str, code: str, device: str | None = None) -> SignedIn:
        """Use a code."""
        return await self.signin.verify(phone, code, Device(id=device), "127.0.0.1", "tests")

    async def sign_in(self, phone: str | None = None, device: str | None = None) -> SignedIn:
        """A code sent and used."""
        phone = phone or new_phone()
        return await self.verify(phone, await self.send(phone), device)

    async def change(self, user_id: UserId, patch: ProfilePatch) -> Account:
        """Change a profile, as the route does."""
        async with self.db.transaction() as tx:
            return await self.users.change(tx, user_id, patch)

    def principal(self, done: SignedIn) -> Principal:
        """Who the access token speaks for."""
        return self.tokens.principal(f"Bearer {done.tokens.access_token}")

    async def age(self, phone: str, seconds: float) -> None:
        """Make everything that was sent to a phone older."""
        async with self.db.transaction() as tx:
            await tx.execute(
                "UPDATE users.challenges SET created_at = created_at - make_interval(secs => $2),"
                " expires_at = expires_at - make_interval(secs => $2) WHERE phone = $1",
                phone,
                seconds,
            )


NewHouse = Callable[..., House]


@pytest.fixture(scope="session")
async def own_db(new_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Db]:
    """A database with the kernel's schema and this domain's, and nothing else."""
    url = await new_database()
    folders = {"kernel": Path(core.store.__file__).parent, "user": Path(plugins.user.__file__).parent}
    await migrate.apply(url, migrate.read({name: folder / "migrations" for name, folder in folders.items()}))
    pool = Pool(url, size=24, warm=1, connect=2.0, server={})
    await pool.open()
    yield Db(pool, acquire=5.0)
    await pool.close()


@pytest.fixture(scope="session")
def new_house(own_db: Db) -> NewHouse:
    """Makes a replica; keyword arguments override settings."""

    def make(**changes: int) -> House:
        settings = UserSettings(code_pepper=Secret(PEPPER), **{"sends_per_second": 1_000_000, **changes})
        tokens = TokenIssuer("s" * 32, [], issuer="test", audience="test", minutes=15)
        book, codes = CodeBook(PEPPER), Codes(own_db)
        courier = Courier(codes, book, settings.code_attempts)
        sessions = Sessions(own_db, SessionRows(), settings, tokens)
        return House(
            own_db,
            settings,
            tokens,
            book,
            codes,
            courier,
            SignIn(codes, book, settings, tokens, courier.poke),
            sessions,
            UserService(own_db, Accounts(), sessions),
            AddressBook(own_db, AddressRows(), most=settings.max_addresses),
            Upkeep(own_db, codes, settings),
        )

    return make


@pytest.fixture(scope="session")
def house(new_house: NewHouse) -> House:
    """A replica with the settings of production, but any number of sends per second."""
    return new_house()


@attrs.frozen
class Client:
    """Somebody who signed in over HTTP."""

    user_id: UserId
    token: str
    refresh: str
    phone: str


async def http_sign_in(app: TestApp, phone: str) -> Client:
    """The app's own way in."""
    before = len(app.messages(phone))
    sent = await app.post("/auth/send-otp", json={"phone": phone[3:]})
    assert sent.status == 200, sent.body
    code = (await app.message(phone, before))["code"]
    answer = await app.post("/auth/verify-otp", json={"phone": phone[3:], "otp": code})
    assert answer.status == 200, answer.body
    data = answer.data
    return Client(UserId(UUID(data["user"]["id"])), data["accessToken"], data["refreshToken"], phone)


def someone() -> Principal:
    """A principal that nobody knows."""
    return Principal(UserId(UUID(int=1)), SessionId(UUID(int=2)), Role.CUSTOMER)
