import asyncio
import time

import pytest

from core.auth import Role
from core.errors import Problem
from core.store.db import Db
from core.store.pool import Pool
from core.types import uuid7
from plugins.user.models import SignedIn, TokenPair
from plugins.user.queries import SessionRows
from plugins.user.sessions import RevocationFeed
from plugins.user.tokens import RefreshToken
from tests.plugins.user.conftest import House, NewHouse, new_phone, someone


async def refused(house: House, token: str, device: str | None = None) -> str:
    """How a refresh is refused."""
    with pytest.raises(Problem) as caught:
        await house.sessions.refresh(token, device)
    assert caught.value.code.status == 401
    return caught.value.code.name


async def age(house: House, done: SignedIn, seconds: float, column: str = "rotated_at") -> None:
    """Make a session older."""
    statements = {
        "rotated_at": "UPDATE users.sessions SET rotated_at = rotated_at - make_interval(secs => $2) WHERE id = $1",
        "expires_at": "UPDATE users.sessions SET expires_at = expires_at - make_interval(secs => $2) WHERE id = $1",
    }
    async with house.db.transaction() as tx:
        await tx.execute(statements[column], house.principal(done).session_id, seconds)


async def rotated(house: House, token: str) -> str:
    """The successor."""
    pair: TokenPair = await house.sessions.refresh(token, None)
    return pair.refresh_token


async def ended(house: House, done: SignedIn) -> bool:
    """Whether the session is over."""
    outcome = await asyncio.gather(house.sessions.require(house.db, house.principal(done)), return_exceptions=True)
    return isinstance(outcome[0], Problem) and outcome[0].code.name == "AUTH_004"


async def test_a_refresh_gives_a_new_pair_for_the_same_session(house: House) -> None:
    done = await house.sign_in()
    pair = await house.sessions.refresh(done.tokens.refresh_token, None)
    assert pair.refresh_token != done.tokens.refresh_token
    assert house.tokens.principal(f"Bearer {pair.access_token}") == house.principal(done)
    assert pair.expires_in == 900


async def test_twenty_refreshes_at_once_give_one_successor(house: House) -> None:
    done = await house.sign_in()
    tokens = await asyncio.gather(*(rotated(house, done.tokens.refresh_token) for _ in range(20)))
    assert len(set(tokens)) == 1
    assert await rotated(house, tokens[0]) != tokens[0]
    assert not await ended(house, done)


async def test_a_lost_answer_may_be_asked_for_again_for_two_minutes(house: House) -> None:
    done = await house.sign_in()
    first = await rotated(house, done.tokens.refresh_token)
    await age(house, done, 100)
    assert await rotated(house, done.tokens.refresh_token) == first
    await age(house, done, 30)
    assert await refused(house, done.tokens.refresh_token) == "AUTH_003"
    assert await ended(house, done)


async def test_once_the_successor_was_used_its_predecessor_ends_the_family(house: House) -> None:
    done = await house.sign_in()
    first = await rotated(house, done.tokens.refresh_token)
    second = await rotated(house, first)
    assert await refused(house, done.tokens.refresh_token) == "AUTH_003"
    assert await ended(house, done)
    assert await refused(house, second) == "AUTH_003"
    assert house.sessions.revoked(house.principal(done).session_id)


async def test_another_device_ends_the_family(house: House) -> None:
    done = await house.sign_in(device="phone-1")
    token = await rotated(house, done.tokens.refresh_token)
    assert (await house.sessions.refresh(token, "phone-1")).refresh_token != token
    done = await house.sign_in(device="phone-1")
    assert await refused(house, done.tokens.refresh_token, "phone-2") == "AUTH_003"
    assert await ended(house, done)


async def test_a_session_that_idles_for_a_week_is_over(house: House) -> None:
    done = await house.sign_in()
    await age(house, done, 7 * 86400 - 60)
    token = await rotated(house, done.tokens.refresh_token)
    await age(house, done, 7 * 86400 + 1)
    assert await refused(house, token) == "AUTH_003"


async def test_no_session_outlives_ninety_days(house: House) -> None:
    done = await house.sign_in()
    await age(house, done, 90 * 86400, "expires_at")
    assert await refused(house, done.tokens.refresh_token) == "AUTH_003"
    assert await ended(house, done)


@pytest.mark.parametrize("text", ["", "nonsense", "A" * 43])
async def test_unknown_tokens_are_refused_alike(house: House, text: str) -> None:
    assert await refused(house, text) == "AUTH_003"


async def test_a_refresh_carries_the_role_as_it_is_now(house: House) -> None:
    done = await house.sign_in()
    async with house.db.transaction() as tx:
        await tx.execute("UPDATE users.accounts SET role = 'SUPPORT' WHERE id = $1", done.account.id)
    pair = await house.sessions.refresh(done.tokens.refresh_token, None)
    assert house.tokens.principal(f"Bearer {pair.access_token}").role is Role.SUPPORT


async def test_logout_ends_the_session_of_the_access_token(house: House) -> None:
    done = await house.sign_in()
    other = await house.sign_in(done.account.phone)
    await house.sessions.logout(house.principal(done), None, all_devices=False)
    assert await ended(house, done)
    assert not await ended(house, other)
    assert house.sessions.revoked(house.principal(done).session_id)
    assert await refused(house, done.tokens.refresh_token) == "AUTH_003"


async def test_logout_ends_the_session_of_a_refresh_token_too_if_it_is_ones_own(house: House) -> None:
    done, stranger = await house.sign_in(), await house.sign_in()
    other, third = [await house.sign_in(done.account.phone) for _ in range(2)]
    await house.sessions.logout(house.principal(done), stranger.tokens.refresh_token, all_devices=False)
    assert not await ended(house, stranger)
    await house.sessions.logout(house.principal(third), other.tokens.refresh_token, all_devices=False)
    assert await ended(house, other)


@pytest.mark.parametrize("everywhere", [False, True], ids=["one", "all"])
async def test_a_session_that_has_ended_ends_no_other(house: House, everywhere: bool) -> None:
    done = await house.sign_in()
    other = await house.sign_in(done.account.phone)
    await house.sessions.logout(house.principal(done), None, all_devices=False)
    await house.sessions.logout(house.principal(done), other.tokens.refresh_token, all_devices=everywhere)
    assert not await ended(house, other)


async def test_logout_everywhere_ends_all(house: House) -> None:
    done = await house.sign_in()
    other = await house.sign_in(done.account.phone)
    await house.sessions.logout(house.principal(done), None, all_devices=True)
    assert await ended(house, done)
    assert await ended(house, other)


async def test_unknown_sessions_are_over(house: House) -> None:
    with pytest.raises(Problem) as caught:
        await house.sessions.require(house.db, someone())
    assert caught.value.code.name == "AUTH_004"


async def test_a_session_is_required_inside_a_transaction(house: House) -> None:
    done = await house.sign_in()
    async with house.db.transaction() as tx:
        assert await house.sessions.require(tx, house.principal(done)) is Role.CUSTOMER


async def test_another_replica_learns_of_an_end_at_its_next_read(house: House, new_house: NewHouse) -> None:
    elsewhere = new_house()
    done = await house.sign_in()
    session_id = house.principal(done).session_id
    await elsewhere.sessions.feed.read()
    await house.sessions.logout(house.principal(done), None, all_devices=False)
    assert not elsewhere.sessions.revoked(session_id)
    await elsewhere.sessions.feed.read()
    assert elsewhere.sessions.revoked(session_id)


async def test_a_replica_that_starts_late_knows_earlier_ends(house: House, new_house: NewHouse) -> None:
    done = await house.sign_in()
    await house.sessions.logout(house.principal(done), None, all_devices=False)
    late = new_house()
    await late.sessions.feed.read()
    assert late.sessions.revoked(house.principal(done).session_id)


async def test_a_feed_forgets_what_no_token_carries_any_more(house: House) -> None:
    feed = RevocationFeed(house.db, SessionRows(), token_life=-59.9)
    session_id = uuid7()
    feed.add([session_id])
    assert feed.revoked(session_id)
    await asyncio.sleep(0.15)
    await feed.read()
    assert not feed.revoked(session_id)


async def test_a_feed_that_is_a_minute_old_says_so(house: House) -> None:
    feed = RevocationFeed(house.db, SessionRows(), token_life=900)
    await feed.read()
    feed._read_at = time.monotonic() - 61
    with pytest.raises(Problem) as caught:
        feed.revoked(uuid7())
    assert caught.value.code.status == 503
    await feed.read()
    assert not feed.revoked(uuid7())


async def test_a_feed_reads_on_while_the_database_is_away(caplog: pytest.LogCaptureFixture) -> None:
    away = Db(Pool("postgresql://nobody@127.0.0.1:1/none", size=1, warm=0, connect=0.2, server={}), acquire=0.2)
    feed = RevocationFeed(away, SessionRows(), token_life=900)
    task = asyncio.create_task(feed.run())
    async with asyncio.timeout(5):
        while not caplog.records:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "could not be read" in caplog.text


async def test_a_refresh_token_is_not_guessed_from_another(house: House) -> None:
    done = await house.sign_in(new_phone())
    token = RefreshToken.read(done.tokens.refresh_token)
    assert token is not None
    assert await refused(house, token.successor(b"", 1).text) == "AUTH_003"


async def test_a_feed_that_was_never_read_believes_no_token(house: House) -> None:
    feed = RevocationFeed(house.db, SessionRows(), token_life=900)
    ended = uuid7()
    feed.add([ended])
    assert feed.revoked(ended)
    with pytest.raises(Problem) as caught:
        feed.revoked(uuid7())
    assert caught.value.code.status == 503
