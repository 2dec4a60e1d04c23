import pytest

from plugins.user.models import Device
from tests.plugins.user.conftest import House, NewHouse, new_address, new_phone


async def test_cleaning_keeps_what_still_counts(house: House) -> None:
    old, young = await house.sign_in(), await house.sign_in()
    await house.age(old.account.phone, 3 * 86400)
    who = house.principal(old)
    async with house.db.transaction() as tx:
        await tx.execute(
            "UPDATE users.sessions SET rotated_at = now() - interval '31 days' WHERE id = $1", who.session_id
        )
        await tx.execute("INSERT INTO users.code_counters VALUES ('address', 'long ago', 0, 1, 0)")
        await tx.execute(
            "INSERT INTO users.revocations (session_id, at) VALUES ($1, now() - interval '2 days')", who.session_id
        )
    await house.upkeep.clean()
    count = "SELECT count(*) FROM users.challenges WHERE phone = $1"
    assert await house.db.fetchval(count, old.account.phone) == 0
    assert await house.db.fetchval(count, young.account.phone) == 1
    sessions = "SELECT count(*) FROM users.sessions WHERE id = $1"
    assert await house.db.fetchval(sessions, who.session_id) == 0
    assert await house.db.fetchval(sessions, house.principal(young).session_id) == 1
    assert await house.db.fetchval("SELECT count(*) FROM users.code_counters WHERE subject = 'long ago'") == 0
    assert await house.db.fetchval("SELECT count(*) FROM users.revocations WHERE session_id = $1", who.session_id) == 0


async def test_codes_that_nobody_uses_make_sending_strict(
    new_house: NewHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house, address = new_house(strict_sends=1, strict_percent=100, sends_per_address_hour=10), new_address()
    relax = "UPDATE users.code_guard SET strict_until = '-infinity'"
    try:
        await house.signin.send(new_phone(), Device(), address)
        await house.upkeep.watch()
        await house.upkeep.watch()
        assert caplog.text.count("sending is strict") == 1
        await house.signin.send(new_phone(), Device(), address)
        with pytest.raises(Exception, match="Too many codes"):
            await house.signin.send(new_phone(), Device(), address)
    finally:
        async with house.db.transaction() as tx:
            await tx.execute(relax)
    await house.signin.send(new_phone(), Device(), address)


async def test_codes_that_are_used_do_not(new_house: NewHouse) -> None:
    house = new_house(strict_sends=1, strict_percent=0)
    await house.sign_in()
    await house.upkeep.watch()
    assert not await house.db.fetchval("SELECT strict_until > now() FROM users.code_guard")
