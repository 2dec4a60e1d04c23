"""The quick part of the fault matrix, one world at a time, on one worker (`./ops/faults` plays all of it)."""

from pathlib import Path

import pytest

from tests.faults.cells import BROKEN
from tests.faults.matrix import attempt
from tests.faults.scenarios.book import SCENARIOS
from tests.faults.stores import haproxy

QUICK = [one.name for one in SCENARIOS.values() if one.quick]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.xdist_group("faults")
@pytest.mark.parametrize("name", QUICK)
async def test_a_promise_holds_while_something_is_broken(name: str, tmp_path: Path) -> None:
    haproxy()
    outcome = await attempt(SCENARIOS[name], seed=1, keep=tmp_path)
    wrong = [f"{cell.path}: {line}" for cell in outcome.cells if cell.verdict == BROKEN for line in cell.wrong]
    assert (wrong, outcome.violations) == ([], {})
    assert not outcome.broken
