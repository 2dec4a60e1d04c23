"""One migrator at a time, forward only, all of a file or nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.store import migrate
from core.store.migrate import MigrationError, apply, behind, plan, read
from core.store.schema import Applied
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


async def test_what_takes_away_waits_unless_it_is_asked_for(url: str, tmp_path: Path) -> None:
    shop = folder(tmp_path / "shop", _0001_make="CREATE TABLE a (id int)")
    await apply(url, read({"shop": shop}))
    folder(
        shop, _0002_more="ALTER TABLE a ADD COLUMN more int", _0003_less="-- phase: post\nALTER TABLE a DROP COLUMN id"
    )
    files = read({"shop": shop})
    assert [m.name for m in await plan(url, files, post=True)] == ["0002_more", "0003_less"]
    assert [m.name for m in await apply(url, files, post=False)] == ["0002_more"]
    assert await behind(url, files) == []
    assert [m.name for m in await plan(url, files, post=False)] == []
    assert [m.name for m in await apply(url, files, post=True)] == ["0003_less"]


async def test_an_empty_database_gets_everything(url: str, tmp_path: Path) -> None:
    shop = folder(tmp_path / "shop", _0001_make="CREATE TABLE a (id int)", _0002_less="-- phase: post\nDROP TABLE a")
    assert [m.name for m in await apply(url, read({"shop": shop}), post=False)] == ["0001_make", "0002_less"]


async def test_a_guard_sees_what_is_about_to_happen_and_may_forbid_it(url: str, admin: Any, tmp_path: Path) -> None:
    async def forbid(connection: Any, files: Any) -> None:
        assert [m.name for m in files] == ["0001_make"]
        raise MigrationError(f"not while {await connection.fetchval('SELECT 7')} run")

    shop = folder(tmp_path / "shop", _0001_make="CREATE TABLE a (id int)")
    with pytest.raises(MigrationError, match="not while 7 run"):
        await apply(url, read({"shop": shop}), guard=forbid)
    assert await admin.fetchval("SELECT to_regclass('a')") is None


async def test_a_book_without_phases_is_read_and_brought_up_to_date(url: str, admin: Any, tmp_path: Path) -> None:
    shop = folder(tmp_path / "shop", _0001_make="CREATE TABLE a (id int)")
    (first,) = await apply(url, read({"shop": shop}))
    await admin.execute("ALTER TABLE kernel.migrations DROP COLUMN phase")
    assert await apply(url, read({"shop": shop})) == []
    assert await migrate.applied_to(admin) == [Applied("shop", 1, "0001_make", first.checksum, "pre")]
    folder(shop, _0002_less="-- phase: post\nDROP TABLE a")
    await apply(url, read({"shop": shop}))
    assert [one.phase for one in await migrate.applied_to(admin)] == ["pre", "post"]


async def test_a_backfill_runs_in_batches_that_hold_no_lock_between_them(url: str, admin: Any, tmp_path: Path) -> None:
    fill = """-- phase: pre
-- mode: batches
UPDATE a SET more = id, at = clock_timestamp() WHERE id IN (SELECT id FROM a WHERE more IS NULL ORDER BY id LIMIT 4)
"""
    shop = folder(
        tmp_path / "shop",
        _0001_make="CREATE TABLE a (id int, more int, at timestamptz); INSERT INTO a SELECT generate_series(1, 10)",
        _0002_fill=fill,
        _0003_rule="ALTER TABLE a ALTER COLUMN more SET NOT NULL",
    )
    await apply(url, read({"shop": shop}))
    transactions = await admin.fetch("SELECT count(*) FROM a GROUP BY xmin::text ORDER BY min(id)")
    assert [row["count"] for row in transactions] == [4, 4, 2]


async def test_a_batch_must_change_rows(url: str, tmp_path: Path) -> None:
    shop = folder(tmp_path / "shop", _0001_fill="-- phase: pre\n-- mode: batches\nSELECT 1")
    with pytest.raises(MigrationError, match="a batch must insert, update or delete, not SELECT 1"):
        await apply(url, read({"shop": shop}))


async def test_an_index_is_made_beside_the_traffic_and_again_after_a_failure(
    url: str, admin: Any, tmp_path: Path
) -> None:
    index = """-- phase: pre
-- mode: alone
DROP INDEX CONCURRENTLY IF EXISTS a_id;
CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id);
"""
    shop = folder(
        tmp_path / "shop", _0001_make="CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)", _0002_index=index
    )
    with pytest.raises(MigrationError, match="shop 0002_index failed: could not create unique index"):
        await apply(url, read({"shop": shop}))
    assert not await admin.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_id'::regclass")
    await admin.execute("DELETE FROM a")
    await apply(url, read({"shop": shop}))
    assert await admin.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'a_id'::regclass")


async def test_another_migrator_is_waited_for_without_a_transaction(
    url: str, admin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(migrate, "LOOK_AGAIN", 0.02)
    await admin.fetchval("SELECT pg_advisory_lock($1)", migrate.LOCK)
    shop = folder(tmp_path / "shop", _0001_make="CREATE TABLE a (id int)")
    with caplog.at_level(logging.INFO):
        waiting = asyncio.ensure_future(apply(url, read({"shop": shop})))
        while "another migrator is at work" not in caplog.text:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert not waiting.done()
    assert not await admin.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vurksha migrate'"
        " AND datname = current_database() AND state <> 'idle'"
    )
    await admin.fetchval("SELECT pg_advisory_unlock($1)", migrate.LOCK)
    assert [m.name for m in await waiting] == ["0001_make"]
