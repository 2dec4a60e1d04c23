"""What operators learn of a user's sessions: which there are, and nothing of who or where."""

import pytest

from core.types import uuid7
from tests.plugins.user.conftest import House, new_phone


async def test_open_sessions_are_found_by_id_and_by_phone(house: House) -> None:
    phone = new_phone()
    first = house.principal(await house.sign_in(phone))
    second = house.principal(await house.sign_in(phone))
    whose = await house.sessions.sessions_of(phone.removeprefix("+91"))
    assert whose is not None
    assert (whose.user_id, whose.role, whose.active) == (first.user_id, first.role, True)
    assert [one.id for one in whose.sessions] == [second.session_id, first.session_id]
    newest = whose.sessions[0]
    assert newest.began <= newest.used < newest.until
    assert await house.sessions.sessions_of(str(first.user_id)) == whose
    await house.sessions.logout(second, None, all_devices=False)
    after = await house.sessions.sessions_of(phone)
    assert after is not None
    assert [one.id for one in after.sessions] == [first.session_id]


async def test_nobody_and_nothing_that_is_a_user(house: House) -> None:
    assert await house.sessions.sessions_of(str(uuid7())) is None
    assert await house.sessions.sessions_of(new_phone()) is None
    for wrong in ("asha", "", "123", "+4412345678"):
        with pytest.raises(ValueError, match="badly formed"):
            await house.sessions.sessions_of(wrong)


async def test_what_is_told_names_no_person_and_no_place(house: House) -> None:
    phone = new_phone()
    await house.sign_in(phone, "a-device")
    told = repr(await house.sessions.sessions_of(phone))
    assert "Whose" in told
    assert phone not in told
    assert "a-device" not in told
    assert "127.0.0.1" not in told
