"""What `vurksha new-plugin` writes, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.cli import program
from core.scaffold.package import NoPackage, check, write

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Notes", "is no name"),
        ("a__b", "is no name"),
        ("../up", "is no name"),
        ("a" * 21, "is no name"),
        ("http", "is the kernel's own"),
        ("docs", "is the kernel's own"),
        ("table", "is a word of SQL or Python"),
        ("lambda", "is a word of SQL or Python"),
        ("pg_notes", "is a word of SQL or Python"),
        ("order", "a plugin 'order' is installed already"),
        ("orders", "'orders' will not do: the schema 'orders' belongs to order; the path 'orders' belongs to order"),
        ("webhooks", "'webhooks' will not do: the path 'webhooks' belongs to payment"),
        ("inventory", "'inventory' will not do: the event prefix 'inventory' belongs to product"),
    ],
)
def test_a_name_that_will_not_do_is_refused(name: str, why: str) -> None:
    with pytest.raises(NoPackage, match=why):
        check(name)


def test_a_package_that_can_be_imported_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vurksha_here").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NoPackage, match="installed already"):
        check("here")


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    there = tmp_path / "vurksha-notes"
    there.mkdir()
    with pytest.raises(NoPackage, match="is there already"):
        write("notes", tmp_path)
    assert list(there.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoPackage, match="cannot write"):
        write("notes", tmp_path / "file" / "below")


def test_the_command_says_what_comes_next_or_why_not_on_one_line(tmp_path: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(program, ["new-plugin", "notes", "--path", str(tmp_path)])
    assert done.exit_code == 0
    assert "pytest" in done.output
    again = runner.invoke(program, ["new-plugin", "notes", "--path", str(tmp_path)])
    assert again.exit_code == 1
    assert again.output == f"Error: {tmp_path}/vurksha-notes is there already\n"


@pytest.mark.parametrize("name", ["ab", "loyalty_points_abcde"])
def test_what_is_written_passes_its_own_checks(name: str, tmp_path: Path) -> None:
    """The shortest and the longest name: formatting depends on both."""
    folder = write(name, tmp_path)
    texts = [path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()]
    assert not any("$name" in text or "${" in text or "$package" in text for text in texts)
    for tool in (["ruff", "format", "--check", "."], ["ruff", "check", "."]):
        if (BIN / tool[0]).exists():  # a checker, which the tests' own packages do not bring
            said = subprocess.run([BIN / tool[0], *tool[1:]], cwd=folder, capture_output=True, text=True, check=False)
            assert said.returncode == 0, said.stdout
