"""Erasing: in order, in batches, on any replica, after any failure (RELIABILITY 4.15)."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from core.privacy.requests import AT_ONCE, LEASE
from core.store.db import Db
from core.types import UserId, uuid7
from tests.core.privacy.domains import Domain, fill, left, privacy
from tests.core.privacy.erasing import due, erasures, requested, state
from tests.forgetting import AT_THE_LIMIT, SETTLED, WINDOW_OVER

ROOT = Path(__file__).resolve().parents[3]
TIMES = """
SELECT due_at - requested_at AS window, limit_at - requested_at AS whole FROM kernel.erasures WHERE user_id = $1
"""
SOON = """
UPDATE kernel.erasures SET due_at = clock_timestamp() + $2, next_attempt_at = clock_timestamp() + $2
WHERE user_id = $1 RETURNING id
"""


async def test_a_request_is_one_however_often_and_from_wherever_it_comes(db: Db) -> None:
    user = UserId(uuid7())

    async def ask() -> object:
        async with db.transaction() as tx:
            return await erasures.request(tx, user, "user")

    assert len(set(await asyncio.gather(*(ask() for _ in range(8))))) == 1
    assert await db.fetchval("SELECT count(*) FROM kernel.erasures WHERE user_id = $1", user) == 1


async def test_it_takes_a_day_then_nothing_is_left_within_three(db: Db) -> None:
    user = await requested(db)
    row = await db.fetchrow(TIMES, user)
    assert row is not None
    assert round(row["window"].total_seconds() / 3600, 3) == 24
    assert round(row["whole"].total_seconds() / 3600, 3) == 72
    worker = privacy(db, Domain("base"))
    await worker.erase_due()
    assert (await state(db, user))[0] == "waiting"
    assert not await erasures.is_erased(db, user)


async def test_who_needs_others_is_first_and_the_kernel_last(db: Db) -> None:
    user = await due(db, base=3, middle=3, top=3)
    domains = [Domain(name) for name in ("base", "middle", "top")]
    assert await privacy(db, *domains).erase_one()
    assert await state(db, user) == ("done", ["top", "middle", "base", "kernel"], None)
    assert await left(db, user, "base", "middle", "top") == [0, 0, 0]
    assert all(one.asked == [user] for one in domains)


async def test_nothing_begins_until_whoever_did_not_see_the_ledger_is_through(db: Db) -> None:
    user = await requested(db)
    await db.command(WINDOW_OVER, user)
    domain = Domain("base")
    await privacy(db, domain).erase_due()
    assert await state(db, user) == ("erasing", [], None)
    assert domain.asked == []
    assert await erasures.is_erased(db, user)


async def test_what_an_owner_could_not_do_is_done_later_and_what_is_done_stays_done(db: Db) -> None:
    user = await due(db, base=25, middle=25, top=25)
    domains = [Domain("base"), Domain("middle", faults=2), Domain("top")]
    worker = privacy(db, *domains)
    await worker.erase_one()
    assert await state(db, user) == ("erasing", ["top", "base", "kernel"], "middle: Fault")
    assert await left(db, user, "base", "middle", "top") == [0, 25, 0], "its batch is rolled back, nobody waits for it"
    assert not await worker.erase_one(), "it rests for a minute"
    for _ in range(2):
        await db.command(SETTLED, user)
        await worker.erase_one()
    assert await state(db, user) == ("done", ["top", "base", "kernel", "middle"], None)
    assert domains[2].asked == [user], "once"
    assert await left(db, user, "base", "middle", "top") == [0, 0, 0]


async def test_a_worker_that_was_killed_half_way_is_followed_by_another(db: Db, kernel_url: str) -> None:
    user = await due(db, base=25, middle=25, top=25)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.core.privacy.domains", cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TEST_DSN": kernel_url, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"half\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert await state(db, user) == ("erasing", ["top"], None)
    assert await left(db, user, "base", "middle", "top") == [25, 15, 0]
    domains = [Domain("base"), Domain("middle"), Domain("top")]
    worker = privacy(db, *domains)
    assert not await worker.erase_one(), "the dead one's lease"
    lease = "SELECT next_attempt_at - now() FROM kernel.erasures WHERE user_id = $1"
    assert await db.fetchval(lease, user) <= LEASE
    await db.command(SETTLED, user)
    assert await worker.erase_one()
    assert await state(db, user) == ("done", ["top", "middle", "base", "kernel"], None)
    assert await left(db, user, "base", "middle", "top") == [0, 0, 0]
    assert domains[2].steps == 0


async def test_an_owner_that_still_needs_something_holds_nobody_up_and_gives_way_at_the_limit(db: Db) -> None:
    user = await due(db, base=5, middle=5, top=5)
    worker = privacy(db, Domain("base"), Domain("middle", waits=True), Domain("top"))
    await worker.erase_one()
    assert await state(db, user) == ("erasing", ["top", "base", "kernel"], None)
    assert await left(db, user, "base", "middle", "top") == [0, 5, 0]
    assert not await worker.erase_one()
    await db.command(AT_THE_LIMIT, user)
    await db.command(SETTLED, user)
    await worker.erase_one()
    assert (await state(db, user))[0] == "done"
    assert await left(db, user, "middle") == [0]


async def test_nobody_counts_as_erased_while_a_plugin_cannot_be_loaded(db: Db) -> None:
    user, worker = await due(db, base=3), privacy(db, Domain("base"))
    worker._plugins.left_out["gift"] = "cannot be imported"
    await worker.erase_one()
    assert await state(db, user) == ("erasing", ["base"], None), "whose its events are, its code says"
    assert await left(db, user, "base") == [0]
    worker._plugins.left_out.clear()
    await db.command(SETTLED, user)
    await worker.erase_one()
    assert (await state(db, user))[0] == "done"


async def test_replicas_share_the_work(db: Db) -> None:
    users = [await due(db, base=12) for _ in range(12)]
    replicas = [Domain("base") for _ in range(3)]

    async def work(domain: Domain) -> None:
        worker = privacy(db, domain)
        while await worker.erase_one():
            pass

    await asyncio.gather(*(work(one) for one in replicas))
    assert sorted(user for one in replicas for user in one.asked) == sorted(users), "each by one of them"
    assert {(await state(db, user))[0] for user in users} == {"done"}


async def test_an_undo_and_the_end_of_its_window_exclude_each_other(db: Db) -> None:
    users = [await requested(db) for _ in range(10)]
    for user in users:
        await db.command(SOON, user, timedelta(milliseconds=150))

    async def begin() -> None:
        for _ in range(40):
            async with db.transaction() as tx:
                await erasures.begin_due(tx)
            await asyncio.sleep(0.01)

    async def undo(user: UserId, after: float) -> bool:
        await asyncio.sleep(after)
        return bool(await db.fetchval("SELECT kernel.undo_erasure($1)", user))

    _, *undone = await asyncio.gather(begin(), *(undo(user, 0.1 + i / 100) for i, user in enumerate(users)))
    for user, was_undone in zip(users, undone, strict=True):
        assert (await state(db, user))[0] == ("undone" if was_undone else "erasing")
        assert await erasures.is_erased(db, user) is not was_undone


async def test_many_windows_that_end_at_once_begin_in_bounded_numbers(db: Db) -> None:
    users = [uuid7() for _ in range(AT_ONCE + 5)]
    async with db.transaction() as tx:
        for user in users:
            await erasures.request(tx, user, "user")
    await db.fetch("UPDATE kernel.erasures SET next_attempt_at = now(), due_at = now() RETURNING id")
    async with db.transaction() as tx:
        assert await erasures.begin_due(tx) == AT_ONCE
    async with db.transaction() as tx:
        assert await erasures.begin_due(tx) == 5


async def test_ten_thousand_rows_go_in_small_steps_that_keep_nobody_waiting(db: Db) -> None:
    user, other = await due(db, base=10_000), UserId(uuid7())
    domain = Domain("base")
    written, running = 0, True

    async def neighbour() -> None:
        nonlocal written
        while running:  # whoever waited 800 ms for a lock would fail here
            await fill(db, other, base=1)
            await db.command("UPDATE forget.rows SET domain = domain WHERE user_id = $1 RETURNING id", other)
            written += 1

    beside = asyncio.create_task(neighbour())
    await privacy(db, domain).erase_one()
    running = False
    await beside
    assert domain.steps == 1001
    assert await left(db, user, "base") == [0]
    assert written > 10
    assert await left(db, other, "base") == [written]
