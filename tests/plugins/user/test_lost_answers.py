"""A sign-in whose answer was lost is answered again, to the device that asked (ADR 20)."""

import asyncio

import pytest

from core.errors import Problem
from plugins.user.models import Device, SignedIn
from tests.plugins.user.conftest import House, new_phone
from tests.plugins.user.test_signin import WRONG, other

LATE = "UPDATE users.challenges SET claimed_at = claimed_at - interval '121 seconds' WHERE phone = $1"


async def test_the_same_code_from_the_same_device_gets_the_same_session_again(house: House) -> None:
    phone = new_phone()
    code = await house.send(phone)
    first = await house.verify(phone, code, "phone-1")
    again = await house.verify(phone, code, "phone-1")
    assert (again.tokens.refresh_token, again.account, again.is_new) == (
        first.tokens.refresh_token,
        first.account,
        True,
    )
    assert house.principal(again).session_id == house.principal(first).session_id
    assert await house.db.fetchval("SELECT count(*) FROM users.sessions WHERE user_id = $1", first.account.id) == 1
    assert (await house.sessions.refresh(again.tokens.refresh_token, "phone-1")).access_token


@pytest.mark.parametrize("device", [None, "phone-2"], ids=["no device", "another"])
async def test_another_device_gets_nothing_of_it(house: House, device: str | None) -> None:
    phone = new_phone()
    code = await house.send(phone)
    await house.verify(phone, code, "phone-1")
    with pytest.raises(Problem) as refused:
        await house.verify(phone, code, device)
    assert refused.value.code.name == "AUTH_006"


@pytest.mark.parametrize(
    ("address", "agent", "same"),
    [("192.0.2.1", "Dart/3.4", True), ("192.0.2.2", "Dart/3.4", False), ("192.0.2.1", "curl/8", False)],
    ids=["the same client", "another address", "another program"],
)
async def test_a_client_that_names_no_device_is_known_by_its_address_and_program(
    house: House, address: str, agent: str, same: bool
) -> None:
    phone = new_phone()
    code = await house.send(phone)
    first = await house.signin.verify(phone, code, Device(id=None), "192.0.2.1", "Dart/3.4")
    (again,) = await asyncio.gather(
        house.signin.verify(phone, code, Device(id=None), address, agent), return_exceptions=True
    )
    if same:
        assert isinstance(again, SignedIn)
        assert again.tokens.refresh_token == first.tokens.refresh_token
    else:
        assert isinstance(again, Problem)
        assert again.code.name == "AUTH_006"


async def test_a_code_of_a_sign_in_that_went_on_is_used_up(house: House) -> None:
    for left in ("refreshed", "ended", "late"):
        phone = new_phone()
        code = await house.send(phone)
        done = await house.verify(phone, code, "phone-1")
        if left == "refreshed":
            await house.sessions.refresh(done.tokens.refresh_token, "phone-1")
        elif left == "ended":
            await house.sessions.logout(house.principal(done), None, all_devices=False)
        else:
            await house.db.command(LATE, phone)
        with pytest.raises(Problem) as refused:
            await house.verify(phone, code, "phone-1")
        assert refused.value.code.name == "AUTH_006", left


async def test_guesses_at_a_used_code_are_three_and_count_as_failures(house: House) -> None:
    phone = new_phone()
    code = await house.send(phone)
    await house.verify(phone, code, "phone-1")
    for guess in (other(code), other(other(code)), WRONG, code):
        with pytest.raises(Problem) as refused:
            await house.verify(phone, guess, "phone-1")
        assert refused.value.code.name == "AUTH_006"
    assert await house.db.fetchval("SELECT attempts FROM users.challenges WHERE phone = $1", phone) >= 3


async def test_of_twenty_twins_from_one_device_all_that_are_answered_share_a_session(house: House) -> None:
    phone = new_phone()
    code = await house.send(phone)
    outcomes = await asyncio.gather(*(house.verify(phone, code, "phone-1") for _ in range(20)), return_exceptions=True)
    done = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(done) == 4  # the first and three repeats
    assert len({one.tokens.refresh_token for one in done}) == 1
