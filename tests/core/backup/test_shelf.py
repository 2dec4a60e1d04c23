"""Which backups begin where, what is missing between them, what may go."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from core.backup.commands import status
from core.backup.programs import BackupError, Source, needed, piped, postgres_program, run
from core.backup.shelf import Label, Shelf, position, read_label, stamp, write_label
from core.settings import Secret

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def labelled(shelf: Shelf, ended: datetime, segment: str) -> Label:
    """One base backup, without its content."""
    began = ended - timedelta(minutes=1)
    label = Label(
        name=stamp(began), began=began, ended=ended, major=18, first_segment=segment, bytes=1, sha256="0" * 64
    )
    place = shelf.base(label.name)
    place.mkdir(parents=True)
    write_label(label, place)
    return label


def received(shelf: Shelf, *segments: str) -> None:
    """Sealed pieces of WAL."""
    for segment in segments:
        (shelf.wal / f"{segment}.gz.age").touch()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "backups").made()


def test_the_newest_that_had_ended_is_the_one_to_begin_from(shelf: Shelf) -> None:
    labels = [labelled(shelf, NOW - timedelta(days=days), f"{'0' * 23}{9 - days}") for days in (2, 1, 0)]
    assert shelf.newest_before(None) == labels[2]
    assert shelf.newest_before(NOW - timedelta(hours=1)) == labels[1]
    with pytest.raises(BackupError, match="holds no base backup"):
        shelf.newest_before(NOW - timedelta(days=3))


def test_what_is_missing_is_named_across_timelines(shelf: Shelf) -> None:
    received(shelf, "000000010000000000000002", "000000020000000000000004")
    assert shelf.gaps("000000010000000000000002") == ["segment 3"]
    assert shelf.gaps("000000010000000000000009") == []
    assert position("0000000100000001000000FF") + 1 == position("000000010000000200000000")


def test_wal_that_stopped_before_the_newest_backup_is_missing(shelf: Shelf) -> None:
    for days, segment in ((7, "01"), (0, "F0")):
        labelled(shelf, NOW - timedelta(days=days), f"0000000100000000000000{segment}")
    received(shelf, *(f"00000001000000000000000{number}" for number in range(1, 9)))
    assert any("WAL is missing: segment 9, segment A" in one for one in status(shelf, NOW))
    assert shelf.gaps("000000010000000000000001") == []  # enough for a moment of last week


def test_what_is_being_received_is_not_missing(shelf: Shelf) -> None:
    labelled(shelf, NOW, "000000010000000000000002")
    (shelf.spool / "000000010000000000000002.partial").touch()
    assert status(shelf, NOW) == []


def test_old_backups_go_with_their_wal_but_never_the_newest(shelf: Shelf) -> None:
    labelled(shelf, NOW - timedelta(days=40), "000000010000000000000001")
    kept = labelled(shelf, NOW - timedelta(days=36), "000000010000000000000003")
    received(shelf, "000000010000000000000001", "000000010000000000000002", "000000010000000000000003")
    assert shelf.prune(timedelta(days=35), NOW) == (1, 2)
    assert shelf.labels() == [kept]
    assert shelf.segments() == ["000000010000000000000003"]
    assert shelf.prune(timedelta(days=35), NOW) == (0, 0)


def test_a_label_that_was_cut_short_is_told(tmp_path: Path) -> None:
    (tmp_path / "label.json").write_text("{}")
    with pytest.raises(BackupError, match="is no label"):
        read_label(tmp_path / "label.json")


def test_no_password_stands_among_arguments() -> None:
    source = Source.of(Secret("postgresql://vurksha:s%2Fcret@db.example:5432/shop?sslmode=verify-full"))
    assert source.where == "postgresql://vurksha@db.example:5432/shop?sslmode=verify-full"
    assert source.environment["PGPASSWORD"] == "s/cret"
    assert "s/cret" not in repr(source)
    assert Source.of(Secret("postgresql:///shop")).where == "postgresql:///shop"


def test_programs_that_are_missing_or_fail_are_told(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="apt-get install nothing-like-it"):
        needed("nothing-like-it")
    with pytest.raises(BackupError, match="pg_basebackup of PostgreSQL 99 is not here"):
        postgres_program("pg_basebackup", 99)
    with pytest.raises(BackupError, match="false ended with 1: it said nothing"):
        run(["false"])
    with pytest.raises(BackupError, match="sh ended with 3: oh"):
        piped(["echo", "x"], ["sh", "-c", "echo oh >&2; exit 3"], into=tmp_path / "out")
    with pytest.raises(BackupError, match="sh was cut short"):
        piped(["sh", "-c", "kill -9 $$"], ["cat"], into=tmp_path / "cut")
    piped(["sed", "s/a/b/"], ["tr", "b", "c"], out_of=written(tmp_path, "a"), into=tmp_path / "good")
    assert (tmp_path / "good").read_text() == "c"


def written(folder: Path, text: str) -> Path:
    """A file with it."""
    (folder / "in").write_text(text)
    return folder / "in"


def test_a_label_says_which_server_it_needs(shelf: Shelf) -> None:
    label = labelled(shelf, NOW, "000000010000000000000001")
    assert attrs.evolve(label, major=18) == shelf.labels()[0]
