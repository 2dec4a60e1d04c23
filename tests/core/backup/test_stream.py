"""WAL that goes on coming through whatever ends for a while, and backups that fail without leaving anything."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from core.backup.programs import BackupError, Source
from core.backup.restoring import give, lay_wal
from core.backup.shelf import Shelf
from core.backup.streaming import SLOT, Stream, seal_all
from core.backup.taking import base_backup, moment
from core.settings import Secret
from core.store.db import Db
from tests.core.backup.conftest import Shop
from tests.core.backup.test_shelf import NOW, labelled
from tests.core.program import LONG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
BEGAN = (datetime(2026, 1, 31, tzinfo=UTC), 18, "000000010000000000000001")
ACTIVE = f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{SLOT}'"


async def eventually(condition: Callable[[], object]) -> None:
    """Wait for something outside, looked at from a thread."""
    until = time.monotonic() + LONG
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < until
        await asyncio.sleep(0.05)


def test_a_slot_that_was_given_up_is_made_anew(shop: Shop, tmp_path: Path) -> None:
    shelf, told = Shelf(tmp_path / "b"), iter(range(1000))

    async def ledger() -> str:
        if next(told) == 0:
            raise ConnectionError("the database is away")
        return "nobody\n"

    async def play() -> None:
        stream = Stream(shelf, Source.of(Secret(shop.url)), [shop.recipient], 18)
        work = asyncio.create_task(stream.run(ledger))
        await eventually(lambda: shop.ask(ACTIVE))
        await asyncio.to_thread(shop.ask, f"SELECT pg_terminate_backend(({ACTIVE}), 5000)")
        await asyncio.to_thread(shop.ask, f"SELECT pg_drop_replication_slot('{SLOT}')")
        await eventually(lambda: shop.ask(ACTIVE))
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(play())
    assert list(shelf.spool.glob("*.partial"))
    assert shop.ask(f"SELECT pg_terminate_backend(({ACTIVE}), 5000)") is not False
    shop.ask(f"SELECT pg_drop_replication_slot('{SLOT}')")


def test_the_newest_whole_segment_stays_where_the_receiver_looks_for_it(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path).made()
    first, second = (shelf.spool / f"{'0' * 23}{number}" for number in (1, 2))
    first.write_text("x")
    second.write_text("y")
    assert seal_all(shelf, [["cat"], ["cat"]]) == 2
    assert (first.exists(), second.exists(), len(list(shelf.wal.iterdir()))) == (False, True, 2)
    assert seal_all(shelf, [["false"]]) == 1
    (shelf.spool / f"{'0' * 23}3.partial").touch()
    seal_all(shelf, [["false"]])
    assert not second.exists()


class Answers:
    """A database that says one thing of itself."""

    def __init__(self, **row: object) -> None:
        self._row = {
            "now": NOW,
            "major": 18,
            "segment": BEGAN[2],
            "wal_level": "replica",
            "segment_size": 1 << 24,
        } | row

    async def fetchrow(self, _: str) -> Mapping[str, Any]:
        return self._row


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"segment": None}, "this is a standby"),
        ({"wal_level": "minimal"}, "too little WAL"),
        ({"segment_size": 1}, "16 MB"),
    ],
    ids=["standby", "minimal", "segments"],
)
async def test_a_server_that_cannot_be_backed_up_is_refused(row: dict[str, object], why: str) -> None:
    with pytest.raises(BackupError, match=why):
        await moment(cast("Db", Answers(**row)))
    assert await moment(cast("Db", Answers())) == (NOW, 18, BEGAN[2])


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path, shop: Shop) -> None:
    shelf, nobody = Shelf(tmp_path), Source.of(Secret("postgresql://nobody:x@127.0.0.1:1/nothing"))
    with pytest.raises(BackupError, match="pg_basebackup ended with 1"):
        base_backup(shelf, nobody, [shop.recipient], BEGAN)
    assert list((tmp_path / "base").iterdir()) == []
    (tmp_path / "base" / "20260131T000000Z").mkdir()
    with pytest.raises(BackupError, match="is being written already"):
        base_backup(shelf, nobody, [shop.recipient], BEGAN)


def test_wal_with_a_gap_is_no_way_back(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "b").made()
    label = labelled(shelf, NOW, f"{'0' * 23}2")
    for number in (1, 4):
        (shelf.wal / f"{'0' * 23}{number}.gz.age").touch()
    with pytest.raises(BackupError, match="WAL is missing: segment 2, segment 3"):
        lay_wal(shelf, label, tmp_path / "key", tmp_path / "wal")
    give(None, tmp_path / "nowhere")


def test_only_what_came_since_is_laid_down(tmp_path: Path, shop: Shop) -> None:
    shelf = Shelf(tmp_path / "b").made()
    label = labelled(shelf, NOW, f"{'0' * 23}2")
    (shelf.wal / f"{'0' * 23}1.gz.age").write_text("not even encrypted: nobody reads it")
    (shelf.spool / f"{'0' * 23}2").write_text("whole")
    (shelf.spool / f"{'0' * 23}3.partial").write_text("begun")
    (shelf.spool / "00000002.history.part").touch()
    assert lay_wal(shelf, label, shop.key, tmp_path / "wal") == 2
    (shelf.spool / f"{'0' * 23}2").write_text("whole")
    (tmp_path / "wal" / f"{'0' * 23}3").write_text("of an earlier try")
    assert lay_wal(shelf, label, shop.key, tmp_path / "wal") == 2
    assert {path.name[-1]: path.read_text() for path in (tmp_path / "wal").iterdir()} == {"2": "whole", "3": "begun"}
