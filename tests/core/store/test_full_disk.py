"""A PostgreSQL whose disk is full, for real where a file system may be mounted, and by its error everywhere."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.resilience.breaker import State
from tests.conftest import NewDatabase
from tests.core.store.primary import BUSY, INSERT, TABLE, Primary, seconds, serving, unavailable, works

MEGABYTES = 96
GROW = "INSERT INTO filling SELECT repeat(md5(random()::text), 200) FROM generate_series(1, 300) RETURNING 1"
FULL = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not extend file'; END $$"


@pytest.fixture
def small() -> Iterator[tuple[Primary, Path]]:
    """A server on a small disk of its own, and that disk."""
    disk = Path(f"/tmp/vk-disk-{os.getpid()}-{time.monotonic_ns()}")
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=711", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        disk.rmdir()
        pytest.skip("only root may mount a file system")
    primary = Primary(disk)
    try:
        primary.create()
        primary.start("wal_recycle=off", "max_wal_size=32MB", "autovacuum=off")
        yield primary, disk
    finally:
        primary.end()
        subprocess.run(["umount", str(disk)], check=True)
        disk.rmdir()


async def test_a_full_disk_refuses_writes_serves_reads_and_heals_by_itself(small: tuple[Primary, Path]) -> None:
    primary, disk = small
    async with serving(primary.url) as db:
        await db.command(TABLE)
        await db.command("CREATE TABLE filling (text text)")
        await db.command(GROW)
        filler = disk / "filler"
        with filler.open("wb") as file:
            while os.statvfs(disk).f_bavail > 512:
                file.write(bytes(1 << 20))
                file.flush()
        results = []
        while not results or not unavailable(results[-1][1]):
            results.append(await seconds(db.command(GROW)))
            assert len(results) < 100, "the disk did not fill up"
        results += [await seconds(db.command(GROW)) for _ in range(8)]
        assert all(unavailable(got) for _, got in results[-8:])
        assert results[-1][0] < 0.05 * BUSY
        assert db.writes.state is not State.CLOSED
        assert await db.fetchval("SELECT count(*) > 0 FROM filling")
        assert db.breaker.state is State.CLOSED
        filler.unlink()
        assert await works(db, 5 * BUSY) <= 5 * BUSY


async def test_the_error_of_a_full_disk_ends_writes_and_not_reads(new_database: NewDatabase) -> None:
    async with serving(await new_database()) as db:
        await db.command(TABLE)
        results = [await seconds(db.command(FULL)) for _ in range(6)]
        assert all(unavailable(got) for _, got in results)
        assert (db.writes.state, db.breaker.state) == (State.OPEN, State.CLOSED)
        assert await db.fetchval("SELECT 1") == 1
        assert await works(db, 5 * BUSY) <= 5 * BUSY
        for _ in range(2):
            await db.command(INSERT, 1)
        assert db.writes.state is State.CLOSED
