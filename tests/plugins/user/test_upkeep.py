import re

import pytest

from core.errors import Problem
from plugins.user import code_queries, queries, upkeep_queries
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


UNUSED = "UPDATE users.sessions SET rotated_at = rotated_at - make_interval(days => $2) WHERE id = $1"
OLDER = "UPDATE users.refresh_tokens SET issued_at = issued_at - interval '31 days' WHERE session_id = $1"


async def test_an_old_token_of_an_open_session_still_ends_its_family(house: House) -> None:
    done = await house.sign_in()
    session, stolen = house.principal(done).session_id, done.tokens.refresh_token
    current = (
        await house.sessions.refresh((await house.sessions.refresh(stolen, None)).refresh_token, None)
    ).refresh_token
    async with house.db.transaction() as tx:
        await tx.execute(OLDER, session)
    await house.upkeep.clean()
    with pytest.raises(Problem):
        await house.sessions.refresh(stolen, None)
    assert await house.db.fetchval("SELECT end_reason FROM users.sessions WHERE id = $1", session) == "REUSE"
    with pytest.raises(Problem):
        await house.sessions.refresh(current, None)


async def test_a_session_that_may_idle_for_long_is_kept_for_as_long(new_house: NewHouse) -> None:
    house = new_house(refresh_idle_days=60)
    idle, over = [await house.sign_in() for _ in range(2)]
    async with house.db.transaction() as tx:
        for done, days in ((idle, 59), (over, 61)):
            await tx.execute(UNUSED, house.principal(done).session_id, days)
            await tx.execute(OLDER, house.principal(done).session_id)
    await house.upkeep.clean()
    assert (await house.sessions.refresh(idle.tokens.refresh_token, None)).refresh_token
    left = "SELECT count(*) FROM users.refresh_tokens WHERE session_id = $1"
    assert await house.db.fetchval(left, house.principal(idle).session_id) == 2
    assert await house.db.fetchval(left, house.principal(over).session_id) == 0


async def test_a_sessions_tokens_go_in_batches(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.user.upkeep.BATCH", 2)
    done = await house.sign_in()
    session, token = house.principal(done).session_id, done.tokens.refresh_token
    for _ in range(4):
        token = (await house.sessions.refresh(token, None)).refresh_token
    async with house.db.transaction() as tx:
        await tx.execute(UNUSED, session, 31)
    await house.upkeep.clean()
    assert await house.db.fetchval("SELECT count(*) FROM users.sessions WHERE id = $1", session) == 0


@pytest.mark.parametrize(
    ("statement", "args", "index"),
    [
        (upkeep_queries.OLD_CHALLENGES, (5000,), "challenges_age"),
        (upkeep_queries.OLD_REVOCATIONS, (5000,), "revocations_at"),
        (upkeep_queries.OLD_TOKENS, (5000, 31), "sessions_rotated"),
        (upkeep_queries.OLD_SESSIONS, (5000, 31), "sessions_rotated"),
        (code_queries.GUARD, (200, 20, 30), "challenges_age"),
        (queries.REVOKED, (960.0,), "revocations_at"),
    ],
)
async def test_what_is_asked_by_age_is_found_by_its_index(
    house: House, statement: str, args: tuple[object, ...], index: str
) -> None:
    async with house.db.connection() as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {statement}", *args)
        await connection.execute("RESET enable_seqscan")
    asked = "\n".join(row[0] for row in plan)
    assert re.search(rf"{index} .*\n(.*\n)?\s+Index Cond: \(\w+ [<>] ", asked), asked


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
