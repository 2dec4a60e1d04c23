"""A phone gets pushes while the session is open in which it was registered."""

from uuid import UUID

import attrs
import pytest

from core.types import UserId, uuid7
from plugins.notification.ports import Medium
from tests.plugins.notification.conftest import FakeChannel, Room

ENDINGS = {
    "logout": "SELECT users.end_session(id, 'LOGOUT') FROM users.sessions WHERE id = $1",
    "logout of all": "SELECT users.end_sessions(user_id, 'LOGOUT_ALL') FROM users.sessions WHERE id = $1",
    "bound": "UPDATE users.sessions SET expires_at = now() WHERE id = $1",
    "upkeep": "DELETE FROM users.sessions WHERE id = $1",
    "closed account": "UPDATE users.accounts SET is_active = false"
    " WHERE id = (SELECT user_id FROM users.sessions WHERE id = $1)",
}
every_ending = pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)


@attrs.frozen
class Phone:
    """One that is registered."""

    user: UserId
    token: str
    session: UUID


@pytest.fixture
async def phone(clean: Room) -> Phone:
    user, token = clean.users.add(email=None), f"token-{uuid7()}"
    return Phone(user, token, await clean.register(user, token, "android"))


async def end(room: Room, session: UUID, ending: str) -> None:
    async with room.db.transaction() as tx:
        await tx.execute(ending, session)


async def pushed(room: Room) -> list[str]:
    """The tokens that get what is on its way now."""
    channel = FakeChannel()
    await room.courier(Medium.PUSH, channel).round()
    return [message.to for message in channel.sent]


@every_ending
async def test_a_phone_whose_session_is_over_is_told_nothing_new(clean: Room, phone: Phone, ending: str) -> None:
    await clean.tell(phone.user)
    assert await pushed(clean) == [phone.token]
    await end(clean, phone.session, ending)
    await clean.tell(phone.user)
    assert len(await clean.states(phone.user)) == 1
    assert (await clean.service.page(phone.user, 1, 20, unread=False))[1].total == 2, "the list is the owner's anyway"


@every_ending
async def test_a_phone_whose_session_is_over_gets_nothing_that_was_on_its_way(
    clean: Room, phone: Phone, ending: str
) -> None:
    await clean.tell(phone.user)
    await end(clean, phone.session, ending)
    assert await pushed(clean) == []
    assert await clean.states(phone.user) == [("push", "FAILED", "no_address")]


async def test_the_other_phones_of_its_owner_go_on(clean: Room, phone: Phone) -> None:
    other = f"token-{uuid7()}"
    await clean.register(phone.user, other, "ios")
    await end(clean, phone.session, ENDINGS["logout"])
    await clean.tell(phone.user)
    assert await pushed(clean) == [other]


async def test_who_signs_in_again_on_the_same_phone_gets_pushes_again(clean: Room, phone: Phone) -> None:
    await end(clean, phone.session, ENDINGS["logout"])
    await clean.register(phone.user, phone.token, "android")
    await clean.tell(phone.user)
    assert await pushed(clean) == [phone.token]


async def test_a_session_of_somebody_else_opens_no_phone(clean: Room, phone: Phone) -> None:
    stranger = clean.users.add(email=None)
    await clean.service.register(stranger, phone.session, phone.token, "android")
    await clean.tell(stranger)
    assert await pushed(clean) == []


async def test_a_phone_that_was_registered_before_sessions_were_kept_is_served_as_before(
    clean: Room, phone: Phone
) -> None:
    await clean.db.command("UPDATE notifications.devices SET session_id = NULL WHERE token = $1", phone.token)
    await end(clean, phone.session, ENDINGS["logout"])
    await clean.tell(phone.user)
    assert await pushed(clean) == [phone.token]
