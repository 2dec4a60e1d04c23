import asyncio

import pytest

from core.auth import Role
from core.errors import Problem
from core.types import UserId, uuid7
from plugins.user.models import ProfilePatch
from plugins.user.ports import Contact
from plugins.user.service import UnknownPhone
from tests.plugins.user.conftest import House, new_phone


async def test_a_change_of_profile_keeps_the_rest_and_is_announced(house: House) -> None:
    done = await house.sign_in()
    user_id = UserId(done.account.id)
    mail = f"{user_id}@example.com"
    await house.change(user_id, ProfilePatch(name="Asha", email=mail))
    after = await house.change(user_id, ProfilePatch(profile_image_url="https://example.com/a.png"))
    assert (after.name, after.email, after.profile_image_url) == ("Asha", mail, "https://example.com/a.png")
    assert await house.users.profile(user_id) == after == await house.users.account(user_id)
    changes = await house.db.fetch(
        "SELECT payload->'changes' AS changes FROM kernel.outbox"
        " WHERE aggregate_id = $1 AND event_type = 'user.updated' ORDER BY seq",
        str(user_id),
    )
    assert len(changes) == 2
    assert "profileImageUrl" in changes[1]["changes"]


async def test_a_change_of_nothing_announces_nothing(house: House) -> None:
    done = await house.sign_in()
    assert await house.change(UserId(done.account.id), ProfilePatch()) == done.account
    events = "SELECT count(*) FROM kernel.outbox WHERE aggregate_id = $1"
    assert await house.db.fetchval(events, str(done.account.id)) == 1


async def test_an_email_belongs_to_one_account_however_it_is_written(house: House) -> None:
    first, second = await house.sign_in(), await house.sign_in()
    name = uuid7().hex
    patches = ProfilePatch(email=f"{name}@example.com"), ProfilePatch(email=f"{name.upper()}@Example.com")
    outcomes = await asyncio.gather(
        house.change(UserId(first.account.id), patches[0]),
        house.change(UserId(second.account.id), patches[1]),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    assert [(p.code.name, p.code.status) for p in refused] == [("RES_002", 409)]


async def test_a_refused_email_leaves_the_callers_transaction_as_it_was(house: House) -> None:
    first, second = await house.sign_in(), await house.sign_in()
    mail = f"{uuid7().hex}@example.com"
    await house.change(UserId(first.account.id), ProfilePatch(email=mail))
    async with house.db.transaction() as tx:
        with pytest.raises(Problem):
            await house.users.change(tx, UserId(second.account.id), ProfilePatch(email=mail))
        named = await house.users.change(tx, UserId(second.account.id), ProfilePatch(name="Asha"))
    assert (named.name, named.email) == ("Asha", None)


async def test_a_deleted_account_is_gone_at_once_and_says_so(house: House) -> None:
    done = await house.sign_in()
    who, user_id = house.principal(done), UserId(done.account.id)
    await house.users.delete(who)
    assert house.sessions.revoked(who.session_id)
    for attempt in (
        house.users.profile(user_id),
        house.change(user_id, ProfilePatch(name="Asha")),
        house.users.delete(who),
        house.sessions.require(house.db, who),
    ):
        with pytest.raises(Problem) as caught:
            await attempt
        assert caught.value.code.name == "AUTH_004"
    assert not (await house.users.account(user_id)).is_active
    deleted = "SELECT count(*) FROM kernel.outbox WHERE aggregate_id = $1 AND event_type = 'user.deleted'"
    assert await house.db.fetchval(deleted, str(user_id)) == 1


async def test_contacts_are_those_of_active_accounts(house: House) -> None:
    one, two = await house.sign_in(), await house.sign_in()
    ids = [UserId(one.account.id), UserId(two.account.id), UserId(uuid7())]
    await house.users.delete(house.principal(two))
    assert await house.users.contacts(house.db, ids) == {
        ids[0]: Contact(phone=one.account.phone, email=None, name=None)
    }
    async with house.db.transaction() as tx:
        assert await house.users.contacts(tx, []) == {}


async def test_an_unknown_account_is_not_found(house: House) -> None:
    with pytest.raises(Problem) as caught:
        await house.users.account(uuid7())
    assert caught.value.code.name == "RES_001"


async def test_a_granted_role_ends_the_sessions_that_lack_it(house: House) -> None:
    done = await house.sign_in()
    await house.users.grant(done.account.phone, Role.ADMIN, "cli:asha@desk")
    with pytest.raises(Problem):
        await house.sessions.require(house.db, house.principal(done))
    again = await house.sign_in(done.account.phone)
    assert house.principal(again).role is Role.ADMIN
    assert await house.sessions.require(house.db, house.principal(again)) is Role.ADMIN


async def test_nobody_unknown_is_given_a_role(house: House) -> None:
    with pytest.raises(UnknownPhone):
        await house.users.grant(new_phone(), Role.ADMIN, "cli:asha@desk")
