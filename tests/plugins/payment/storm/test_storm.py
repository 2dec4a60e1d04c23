"""A small storm of webhooks over real replicas; `python -m tests.plugins.payment.storm` is the whole one."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.stores import haproxy
from tests.plugins.payment.storm.__main__ import table
from tests.plugins.payment.storm.fates import Fate
from tests.plugins.payment.storm.run import run
from tests.plugins.payment.storm.weather import Force

FATES = tuple(fate for fate in Fate if fate is not Fate.SILENT)
"""One that no webhook tells of takes a minute to be asked about."""


@pytest.fixture
async def alone() -> AsyncIterator[None]:
    """The only world on this machine."""
    with Path("/tmp/vurksha-faults.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_small_storm_leaves_every_payment_where_it_belongs(alone: None) -> None:
    haproxy()
    outcome = await run(Force(webhooks=300, rate=30.0, kill_every=4.0), seed=2, fates=FATES)
    assert {rule: lines for rule, lines in outcome.verdict.broken.items() if lines} == {}
    assert outcome.kills > 0
    assert {t.status for t in outcome.forged.tries} & {*range(200, 300)} == set()
    told = {t.event_id for t in outcome.genuine.tries if t.status == 200}
    assert {t.event_id for t in outcome.genuine.tries if not t.event_id.startswith("evt_")} == told - {
        one for one in told if one.startswith("evt_")
    }
    assert "| every final state right | kept |" in table(outcome)
