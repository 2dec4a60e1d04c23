"""What fails beside other tests is tried again alone, out loud; what is broken stays broken."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.code import ROOT
from tests.suite import FEW

ONCE = """
from pathlib import Path
def test_hurried():
    tried = Path("tried")
    seen = tried.exists()
    tried.touch()
    assert seen
"""


def suite(folder: Path, source: str, *arguments: str) -> tuple[int, str]:
    """The verdict on a folder with that test file, and what was printed."""
    (folder / "test_it.py").write_text(source)
    command = [sys.executable, "-m", "tests.suite", *arguments]
    ended = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout


def test_a_suite_that_passes_is_run_once(tmp_path: Path) -> None:
    verdict, said = suite(tmp_path, "def test_it(): pass")
    assert verdict == 0
    assert "alone" not in said


@pytest.mark.parametrize("workers", ["0", "2"])
def test_what_passes_alone_is_named(tmp_path: Path, workers: str) -> None:
    verdict, said = suite(tmp_path, ONCE, "-n", workers)
    assert verdict == 0, said
    assert "PASSED ALONE" in said
    assert said.count("   test_it.py::test_hurried\n") == 2, said


def test_what_is_broken_fails_alone_too(tmp_path: Path) -> None:
    verdict, said = suite(tmp_path, ONCE + "def test_broken(): assert False")
    assert verdict == pytest.ExitCode.TESTS_FAILED, said
    assert "PASSED" not in said


def test_many_failures_are_no_accident(tmp_path: Path) -> None:
    verdict, said = suite(tmp_path, ONCE + "".join(f"def test_{n}(): assert False\n" for n in range(FEW)))
    assert verdict == pytest.ExitCode.TESTS_FAILED
    assert f"{FEW + 1} tests failed" in said
    assert "Now tried" not in said


def test_a_suite_that_does_not_begin_is_not_repeated(tmp_path: Path) -> None:
    verdict, said = suite(tmp_path, "import nothing_of_that_name")
    assert verdict not in (0, pytest.ExitCode.TESTS_FAILED), said
    assert "alone" not in said


def test_passing_alone_excuses_no_missing_coverage(tmp_path: Path) -> None:
    (tmp_path / ".coveragerc").write_text("[report]\nfail_under = 100\n")
    verdict, said = suite(tmp_path, ONCE + "def nobody_calls_it():\n    return 1\n", "--cov=.")
    assert "PASSED ALONE" in said
    assert verdict != 0, said
