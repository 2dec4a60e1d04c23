"""Codes that come together are verified in one transaction, and nobody's sign-in hangs on a stranger's (ADR 27)."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest

from core import faultpoints
from core.errors import Problem
from core.store.db import Lost, Tx
from core.types import UserId
from plugins.user.models import Device, SignedIn
from tests.plugins.user.conftest import House, NewHouse, new_phone
from tests.plugins.user.test_signin import other, refusal
from tests.waiting import somebody_waits

TRANSACTIONS = "SELECT count(DISTINCT xmin::text) FROM users.sessions WHERE user_id = ANY ($1)"
SESSIONS = "SELECT count(*) FROM users.sessions s JOIN users.accounts a ON a.id = s.user_id WHERE a.phone = ANY ($1)"
KILL = "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE $1 = ANY (pg_blocking_pids(a.pid))"
ATTEMPTS = "SELECT attempts FROM users.challenges WHERE phone = $1"
Outcome = SignedIn | BaseException


@pytest.fixture
def armed() -> Iterator[None]:
    """The connection breaks after the next verification, which is committed."""
    faultpoints.arm(["db.after_statement/users.verify_code=error"], "1")
    yield
    faultpoints.arm([], "")


async def codes(house: House, count: int) -> list[tuple[str, str]]:
    """New phones, each with the code that it got."""
    phones = [new_phone() for _ in range(count)]
    return [(phone, await house.send(phone)) for phone in phones]


async def together(house: House, attempts: Sequence[tuple[str, str]], device: str | None = None) -> list[Outcome]:
    """Their outcomes, all asked for before the first transaction begins."""
    return await asyncio.gather(
        *(house.verify(phone, code, device) for phone, code in attempts), return_exceptions=True
    )


def done(outcomes: Sequence[Outcome]) -> list[SignedIn]:
    """Those that signed in."""
    return [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]


def names(outcomes: Sequence[Outcome]) -> list[str]:
    """OK, or how each was refused."""
    return [outcome.code.name if isinstance(outcome, Problem) else "OK" for outcome in outcomes]


@asynccontextmanager
async def amid(
    house: House, attempts: Sequence[tuple[str, str]]
) -> AsyncIterator[tuple[Tx, list[asyncio.Task[SignedIn]]]]:
    """Verifications, from a device, whose transaction has begun and cannot end; and the one that stands in its way."""
    async with house.db.transaction() as tx:
        await tx.execute("LOCK TABLE users.sessions IN SHARE MODE")
        tasks = [asyncio.create_task(house.verify(phone, code, "phone-1")) for phone, code in attempts]
        await somebody_waits(house.db, tx)
        yield tx, tasks


async def test_sign_ins_share_a_commit_and_a_wrong_code_undoes_none_of_them(house: House) -> None:
    right, wrong = await codes(house, 8), await codes(house, 2)
    mixed = [*right[:4], *((phone, other(code)) for phone, code in wrong), *right[4:], (new_phone(), "123456")]
    outcomes = await together(house, mixed)
    assert names(outcomes) == ["OK"] * 4 + ["AUTH_005"] * 2 + ["OK"] * 4 + ["AUTH_006"]
    people = done(outcomes)
    assert [one.account.phone for one in people] == [phone for phone, _ in right], "each got their own"
    assert await house.db.fetchval(TRANSACTIONS, [one.account.id for one in people]) == 1
    assert [await house.db.fetchval(ATTEMPTS, phone) for phone, _ in wrong] == [1, 1]
    assert names(await together(house, wrong)) == ["OK"] * 2
    for one in people:
        assert house.principal(one).user_id == one.account.id
        assert (await house.sessions.refresh(one.tokens.refresh_token, None)).access_token


async def test_wrong_and_right_codes_of_one_phone_are_taken_in_their_order(house: House) -> None:
    ((phone, code), (worn, good)) = await codes(house, 2)
    wrong, bad = other(code), other(good)
    assert names(await together(house, [(phone, wrong), (phone, wrong), (phone, code), (phone, code)])) == [
        *("AUTH_005", "AUTH_005", "OK", "OK")  # the last one is told of the same session
    ]
    assert names(await together(house, [(worn, bad), (worn, bad), (worn, bad), (worn, good)])) == [
        *("AUTH_005", "AUTH_005", "AUTH_005", "AUTH_006")
    ]
    assert await house.db.fetchval(SESSIONS, [phone, worn]) == 1


async def test_codes_that_several_replicas_get_at_once_sign_in_once(new_house: NewHouse) -> None:
    replicas = [new_house() for _ in range(3)]
    attempts = await codes(replicas[0], 6)
    each = await asyncio.gather(*(together(replica, attempts, f"phone-{n}") for n, replica in enumerate(replicas)))
    for outcomes in zip(*each, strict=True):
        assert sorted(names(outcomes)) == ["AUTH_006", "AUTH_006", "OK"]
    assert await replicas[0].db.fetchval(SESSIONS, [phone for phone, _ in attempts]) == 6


async def test_a_phone_that_somebody_holds_keeps_no_stranger_waiting(house: House) -> None:
    held = (await house.sign_in()).account
    attempts = [(held.phone, await house.send(held.phone)), *await codes(house, 3)]
    async with house.db.transaction() as tx:
        await house.sessions.hold(tx, UserId(held.id))
        tasks = [asyncio.create_task(house.verify(phone, code)) for phone, code in attempts]
        assert len(done(await asyncio.gather(*tasks[1:]))) == 3
        await somebody_waits(house.db, tx)
        assert not tasks[0].done()
    assert (await tasks[0]).account == held


async def test_whoever_gives_up_amid_a_transaction_can_ask_again(house: House) -> None:
    attempts = await codes(house, 3)
    async with amid(house, attempts) as (_, tasks):
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
    assert names(await asyncio.gather(*tasks[1:], return_exceptions=True)) == ["OK", "OK"]
    again = await house.verify(*attempts[0], "phone-1")
    assert again.is_new
    assert await house.db.fetchval(SESSIONS, [phone for phone, _ in attempts]) == 3


async def test_a_backend_that_dies_amid_a_transaction_takes_no_code_with_it(house: House) -> None:
    attempts = await codes(house, 3)
    async with amid(house, attempts) as (tx, tasks):
        await house.db.fetchval(KILL, await tx.fetchval("SELECT pg_backend_pid()"))
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, Lost) for outcome in outcomes)
    assert names(await together(house, attempts, "phone-1")) == ["OK"] * 3
    assert await house.db.fetchval(SESSIONS, [phone for phone, _ in attempts]) == 3


@pytest.mark.usefixtures("armed")
async def test_answers_that_are_lost_after_the_commit_are_given_again(house: House) -> None:
    attempts = await codes(house, 3)
    assert all(isinstance(outcome, Lost) for outcome in await together(house, attempts, "phone-1"))
    faultpoints.arm([], "")
    again = done(await together(house, attempts, "phone-1"))
    assert len({one.tokens.refresh_token for one in again}) == 3
    assert await house.db.fetchval(SESSIONS, [phone for phone, _ in attempts]) == 3
    assert await refusal(house, *attempts[0]) == "AUTH_006"


async def test_a_header_that_is_no_text_spoils_nobodys_sign_in(house: House) -> None:
    ((phone, code),) = await codes(house, 1)
    signing_in = house.signin.verify(phone, code, Device(), "127.0.0.1", "\udcff agent")
    assert (await asyncio.gather(signing_in, house.sign_in()))[0].is_new
    agent = "SELECT user_agent FROM users.sessions s JOIN users.accounts a ON a.id = s.user_id WHERE a.phone = $1"
    assert await house.db.fetchval(agent, phone) == "? agent"
