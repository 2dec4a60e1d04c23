import asyncio
from collections import Counter

import pytest

from core.errors import Problem
from core.types import UserId, uuid7
from plugins.user.models import Device, ProfilePatch
from tests.forgetting import window_over
from tests.plugins.user.conftest import House, NewHouse, new_address, new_phone

WRONG = "000000"


def other(code: str) -> str:
    """A code that is not this one."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def refusal(house: House, phone: str, code: str) -> str:
    """How a code is refused."""
    with pytest.raises(Problem) as caught:
        await house.verify(phone, code)
    assert caught.value.code.status == 400
    assert caught.value.details is None
    return caught.value.code.name


async def limited(house: House, phone: str, device: str | None = None, address: str | None = None) -> int | None:
    """The seconds to wait when a send is over a limit, or None when it was accepted."""
    send = house.signin.send(phone, Device(id=device), address or new_address())
    outcome = (await asyncio.gather(send, return_exceptions=True))[0]
    if isinstance(outcome, int):
        return None
    assert isinstance(outcome, Problem)
    assert outcome.code.name == "RATE_001"
    return outcome.retry_after


async def test_the_first_use_of_a_code_makes_the_account_and_announces_it(house: House) -> None:
    phone = new_phone()
    done = await house.sign_in(phone)
    assert done.is_new
    assert done.account.phone == phone
    assert house.principal(done).user_id == done.account.id
    event = await house.db.fetchrow(
        "SELECT event_type, aggregate_type, payload->>'phoneNumber' AS phone, payload->>'createdAt' AS at"
        " FROM kernel.outbox WHERE aggregate_id = $1",
        str(done.account.id),
    )
    assert event is not None
    assert (event["event_type"], event["aggregate_type"], event["phone"]) == ("user.created", "user", phone)
    assert event["at"].endswith("Z")


async def test_signing_in_again_finds_the_same_account(house: House) -> None:
    first = await house.sign_in()
    again = await house.sign_in(first.account.phone)
    assert not again.is_new
    assert again.account == first.account
    assert house.principal(again).session_id != house.principal(first).session_id


async def test_a_code_signs_in_once(house: House) -> None:
    phone = new_phone()
    code = await house.send(phone)
    await house.verify(phone, code, "phone-1")
    assert await refusal(house, phone, code) == "AUTH_006"


async def test_of_twenty_verifies_at_once_one_wins(house: House) -> None:
    phone = new_phone()
    code = await house.send(phone)
    outcomes = await asyncio.gather(
        *(house.verify(phone, code, f"phone-{n}") for n in range(20)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert Counter(o.code.name for o in outcomes if isinstance(o, Problem)) == {"AUTH_006": 19}
    assert await house.db.fetchval("SELECT count(*) FROM users.accounts WHERE phone = $1", phone) == 1


async def test_three_wrong_tries_use_a_code_up_however_many_come_at_once(house: House) -> None:
    phone = new_phone()
    code = await house.send(phone)
    outcomes = Counter(await asyncio.gather(*(refusal(house, phone, other(code)) for _ in range(20))))
    assert outcomes == {"AUTH_005": 3, "AUTH_006": 17}
    assert await refusal(house, phone, code) == "AUTH_006"
    assert await house.db.fetchval("SELECT attempts FROM users.challenges WHERE phone = $1", phone) == 3


async def test_the_right_code_still_works_at_the_third_try(house: House) -> None:
    phone = new_phone()
    code = await house.send(phone)
    assert await refusal(house, phone, other(code)) == "AUTH_005"
    assert await refusal(house, phone, other(code)) == "AUTH_005"
    assert (await house.verify(phone, code)).is_new


async def test_a_code_ends_after_five_minutes(house: House) -> None:
    phone = new_phone()
    code = await house.send(phone)
    await house.age(phone, 301)
    assert await refusal(house, phone, code) == "AUTH_006"


async def test_nobody_asked_for_a_code(house: House) -> None:
    assert await refusal(house, new_phone(), WRONG) == "AUTH_006"


async def test_a_newer_code_replaces_the_older_one_and_its_message(house: House) -> None:
    phone = new_phone()
    first = await house.send(phone)
    await house.age(phone, 31)
    second = await house.send(phone)
    if first != second:
        assert await refusal(house, phone, first) == "AUTH_005"
    assert await house.db.fetchval("SELECT count(*) FROM users.code_messages WHERE phone = $1", phone) == 1
    assert (await house.verify(phone, second)).is_new


async def test_within_the_cool_down_nothing_is_sent_and_the_seconds_are_told(house: House) -> None:
    phone = new_phone()
    assert await house.signin.send(phone, Device(), new_address()) == 30
    code = await house.code_of(phone)
    await house.age(phone, 10)
    assert 19 <= await house.signin.send(phone, Device(), new_address()) <= 20
    assert await house.code_of(phone) == code
    assert await house.db.fetchval("SELECT count(*) FROM users.challenges WHERE phone = $1", phone) == 1


async def test_twenty_sends_at_once_send_one_message(house: House) -> None:
    phone = new_phone()
    await asyncio.gather(*(house.signin.send(phone, Device(), new_address()) for _ in range(20)))
    assert await house.db.fetchval("SELECT count(*) FROM users.challenges WHERE phone = $1", phone) == 1


async def test_a_phone_gets_five_codes_an_hour_and_ten_a_day(house: House) -> None:
    phone = new_phone()
    for _ in range(5):
        assert await limited(house, phone) is None
        await house.age(phone, 60)
    wait = await limited(house, phone)
    assert wait is not None
    assert 3200 < wait <= 3300
    await house.age(phone, 3600)
    for _ in range(5):
        assert await limited(house, phone) is None
        await house.age(phone, 60)
    await house.age(phone, 7200)
    wait = await limited(house, phone)
    assert wait is not None
    assert wait > 3600


async def test_a_device_gets_five_codes_an_hour_for_whatever_phones(house: House) -> None:
    device = str(uuid7())
    asked = await asyncio.gather(*(limited(house, new_phone(), device) for _ in range(12)))
    assert sum(wait is None for wait in asked) == 5


async def test_an_address_gets_sixty_codes_an_hour_even_all_at_once(new_house: NewHouse) -> None:
    house, address = new_house(sends_per_address_hour=7), new_address()
    asked = await asyncio.gather(*(limited(house, new_phone(), address=address) for _ in range(20)))
    assert sum(wait is None for wait in asked) == 7
    assert all(1 <= wait <= 3600 for wait in asked if wait is not None)


async def test_neighbouring_numbers_share_a_limit(new_house: NewHouse) -> None:
    house = new_house(sends_per_prefix_hour=4)
    asked = await asyncio.gather(*(limited(house, f"+91611111{i:04d}") for i in range(9)))
    assert sum(wait is None for wait in asked) == 4


async def test_a_refused_send_leaves_no_trace(new_house: NewHouse) -> None:
    phone = new_phone()
    assert await limited(new_house(sends_per_day=0), phone)
    assert await limited(new_house(), phone) is None
    assert await new_house().db.fetchval("SELECT count(*) FROM users.challenges WHERE phone = $1", phone) == 1


async def test_all_sends_together_keep_to_the_second(new_house: NewHouse) -> None:
    house = new_house(sends_per_second=3)
    await house.db.fetchval("WITH gone AS (DELETE FROM users.code_counters WHERE scope = 'second') SELECT 1")
    loop = asyncio.get_running_loop()
    began = loop.time()
    asked = await asyncio.gather(*(limited(house, new_phone()) for _ in range(15)))
    seconds = int(loop.time() - began) + 2
    assert 1 <= sum(wait is None for wait in asked) <= 3 * seconds
    assert 1 in asked


async def test_a_window_remembers_the_one_before_it(house: House) -> None:
    async with house.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO users.code_counters (scope, subject, opened, current, previous) SELECT 'test', 'x',"
            " (floor(extract(epoch FROM clock_timestamp()) / 1e6) - 1)::bigint * 1000000, 1000000, 0"
        )
        assert await tx.fetchval("SELECT users.count_send('test', 'x', 1000000, 2)") > 0
        row = await tx.fetchrow("SELECT current, previous FROM users.code_counters WHERE scope = 'test'")
    assert row is not None
    assert (row["current"], row["previous"]) == (1, 1_000_000)


async def test_ten_failures_in_an_hour_close_a_phone_to_right_codes_too(house: House) -> None:
    phone = new_phone()
    failures = 0
    for _ in range(4):
        code = await house.send(phone)
        for _ in range(3):
            failures += 1
            assert await refusal(house, phone, other(code)) == "AUTH_005"
        await house.age(phone, 31)
    assert failures == 12
    code = await house.send(phone)
    assert await refusal(house, phone, code) == "AUTH_005"
    await house.age(phone, 4000)
    assert (await house.verify(phone, await house.send(phone))).is_new


async def test_twenty_failures_in_a_day_close_a_phone_too(new_house: NewHouse) -> None:
    house, phone = new_house(code_failures_per_day=4), new_phone()
    for _ in range(2):
        code = await house.send(phone)
        for _ in range(3):
            assert await refusal(house, phone, other(code)) == "AUTH_005"
        await house.age(phone, 7200)
    assert await refusal(house, phone, await house.send(phone)) == "AUTH_005"


async def test_a_success_is_no_failure(new_house: NewHouse) -> None:
    house, phone = new_house(code_failures_per_hour=1), new_phone()
    for _ in range(3):
        await house.sign_in(phone)


async def test_a_closed_account_is_had_back_by_signing_in_within_a_day(house: House) -> None:
    done = await house.sign_in()
    assert not done.is_restored
    await house.users.delete(house.principal(done))
    again = await house.sign_in(done.account.phone)
    assert (again.account, again.is_new, again.is_restored) == (done.account, False, True)
    assert not (await house.sign_in(done.account.phone)).is_restored
    state = "SELECT state FROM kernel.erasures WHERE user_id = $1"
    assert await house.db.fetchval(state, done.account.id) == "undone"


async def test_a_closed_account_stays_out_once_its_day_is_over(house: House) -> None:
    done = await house.sign_in()
    await house.users.delete(house.principal(done))
    await window_over(house.db, done.account.id)
    phone = done.account.phone
    assert await refusal(house, phone, await house.send(phone)) == "AUTH_005"


async def test_a_restored_account_lacks_an_email_that_is_anothers_by_now(house: House) -> None:
    done, mail = await house.sign_in(), f"{uuid7().hex}@example.com"
    await house.change(UserId(done.account.id), ProfilePatch(name="Asha", email=mail))
    await house.users.delete(house.principal(done))
    other = await house.sign_in()
    await house.change(UserId(other.account.id), ProfilePatch(email=mail))
    again = await house.sign_in(done.account.phone)
    assert (again.account.id, again.account.name, again.account.email) == (done.account.id, "Asha", None)
    assert (await house.users.account(other.account.id)).email == mail


async def test_the_eleventh_session_ends_the_oldest(house: House) -> None:
    phone = new_phone()
    code_limits = "UPDATE users.challenges SET created_at = created_at - interval '25 hours' WHERE phone = $1"
    sessions = []
    for _ in range(11):
        sessions.append(house.principal(await house.sign_in(phone)))
        async with house.db.transaction() as tx:
            await tx.execute(code_limits, phone)
    with pytest.raises(Problem) as caught:
        await house.sessions.require(house.db, sessions[0])
    assert caught.value.code.name == "AUTH_004"
    for principal in sessions[1:]:
        await house.sessions.require(house.db, principal)


async def test_no_code_and_no_token_is_stored_in_clear(house: House) -> None:
    phone = new_phone()
    code = await house.send(phone)
    done = await house.verify(phone, code)
    rows = await house.db.fetch(
        "SELECT encode(code_hmac, 'escape') AS text FROM users.challenges WHERE phone = $1"
        " UNION ALL SELECT encode(sealed, 'escape') FROM users.code_messages WHERE phone = $1"
        " UNION ALL SELECT encode(hash, 'escape') FROM users.refresh_tokens",
        phone,
    )
    assert not any(code in row["text"] or done.tokens.refresh_token in row["text"] for row in rows)
    assert done.tokens.refresh_token not in repr(done)
