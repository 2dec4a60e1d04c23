"""Accounts that are closed, copied and erased (RELIABILITY 4.15)."""

import asyncio

import orjson
import pytest

from core.errors import Problem
from core.privacy.model import BATCH, Step, Subject
from core.testing import TestApp
from core.types import UserId, uuid7
from plugins.user.models import ProfilePatch
from plugins.user.personal import PersonalAccounts
from plugins.user.queries import Accounts
from tests.contracts.world import HOME
from tests.people import Customer, NewCustomer, sign_in
from tests.plugins.user.conftest import House, new_phone
from tests.plugins.user.test_addresses import add

TOKENS = """
INSERT INTO users.refresh_tokens (hash, session_id, generation)
SELECT sha256((s.id::text || n)::bytea), s.id, n FROM users.sessions s, generate_series(1, $2) n
WHERE s.user_id = $1 RETURNING generation
"""
COUNTS = """
SELECT (SELECT count(*) FROM users.accounts WHERE id = $1) AS accounts,
       (SELECT count(*) FROM users.sessions WHERE user_id = $1) AS sessions,
       (SELECT count(*) FROM users.addresses WHERE user_id = $1) AS addresses,
       (SELECT count(*) FROM users.challenges WHERE phone = $2) AS codes
"""
SECRETS = """
SELECT encode(s.salt, 'hex') AS salt, encode(t.hash, 'hex') AS hash
FROM users.sessions s JOIN users.refresh_tokens t ON t.session_id = s.id WHERE s.user_id = $1
"""


def personal(house: House) -> PersonalAccounts:
    return PersonalAccounts(house.db, Accounts(), house.sessions)


async def erase(house: House, user_id: UserId, *, final: bool = False) -> list[Step]:
    """All steps."""
    steps, data = [], personal(house).declared()
    while Step.DONE not in steps:
        async with house.db.transaction() as tx:
            steps.append(await data.erase(tx, Subject(user_id, final)))
    return steps


async def counts(house: House, user_id: UserId, phone: str) -> tuple[int, ...]:
    row = await house.db.fetchrow(COUNTS, user_id, phone)
    assert row is not None
    return tuple(row)


async def test_an_account_goes_with_all_that_hangs_on_it_in_batches(house: House) -> None:
    done = await house.sign_in()
    user_id, phone = UserId(done.account.id), done.account.phone
    await add(house, user_id)
    await house.sign_in(phone)
    await house.db.fetch(TOKENS, user_id, BATCH)
    await house.age(phone, 86_500)
    assert await counts(house, user_id, phone) == (1, 2, 1, 2)
    assert len(await erase(house, user_id)) > 2
    assert await counts(house, user_id, phone) == (0, 0, 0, 0)
    assert await erase(house, user_id) == [Step.DONE], "again"
    new = await house.sign_in(phone)
    assert (new.is_new, new.account.id != user_id) == (True, True)


async def test_codes_of_the_last_day_go_on_limiting_misuse_until_nothing_may_wait(house: House) -> None:
    done = await house.sign_in()
    user_id, phone = UserId(done.account.id), done.account.phone
    await erase(house, user_id)
    assert await counts(house, user_id, phone) == (0, 0, 0, 1)
    again = await house.sign_in(phone)
    await erase(house, UserId(again.account.id), final=True)
    assert await counts(house, UserId(again.account.id), phone) == (0, 0, 0, 0)


async def test_who_is_erased_while_signed_in_is_signed_out(house: House) -> None:
    done = await house.sign_in()
    who = house.principal(done)
    await erase(house, UserId(done.account.id))
    assert house.sessions.revoked(who.session_id), "also the access token that a backup made good again"
    with pytest.raises(Problem) as caught:
        await house.sessions.refresh(done.tokens.refresh_token, None)
    assert caught.value.code.name == "AUTH_003"


async def test_nobody_signs_in_between_the_end_of_the_window_and_the_erasure(house: House) -> None:
    done = await house.sign_in()
    user_id, phone = UserId(done.account.id), done.account.phone
    await house.users.delete(house.principal(done))
    await house.db.command("UPDATE kernel.erasures SET state = 'erasing' WHERE user_id = $1 RETURNING id", user_id)
    with pytest.raises(Problem) as caught:
        await house.sign_in(phone)
    assert caught.value.code.status == 400


async def test_a_sign_in_and_an_operators_undo_at_once_open_the_account_once(house: House) -> None:
    for _ in range(5):
        done = await house.sign_in()
        user_id, phone = UserId(done.account.id), done.account.phone
        await house.users.delete(house.principal(done))
        await house.age(phone, 31)
        code, desk = await house.send(phone), personal(house)

        async def undo(user_id: UserId = user_id, desk: PersonalAccounts = desk) -> bool:
            async with house.db.transaction() as tx:
                return await desk.reopen(tx, user_id)

        undone, again = await asyncio.gather(undo(), house.verify(phone, code))
        assert undone is not again.is_restored
        assert again.account.id == user_id
        restored = "SELECT count(*) FROM kernel.outbox WHERE aggregate_id = $1 AND event_type = 'user.restored'"
        assert await house.db.fetchval(restored, str(user_id)) == 1


async def test_an_account_is_found_by_id_or_phone_open_or_closed(house: House) -> None:
    done, desk = await house.sign_in(), personal(house)
    user_id, phone = UserId(done.account.id), done.account.phone
    await house.users.delete(house.principal(done))
    for who in (str(user_id), phone, phone[3:]):
        assert await desk.find(house.db, who) == user_id
    for who in (str(uuid7()), new_phone(), "somebody", ""):
        assert await desk.find(house.db, who) is None
    contact = await house.users.reach(house.db, user_id)
    assert contact is not None
    assert contact.phone == phone
    assert await house.users.reach(house.db, UserId(uuid7())) is None


async def test_a_copy_has_the_profile_and_no_key_hash_or_salt(house: House) -> None:
    done = await house.sign_in(device="phone-1")
    user_id = UserId(done.account.id)
    await house.change(user_id, ProfilePatch(name="Asha"))
    await add(house, user_id)
    async with house.db.transaction() as tx:
        copied = {n: orjson.loads(t) for n, t in (await personal(house).declared().export(tx, user_id)).items()}
    assert copied["profile"]["name"] == "Asha"
    assert [one["city"] for one in copied["addresses"]]
    assert [one["deviceId"] for one in copied["sessions"]] == ["phone-1"]
    assert len(copied["signInCodes"]) == 1
    row = await house.db.fetchrow(SECRETS, user_id)
    assert row is not None
    text = orjson.dumps(copied).decode()
    assert [word for word in (*row, "salt", "hash", "hmac", "sealed") if word in text] == []


async def test_a_copy_is_asked_for_made_and_read_over_http(app: TestApp, new_customer: NewCustomer) -> None:
    customer, other = await new_customer(), await new_customer()
    assert (await app.get("/users/me/export", as_=customer)).data == {"export": None}
    await app.post("/addresses", json=HOME, as_=customer)
    asked = await app.post("/users/me/export", as_=customer)
    assert asked.status == 202
    export = asked.data["export"]
    path = f"/users/me/export/{export['id']}"
    assert (await app.post("/users/me/export", as_=customer)).data["export"]["id"] == export["id"]
    await made(app, customer)
    status = (await app.get("/users/me/export", as_=customer)).data["export"]
    assert status["readyAt"]
    assert status["expiresAt"] > status["readyAt"]
    got = await app.get(path, as_=customer)
    assert got.headers["Cache-Control"] == "no-store"
    assert got.data["export"] == status
    document = got.data["document"]
    assert set(document) == {
        "format", "userId", "madeAt", "kernel", "user", "product", "cart", "order", "notification", "payment",
    }  # fmt: skip
    assert document["user"]["addresses"][0]["fullName"] == HOME["fullName"]
    assert str(other.user_id) not in got.body.decode()
    assert (await app.get(path, as_=other)).code == "RES_001"
    assert (await app.get(f"/users/me/export/{uuid7()}", as_=customer)).code == "RES_001"
    assert (await app.get(path)).status == 401


async def test_a_copy_is_refused_to_a_session_that_ended_a_moment_ago_elsewhere(
    app: TestApp, customer: Customer
) -> None:
    export = (await app.post("/users/me/export", as_=customer)).data["export"]
    ended = "UPDATE users.sessions SET ended_at = now() WHERE user_id = $1 RETURNING id"
    await app.db.command(ended, customer.user_id)  # no feed tells it: only the database knows
    for method, path in (("POST", ""), ("GET", ""), ("GET", f"/{export['id']}")):
        assert (await app.request(method, f"/users/me/export{path}", as_=customer)).code == "AUTH_004"


async def test_another_session_of_the_same_user_may_read_it(app: TestApp, customer: Customer) -> None:
    export = (await app.post("/users/me/export", as_=customer)).data["export"]
    await made(app, customer)
    again = await sign_in(app, customer.phone)
    assert (await app.get(f"/users/me/export/{export['id']}", as_=again)).data["document"]["userId"]


async def made(app: TestApp, customer: Customer) -> None:
    """Wait for the worker."""
    async with asyncio.timeout(10):
        while (await app.get("/users/me/export", as_=customer)).data["export"]["readyAt"] is None:
            await app.app.privacy.export_due()
            await asyncio.sleep(0.02)
