"""Writes and the end of sessions: one waits for the other, and nobody for each other (RELIABILITY 4.4)."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from core.auth import Principal, Role
from core.errors import Problem
from core.store.db import Tx
from core.testing import TestApp
from core.types import UserId
from plugins.user.models import AddressPatch
from tests.plugins.user.conftest import Client, House, NewHouse, http_sign_in, new_phone
from tests.plugins.user.test_addresses import add
from tests.plugins.user.test_routes import ADDRESS
from tests.waiting import somebody_waits

AGED = "UPDATE users.sessions SET created_at = now() - interval '301 s' WHERE id = $1"
END = "SELECT users.end_session($1, 'LOGOUT')"
LOCK_ACCOUNT = "SELECT id FROM users.accounts WHERE id = $1 FOR NO KEY UPDATE"


def principal(app: TestApp, who: Client) -> Principal:
    """Whom an access token speaks for."""
    return app.kernel.tokens.principal(f"Bearer {who.token}")


async def saved(app: TestApp, me: Client) -> str:
    """The path of a new address."""
    return f"/addresses/{(await app.post('/addresses', as_=me, json=ADDRESS)).data['address']['id']}"


@pytest.fixture
async def me(app: TestApp) -> Client:
    """A new customer."""
    return await http_sign_in(app, new_phone())


@pytest.mark.parametrize(
    ("method", "end", "body"),
    [
        ("DELETE", "", None),
        ("PUT", "", {"city": "Mumbai"}),
        ("POST", "/default", None),
        ("PUT", "me", {"name": "Asha"}),
    ],
)
async def test_a_write_whose_session_ends_meanwhile_is_refused(
    app: TestApp, me: Client, method: str, end: str, body: dict[str, str] | None
) -> None:
    path = await saved(app, me)
    before = await app.db.fetchrow("SELECT * FROM users.addresses WHERE user_id = $1", me.user_id)
    async with app.db.transaction() as tx:
        await tx.fetchval(END, principal(app, me).session_id)
        write = asyncio.create_task(app.request(method, "/users/me" if end == "me" else path + end, as_=me, json=body))
        await somebody_waits(app.db, tx)
        assert not write.done(), "it passed the token check and waits for the session's row"
    answer = await write
    assert (answer.status, answer.code) == (401, "AUTH_004")
    assert await app.db.fetchrow("SELECT * FROM users.addresses WHERE user_id = $1", me.user_id) == before
    assert await app.db.fetchval("SELECT name FROM users.accounts WHERE id = $1", me.user_id) is None


@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_logout_waits_for_a_write_that_was_let_in(app: TestApp, me: Client, everywhere: bool) -> None:
    path = await saved(app, me)
    async with app.db.transaction() as tx:
        await tx.fetchval(LOCK_ACCOUNT, me.user_id)
        write = asyncio.create_task(app.delete(path, as_=me))
        await somebody_waits(app.db, tx)
        logout = asyncio.create_task(app.post("/auth/logout", as_=me, json={"allDevices": everywhere}))
        done, _ = await asyncio.wait((write, logout), timeout=0.15)
        assert not done
    assert ((await write).status, (await logout).status) == (200, 200)
    assert (await app.get("/addresses", as_=me)).code == "AUTH_004"


async def test_an_account_that_two_devices_delete_at_once_is_deleted_once(app: TestApp, me: Client) -> None:
    other = await http_sign_in(app, me.phone)
    began = time.monotonic()
    answers = await asyncio.gather(*(app.delete("/users/me", as_=who) for who in (me, other, me, other)))
    assert sorted(answer.status for answer in answers) == [200, 401, 401, 401]
    assert time.monotonic() - began < 0.7, "nobody waited until its time was over"


async def test_a_deletion_whose_session_ends_meanwhile_is_refused(app: TestApp, me: Client) -> None:
    async with app.db.transaction() as tx:
        await tx.fetchval(END, principal(app, me).session_id)
        deletion = asyncio.create_task(app.delete("/users/me", as_=me))
        await somebody_waits(app.db, tx)
    assert (await deletion).code == "AUTH_004"
    assert await app.db.fetchval("SELECT is_active FROM users.accounts WHERE id = $1", me.user_id)


async def test_reading_who_may_locks_nothing(house: House) -> None:
    who = house.principal(await house.sign_in())
    async with house.db.transaction() as tx:
        await tx.fetchval("SELECT id FROM users.sessions WHERE id = $1 FOR UPDATE", who.session_id)
        assert await house.sessions.require(house.db, who) is Role.CUSTOMER


async def test_a_session_is_fresh_for_a_while_and_a_refresh_makes_it_no_fresher(house: House) -> None:
    done = await house.sign_in()
    who = house.principal(done)
    assert await house.sessions.recent(house.db, who, 300.0)
    async with house.db.transaction() as tx:
        await tx.execute(AGED, who.session_id)
    pair = await house.sessions.refresh(done.tokens.refresh_token, None)
    again = house.tokens.principal(f"Bearer {pair.access_token}")
    assert again.session_id == who.session_id
    assert not await house.sessions.recent(house.db, again, 300.0)
    assert await house.sessions.recent(house.db, again, 400.0)


async def test_two_writes_of_one_session_do_not_wait_for_each_other(house: House) -> None:
    who = house.principal(await house.sign_in())
    async with house.db.transaction() as tx, house.db.transaction() as twin:
        assert await house.sessions.require(tx, who) is await house.sessions.require(twin, who) is Role.CUSTOMER


async def test_who_signs_in_while_a_role_is_given_has_that_role(house: House) -> None:
    done = await house.sign_in()
    code = await house.send(done.account.phone)
    async with house.db.transaction() as tx:
        await house.sessions.hold(tx, UserId(done.account.id))
        signing_in = asyncio.create_task(house.verify(done.account.phone, code))
        await somebody_waits(house.db, tx)
        await tx.execute("UPDATE users.accounts SET role = 'ADMIN' WHERE id = $1", done.account.id)
    assert house.principal(await signing_in).role is Role.ADMIN


async def test_nobody_waits_in_a_circle(new_house: NewHouse) -> None:
    """Whatever locks a session, an account or several of them, all at once: refusals are 401, never 503."""
    house = new_house(max_sessions=4, sends_per_phone_hour=1000, sends_per_phone_day=1000)
    done = await house.sign_in()
    phone, user_id = done.account.phone, UserId(done.account.id)
    address_id = (await add(house, user_id)).id

    async def write(who: Principal, work: Callable[[Tx], Awaitable[object]]) -> None:
        async with house.db.transaction() as tx:
            await house.sessions.require(tx, who)
            await work(tx)

    async def change(tx: Tx) -> None:
        await house.addresses.change(tx, user_id, address_id, AddressPatch(city="Mumbai"), is_default=True)

    for _ in range(6):
        devices = [await house.sign_in(phone) for _ in range(4)]
        people, code = [house.principal(device) for device in devices], await house.send(phone)
        outcomes = await asyncio.gather(
            *(write(who, change) for who in people for _ in range(3)),
            house.verify(phone, code),
            house.users.grant(phone, Role.SUPPORT, "cli:asha@desk"),
            *(house.sessions.refresh(device.tokens.refresh_token, None) for device in devices),
            house.sessions.logout(people[0], devices[1].tokens.refresh_token, all_devices=False),
            house.sessions.logout(people[2], None, all_devices=True),
            return_exceptions=True,
        )
        assert {o.code.status for o in outcomes if isinstance(o, Problem)} <= {401}
        assert [o for o in outcomes if isinstance(o, Exception) and not isinstance(o, Problem)] == []
    assert (await house.addresses.one(user_id, address_id)).is_default
