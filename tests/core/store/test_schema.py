"""Files against what was applied: which are missing, which are due, whether the code suits the database."""

from pathlib import Path

import attrs
import pytest

from core.store.schema import Applied, Migration, MigrationError, due, missing, read, unfit


def file(version: int, phase: str = "pre", owner: str = "shop") -> Migration:
    return Migration(owner, version, f"{version:04}_x", phase, "whole", f"SELECT {version}")


def row(migration: Migration) -> Applied:
    return Applied(migration.owner, migration.version, migration.name, migration.checksum, migration.phase)


ONE, TWO, DROP, FOUR = file(1), file(2), file(3, "post"), file(4)


def test_what_was_applied_is_not_missing() -> None:
    assert missing([row(ONE)], [ONE, TWO]) == [TWO]
    with pytest.raises(MigrationError, match="shop 0001_x was changed after it was applied"):
        missing([attrs.evolve(row(ONE), checksum="else")], [ONE, TWO])


def test_what_takes_away_waits_for_the_end_of_the_rollout() -> None:
    assert due([ONE, TWO, DROP], post=False) == [ONE, TWO]
    assert due([ONE, TWO, DROP], post=True) == [ONE, TWO, DROP]


def test_what_takes_away_is_due_when_something_comes_after_it() -> None:
    cart = file(2, "post", owner="cart")
    assert due([DROP, FOUR, cart], post=False) == [DROP, FOUR]


def test_code_suits_its_own_schema_and_the_next() -> None:
    assert unfit([row(ONE), row(TWO)], [ONE, TWO]) == ""
    assert unfit([row(ONE), row(TWO)], [ONE]) == "", "expanded by the next release"
    assert unfit([row(ONE)], [ONE, DROP]) == "", "what it will take away itself"
    assert unfit([row(ONE), row(DROP)], [ONE, DROP]) == ""


def test_code_suits_no_schema_that_is_behind_or_lost_something_since() -> None:
    assert unfit([], [ONE, TWO]) == "lacks shop 0001_x and 1 more"
    assert (
        unfit([row(ONE), row(TWO), row(DROP)], [ONE, TWO])
        == "shop 0003_x is of a later release and took something away"
    )
    assert unfit([attrs.evolve(row(ONE), checksum="else")], [ONE]) == "shop 0001_x was changed after it was applied"


def test_code_suits_what_a_plugin_left_that_is_not_loaded_any_more() -> None:
    gone = [row(file(1, owner="gone")), row(file(2, "post", owner="gone"))]
    assert unfit([row(ONE), *gone], [ONE]) == ""


@pytest.mark.parametrize("mode", ["batches", "alone"])
def test_a_file_says_how_it_runs(tmp_path: Path, mode: str) -> None:
    (tmp_path / "0001_fill.sql").write_text(f"-- phase: post\n-- mode: {mode}\nSELECT 1")
    (tmp_path / "0002_make.sql").write_text("-- phase: pre\nSELECT 1")
    assert [(m.mode, m.phase) for m in read({"shop": tmp_path})] == [(mode, "post"), ("whole", "pre")]


def test_an_unknown_way_to_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_fill.sql").write_text("-- phase: pre\n-- mode: quickly\nSELECT 1")
    with pytest.raises(MigrationError, match="a mode is batches or alone"):
        read({"shop": tmp_path})
