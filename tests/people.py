"""People for tests: they sign in as the app does, by a code that was really sent."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import attrs
import pytest

from core.testing import TestApp

TRIES, BUSY = 10, 503
FRESH = 300.0
"""Seconds for which tests share somebody who is signed in: the suite takes longer than a token lasts."""


@attrs.frozen(kw_only=True)
class Customer:
    """Somebody who is signed in."""

    user_id: UUID
    phone: str
    """Ten digits, as the app sends them."""
    token: str
    refresh: str

    @property
    def full_phone(self) -> str:
        """As it is stored and as messages are addressed."""
        return f"+91{self.phone}"


NewCustomer = Callable[[], Awaitable[Customer]]


def new_phone() -> str:
    """A number that no other test has."""
    return f"{6 + secrets.randbelow(4)}{secrets.randbelow(10**9):09d}"


def while_fresh() -> int:
    """A number that changes when whoever is shared must sign in anew."""
    return int(time.monotonic() // FRESH)


async def code_for(app: TestApp, phone: str) -> str:
    """Ask for a code and read it from what was sent."""
    before = len(app.messages(f"+91{phone}"))
    answer = await app.post("/auth/send-otp", json={"phone": phone})
    for _ in range(TRIES):  # as the app does: our loop may have stood still for minutes between two tests
        if answer.status != BUSY:
            break
        await asyncio.sleep(1)
        answer = await app.post("/auth/send-otp", json={"phone": phone})
    assert answer.status == 200, answer.body
    return str((await app.message(f"+91{phone}", before))["code"])


async def sign_in(app: TestApp, phone: str) -> Customer:
    """The whole way, over HTTP."""
    answer = await app.post("/auth/verify-otp", json={"phone": phone, "otp": await code_for(app, phone)})
    assert answer.status == 200, answer.body
    data = answer.data
    return Customer(
        user_id=UUID(data["user"]["id"]), phone=phone, token=data["accessToken"], refresh=data["refreshToken"]
    )


@pytest.fixture
def new_customer(app: TestApp) -> NewCustomer:
    """Makes a further customer."""

    async def make() -> Customer:
        return await sign_in(app, new_phone())

    return make


@pytest.fixture
async def customer(new_customer: NewCustomer) -> Customer:
    """Somebody new."""
    return await new_customer()


@pytest.fixture(scope="session")
def administrators() -> dict[int, Customer]:
    """By the time they were made for."""
    return {}


@pytest.fixture
async def admin(app: TestApp, administrators: dict[int, Customer]) -> Customer:
    """Somebody with the role ADMIN, given stored as `vurksha admin grant` stores it."""
    if (now := while_fresh()) not in administrators:
        phone = new_phone()
        await sign_in(app, phone)
        await app.db.fetchval("UPDATE users.accounts SET role = 'ADMIN' WHERE phone = $1 RETURNING id", f"+91{phone}")
        administrators[now] = await sign_in(app, phone)
    return administrators[now]
