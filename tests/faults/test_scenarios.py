"""The quick part of the fault matrix: one world at a time, whichever worker comes to it (`./ops/faults` plays all)."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest

from tests.faults.cells import BROKEN
from tests.faults.matrix import attempt
from tests.faults.scenarios.book import SCENARIOS
from tests.faults.stores import haproxy

QUICK = [one.name for one in SCENARIOS.values() if one.quick]
SHED = " x FF (503"
"""What a replica answers that has no time: on a busy build machine no fault of its own."""
UNHURRIED = {"VURKSHA_REDIS__TIMEOUT": "1"}
"""A busy build machine is no hung Redis."""


@pytest.fixture
async def alone() -> AsyncIterator[None]:
    """The only world on this machine."""
    with Path("/tmp/vurksha-faults.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", QUICK)
async def test_a_promise_holds_while_something_is_broken(alone: None, name: str, tmp_path: Path) -> None:
    haproxy()
    scenario = SCENARIOS[name]
    options = attrs.evolve(scenario.options, settings={**UNHURRIED, **scenario.options.settings})
    outcome = await attempt(attrs.evolve(scenario, options=options, rates=(30.0,)), seed=1, keep=tmp_path)
    wrong = [f"{cell.path}: {line}" for cell in outcome.cells if cell.verdict == BROKEN for line in cell.wrong]
    assert [line for line in wrong if SHED not in line] == []
    assert outcome.violations == {}
