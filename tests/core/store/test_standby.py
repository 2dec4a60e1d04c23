"""Reads of people's own data are answered by a standby while the primary is away; nothing else is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.errors import UNAVAILABLE, Problem
from core.resilience.rank import Rank, rank
from core.store.db import Db
from core.store.pool import Pool
from core.store.standby import by_the_primary, standby_at

SLOW_PRIMARY = """
SELECT current_setting('application_name')
FROM pg_sleep(CASE WHEN current_setting('application_name') = 'the primary' THEN 1.4 ELSE 0 END)"""
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"


def primary(dsn: str) -> Pool:
    return Pool(dsn, size=2, warm=0, connect=0.5, server={})


@pytest.fixture
async def bereft(database_url: str) -> AsyncIterator[Db]:
    """The primary is away, the standby is there."""
    db = Db(primary(NOWHERE), standby=standby_at(database_url, {}))
    yield db
    await db.close()


@pytest.mark.parametrize("reader", [Rank.REPORTS, Rank.CATALOGUE, Rank.OWN], ids=lambda one: one.name)
async def test_reads_are_answered_by_the_standby(bereft: Db, reader: Rank) -> None:
    rank.set(reader)
    assert await bereft.fetchval("SELECT 7") == 7
    assert (await bereft.fetchrow("SELECT 7 AS n") or {})["n"] == 7
    assert len(await bereft.fetch("SELECT generate_series(1, 3)")) == 3


@pytest.mark.parametrize("writer", [Rank.CART, Rank.VITAL], ids=lambda one: one.name)
async def test_what_a_write_wants_to_know_is_not(bereft: Db, writer: Rank) -> None:
    rank.set(writer)
    with pytest.raises(Problem) as refused:
        await bereft.fetchval("SELECT 7")
    assert refused.value.code is UNAVAILABLE


async def test_what_decides_something_is_not_even_for_a_reader(bereft: Db) -> None:
    rank.set(Rank.OWN)
    with by_the_primary(), pytest.raises(Problem) as refused:
        await bereft.fetchval("SELECT 7")
    assert refused.value.code is UNAVAILABLE
    assert await bereft.fetchval("SELECT 7") == 7
    rank.set(Rank.VITAL)
    with by_the_primary():
        assert rank.get() is Rank.VITAL


async def test_commands_and_transactions_are_not_whoever_asks(bereft: Db) -> None:
    rank.set(Rank.OWN)
    with pytest.raises(Problem):
        await bereft.command("SELECT 7")
    with pytest.raises(Problem):
        async with bereft.transaction() as tx:
            await tx.fetchval("SELECT 7")


async def test_with_both_away_the_refusal_is_the_primarys() -> None:
    rank.set(Rank.OWN)
    db = Db(primary(NOWHERE), standby=standby_at(NOWHERE, {}))
    for _ in range(8):  # until both breakers are open
        with pytest.raises(Problem) as refused:
            await db.fetchval("SELECT 7")
        assert refused.value.code is UNAVAILABLE
    assert db.standby is not None
    assert db.standby.breaker.trips == 1
    await db.close()


async def test_the_primary_answers_while_it_is_there(database_url: str) -> None:
    rank.set(Rank.OWN)
    db = Db(primary(database_url), standby=standby_at(NOWHERE, {}))
    assert await db.fetchval("SELECT 7") == 7
    assert db.standby is not None
    assert db.standby.pool.opened == 0
    await db.close()


async def test_a_statement_that_fails_on_the_standby_leaves_its_connection(bereft: Db) -> None:
    rank.set(Rank.OWN)
    with pytest.raises(Problem):
        await bereft.fetchval("SELECT 1 / 0")
    assert bereft.standby is not None
    assert (bereft.standby.pool.opened, bereft.standby.pool.free) == (0, 0)
    assert await bereft.fetchval("SELECT 7") == 7


async def test_a_read_is_called_away_from_a_primary_that_is_silent(database_url: str) -> None:
    rank.set(Rank.OWN)
    pool = Pool(database_url, size=2, warm=0, connect=0.5, server={"application_name": "the primary"})
    db = Db(pool, standby=standby_at(database_url, {"application_name": "the standby"}))
    assert db.standby is not None
    reading = asyncio.create_task(db.fetchval(SLOW_PRIMARY))
    await asyncio.sleep(0.2)
    db.standby.hear(primary=False)
    assert await asyncio.wait_for(reading, 1) == "the standby"
    assert await db.fetchval("SELECT current_setting('application_name')") == "the standby"
    db.standby.hear(primary=True)
    assert await db.fetchval("SELECT current_setting('application_name')") == "the primary"
    await db.close()


async def test_a_read_that_is_called_away_and_cancelled_is_cancelled(database_url: str) -> None:
    rank.set(Rank.OWN)
    db = Db(primary(database_url), standby=standby_at(database_url, {}))
    assert db.standby is not None
    reading = asyncio.create_task(db.fetchval("SELECT pg_sleep(2)"))
    await asyncio.sleep(0.2)
    db.standby.hear(primary=False)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await db.close()
