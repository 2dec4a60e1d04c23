import asyncio
import time
from itertools import pairwise

import pytest

from core import jobs as module
from core.jobs import LOCK, Job, Jobs, lock_key
from core.store.db import Db
from core.tasks import Tasks


async def nothing() -> None:
    pass


async def locks(db: Db) -> int:
    held: int = await db.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    return held


async def test_a_job_runs_at_its_interval_with_a_jitter_of_a_tenth(kernel_db: Db) -> None:
    times: list[float] = []

    async def run() -> None:
        times.append(time.monotonic())

    tasks = Tasks()
    jobs = Jobs(kernel_db, tasks, [Job(name="tick", every=0.1, run=run)])
    jobs.start()
    await asyncio.sleep(0.75)
    await tasks.stop(1)
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert len(times) >= 5
    assert all(0.085 <= gap <= 0.25 for gap in gaps)
    assert len({round(gap, 4) for gap in gaps}) > 1
    assert jobs.runs["tick"] == len(times)


async def test_a_failure_is_logged_and_counted_and_the_next_run_goes_on(
    kernel_db: Db, caplog: pytest.LogCaptureFixture
) -> None:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ValueError("no")

    tasks = Tasks()
    jobs = Jobs(kernel_db, tasks, [Job(name="tick", every=0.02, run=run)])
    jobs.start()
    while not jobs.runs["tick"]:
        await asyncio.sleep(0.01)
    await tasks.stop(1)
    assert jobs.failures["tick"] == 2
    assert "job tick failed" in caplog.text


async def test_a_single_job_runs_on_one_replica_at_a_time(kernel_db: Db) -> None:
    running = most = 0

    async def run() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    job = Job(name="alone", every=1, run=run, single=True)
    replicas = [Jobs(kernel_db, Tasks(), [job]) for _ in range(3)]
    await asyncio.gather(*(replica.run(job) for replica in replicas))
    assert most == 1
    assert sum(replica.runs["alone"] for replica in replicas) == 1
    assert sum(replica.skipped["alone"] for replica in replicas) == 2
    await replicas[0].run(job)
    assert most == 1
    assert await locks(kernel_db) == 0


async def test_the_lock_is_freed_when_the_job_fails_or_is_cancelled(kernel_db: Db) -> None:
    async def fails() -> None:
        raise ValueError("no")

    async def hangs() -> None:
        await asyncio.Event().wait()

    jobs = Jobs(kernel_db, Tasks(), [])
    await jobs.run(Job(name="alone", every=1, run=fails, single=True))
    assert jobs.failures["alone"] == 1
    assert await locks(kernel_db) == 0
    hanging = asyncio.ensure_future(jobs.run(Job(name="alone", every=1, run=hangs, single=True)))
    while not await locks(kernel_db):
        await asyncio.sleep(0.01)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    while await locks(kernel_db):
        await asyncio.sleep(0.01)


async def test_a_lock_that_cannot_be_had_is_a_failure_and_not_an_end(
    kernel_db: Db, caplog: pytest.LogCaptureFixture
) -> None:
    held = [await kernel_db.pool.acquire(1) for _ in range(kernel_db.pool.size)]
    jobs = Jobs(kernel_db, Tasks(), [])
    await jobs.run(Job(name="alone", every=1, run=nothing, single=True))
    for connection in held:
        kernel_db.pool.release(connection)
    assert jobs.failures["alone"] == 1
    assert "its lock failed" in caplog.text


async def test_the_lock_is_the_same_on_every_replica(kernel_db: Db) -> None:
    assert lock_key("kernel.outbox.clean") == lock_key("kernel.outbox.clean") != lock_key("kernel.inbox.clean")
    async with kernel_db.connection() as connection:
        assert await connection.fetchval(LOCK, lock_key("any"))
        assert await connection.fetchval("SELECT pg_advisory_unlock($1)", lock_key("any"))


async def test_two_jobs_of_one_name_are_refused(kernel_db: Db) -> None:
    job = Job(name="twin", every=1, run=nothing)
    with pytest.raises(ValueError, match="twin"):
        Jobs(kernel_db, Tasks(), [job, job]).start()


async def test_a_run_that_hangs_is_a_failure_and_frees_its_lock(
    kernel_db: Db, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "SILENCE", 0.1)
    jobs = Jobs(kernel_db, Tasks(), [])
    await jobs.run(Job(name="alone", every=1, run=hangs, single=True))
    assert jobs.failures["alone"] == 1
    assert "stood still for 0.1 s" in caplog.text
    assert await locks(kernel_db) == 0


async def test_no_run_begins_once_the_jobs_are_closed(kernel_db: Db) -> None:
    runs, under_way, release = 0, asyncio.Event(), asyncio.Event()

    async def run() -> None:
        nonlocal runs
        runs += 1
        under_way.set()
        await release.wait()

    tasks = Tasks()
    jobs = Jobs(kernel_db, tasks, [Job(name="tick", every=0.02, run=run)])
    jobs.start()
    await under_way.wait()
    jobs.close()
    release.set()
    await asyncio.sleep(0.1)
    assert (runs, jobs.runs["tick"], tasks.names) == (1, 1, [])
    await tasks.stop(1)


async def test_a_job_that_would_end_the_process_has_failed(kernel_db: Db) -> None:
    async def leaves() -> None:
        raise SystemExit(1)

    jobs = Jobs(kernel_db, Tasks(), [])
    await jobs.run(Job(name="leaver", every=1, run=leaves))
    assert jobs.failures["leaver"] == 1
