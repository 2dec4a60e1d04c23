"""The whole suite: `python -m tests.suite [what pytest takes]`. What fails beside other tests is tried again alone.

Many tests hold promises of time: a refusal within 50 ms, a drain of a second. A build machine with two cores, two
workers and a dozen servers sometimes stands still for longer, and then no such test proves anything. So a few failures
are tried once more, one after the other, with nothing beside them; that verdict counts, and the first is printed too.
Many failures are no accident and stay what they are (ADR 40).
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FEW = 5
"""Failures of one run that may be the machine's."""
LAST = Path(".pytest_cache/v/cache/lastfailed")
"""Where pytest keeps the names of what failed."""


def main(arguments: list[str]) -> int:
    """The verdict, as pytest's exit code."""
    LAST.unlink(missing_ok=True)
    verdict = _run("pytest", *arguments)
    failed = sorted(json.loads(LAST.read_text())) if LAST.exists() else []
    if verdict != pytest.ExitCode.TESTS_FAILED or not failed:
        return verdict
    if len(failed) > FEW:
        _tell(f"{len(failed)} tests failed, too many to be the machine's fault. None is tried again:", failed)
        return verdict
    _tell("Failed beside other tests. Now tried again, alone:", failed)
    verdict = _run("pytest", "--last-failed", "--last-failed-no-failures=none")
    if verdict:
        return verdict
    _tell("Failed beside other tests and PASSED ALONE. Once is a busy machine; if you see a name twice, look:", failed)
    # Beside failures pytest's exit code does not tell whether enough was covered.
    return _run("coverage", "report", "--format=total") if any(a.startswith("--cov") for a in arguments) else 0


def _run(module: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode


def _tell(what: str, tests: list[str]) -> None:
    print(f"\n== {what}", *tests, sep="\n   ", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
