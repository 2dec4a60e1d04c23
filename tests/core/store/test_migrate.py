"""One migrator at a time, forward only, all of a file or nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.store import migrate
from core.store.migrate import MigrationError, apply, behind, read
from tests.conftest import NewDatabase


@pytest.fixture
async def url(new_database: NewDatabase) -> str:
    """An empty database."""
    return await new_database()


@pytest.fixture
async def admin(url: str) -> AsyncIterator[Any]:
    """A look at it."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


def folder(place: Path, **files: str) -> Path:
    """Migrations by name: `_0001_x="SQL"`; a phase is added where none is given."""
    place.mkdir(exist_ok=True)
    for name, sql in files.items():
        text = sql if sql.startswith("-- phase") else f"-- phase: pre\n{sql}"
        (place / f"{name.removeprefix('_')}.sql").write_text(text)
    return place


async def test_files_run_in_order_of_owner_and_number_and_once(url: str, admin: Any, tmp_path: Path) -> None:
    shop = folder(tmp_path / "shop", _0002_fill="INSERT INTO a VALUES (1)", _0001_make="CREATE TABLE a (id int)")
    cart = folder(tmp_path / "cart", _0001_copy="CREATE TABLE b AS SELECT id FROM a")
    files = read({"shop": shop, "cart": cart})
    names = [("shop", "0001_make"), ("shop", "0002_fill"), ("cart", "0001_copy")]
    assert [(m.owner, m.name) for m in files] == names
    assert [(m.owner, m.name) for m in await apply(url, files)] == names
    assert await apply(url, files) == []
    assert await admin.fetchval("SELECT count(*) FROM b") == 1
    rows = await admin.fetch("SELECT owner, name, checksum FROM kernel.migrations ORDER BY applied_at")
    assert [tuple(row) for row in rows] == [(m.owner, m.name, m.checksum) for m in files]


async def test_a_file_that_was_changed_after_it_was_applied_is_refused(url: str, tmp_path: Path) -> None:
    shop = folder(tmp_path / "shop", _0001_make="CREATE TABLE a (id int)")
    await apply(url, read({"shop": shop}))
    folder(shop, _0001_make="CREATE TABLE a (id bigint)")
    for work in (apply, behind):
        with pytest.raises(MigrationError, match="shop 0001_make was changed"):
            await work(url, read({"shop": shop}))


async def test_a_database_that_is_ahead_is_no_fault(url: str, tmp_path: Path) -> None:
    shop = folder(tmp_path / "shop", _0001_make="CREATE TABLE a (id int)", _0002_more="CREATE TABLE b (id int)")
    await apply(url, read({"shop": shop}))
    (shop / "0002_more.sql").unlink()  # the code of a release ago
    assert await behind(url, read({"shop": shop})) == []
    assert await apply(url, read({"shop": shop})) == []


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("1_make", "SELECT 1"),
        ("0001-make", "SELECT 1"),
        ("0001_Make", "SELECT 1"),
        ("0001_make", "-- phase: later\nSELECT 1"),
        ("0001_make", "-- phased\nSELECT 1"),
    ],
)
def test_a_file_needs_a_name_and_a_phase(tmp_path: Path, name: str, sql: str) -> None:
    with pytest.raises(MigrationError, match="needs a name like 0001_create_orders"):
        read({"shop": folder(tmp_path / "shop", **{name: sql})})


def test_a_number_is_used_once(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="same number"):
        read({"shop": folder(tmp_path / "shop", _0001_a="SELECT 1", _0001_b="SELECT 1")})


async def test_a_failing_file_leaves_nothing_and_is_named(url: str, admin: Any, tmp_path: Path) -> None:
    shop = folder(
        tmp_path / "shop",
        _0001_make="CREATE TABLE a (id int PRIMARY KEY)",
        _0002_bad="CREATE TABLE b (id int); INSERT INTO a VALUES (1), (1)",
        _0003_after="CREATE TABLE c (id int)",
    )
    with pytest.raises(MigrationError, match="shop 0002_bad failed: duplicate key") as caught:
        await apply(url, read({"shop": shop}))
    assert "\n" not in str(caught.value)
    assert (
        await admin.fetch("SELECT relname FROM pg_class WHERE relname IN ('b', 'c') UNION SELECT id::text FROM a") == []
    )
    assert await behind(url, read({"shop": shop})) == ["shop 0002_bad", "shop 0003_after"]
    folder(shop, _0002_bad="INSERT INTO a VALUES (1)")
    assert [m.name for m in await apply(url, read({"shop": shop}))] == ["0002_bad", "0003_after"]


async def test_two_migrators_at_once_apply_each_file_once(url: str, tmp_path: Path) -> None:
    names = [f"_{number:04}_step" for number in range(1, 6)]
    shop = folder(tmp_path / "shop", **{name: f"CREATE TABLE t{name} (id int)" for name in names})
    done = await asyncio.gather(*(apply(url, read({"shop": shop})) for _ in range(3)))
    assert sorted(len(applied) for applied in done) == [0, 0, 5]


async def test_a_lock_is_waited_for_in_tries(
    url: str, admin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(migrate.SESSION, "lock_timeout", "50")
    shop = folder(tmp_path / "shop", _0001_make="CREATE TABLE a (id int)")
    await apply(url, read({"shop": shop}))
    folder(shop, _0002_more="ALTER TABLE a ADD COLUMN more int")
    await admin.execute("BEGIN; LOCK TABLE a IN ACCESS SHARE MODE")
    with caplog.at_level(logging.WARNING):
        waiting = asyncio.ensure_future(apply(url, read({"shop": shop})))
        while "waits for a lock" not in caplog.text:
            await asyncio.sleep(0.01)
    await admin.execute("ROLLBACK")
    assert [m.name for m in await waiting] == ["0002_more"]


async def test_a_lock_that_is_never_free_is_given_up(
    url: str, admin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(migrate.SESSION, "lock_timeout", "10")
    monkeypatch.setattr(migrate, "TRIES", 3)
    shop = folder(tmp_path / "shop", _0001_make="CREATE TABLE a (id int)")
    await apply(url, read({"shop": shop}))
    folder(shop, _0002_more="ALTER TABLE a ADD COLUMN more int")
    await admin.execute("BEGIN; LOCK TABLE a IN ACCESS SHARE MODE")
    with pytest.raises(MigrationError, match="shop 0002_more failed: canceling statement due to lock timeout"):
        await apply(url, read({"shop": shop}))


async def test_only_what_the_code_needs_first_makes_a_replica_wait(url: str, tmp_path: Path) -> None:
    shop = folder(
        tmp_path / "shop", _0001_make="CREATE TABLE a (id int)", _0002_drop="-- phase: post\nDROP TABLE IF EXISTS z"
    )
    assert await behind(url, read({"shop": shop})) == ["shop 0001_make"]  # nothing was ever migrated here
    (shop / "0002_drop.sql").rename(shop / "kept")
    await apply(url, read({"shop": shop}))
    (shop / "kept").rename(shop / "0002_drop.sql")
    assert await behind(url, read({"shop": shop})) == []
    assert [m.name for m in await apply(url, read({"shop": shop}))] == ["0002_drop"]


async def test_a_database_that_is_away_is_told_by_its_error(tmp_path: Path) -> None:
    for work in (apply, behind):
        with pytest.raises(migrate.UNREACHABLE):
            await work("postgresql://nobody@127.0.0.1:1/nothing", [])
