"""With the database away: memory still answers, rows are refused in plain words, and the audit log is told later."""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import attrs
import pytest

from core.errors import Problem
from core.settings import Secret
from tests.cable import Cable, socket_of, through
from tests.core.console.conftest import WHO, Talk, noted, serving, talking
from tests.core.harness import NewSettings, Probe

AWAY = "the database does not answer. What is in memory is still told"


@pytest.fixture
async def cut(new_settings: NewSettings) -> AsyncIterator[tuple[Probe, Cable]]:
    """An app, and its way to the database."""
    settings = await new_settings(isolation={"poll": 0.1})
    assert settings.postgres.url is not None
    url = settings.postgres.url.reveal()
    if (database := socket_of(url)) is None:
        pytest.skip("the database was given by address; only a unix socket can be cut here")
    folder = Path(tempfile.mkdtemp(prefix="vurksha-cable-", dir="/tmp"))
    async with Cable(folder / ".s.PGSQL.5432", database) as cable:
        postgres = attrs.evolve(settings.postgres, url=Secret(through(url, folder / ".s.PGSQL.5432")))
        async with serving(attrs.evolve(settings, postgres=postgres)) as probe:
            yield probe, cable
    shutil.rmtree(folder)


async def everything_in_memory(talk: Talk) -> None:
    for line in ("plugins", "routes", "events", "breakers", "pools", "cache", "slow", "tasks", "stack", "flags",
                 "quarantine", "loglevel", "drain", "help"):  # fmt: skip
        assert await talk.says(line)


async def test_a_console_opens_answers_and_is_audited_later(cut: tuple[Probe, Cable]) -> None:
    probe, cable = cut
    await probe.app.figures.read()
    await cable.cut()
    async with talking(probe) as talk:
        await everything_in_memory(talk)
        for line in ("dlq list", "outbox list", "plugins disable gift --yes", "quarantine gift --end --yes"):
            assert AWAY in await talk.complains(line), line
        assert "last seen        0 in the outbox" in await talk.complains("outbox")
        assert "probe.ears" in await talk.complains("dlq")
        assert "is told of this as soon as it does" in await talk.says("loglevel DEBUG core.cache")
        assert "quarantined here" in await talk.says("quarantine gift --yes")
        assert probe.app.console.ledger.waiting
        assert (await probe.get("/gifts")).status == 503
    assert logging.getLogger("core.cache").level == logging.NOTSET
    await cable.mend()
    acts = await written(probe)
    assert {"console.open", "log.level", "plugin.quarantine", "console.close"} == {act for _, act, _, _ in acts}
    assert {actor for actor, *_ in acts} == {f"console:{WHO}"}


async def written(probe: Probe) -> list[tuple[str, str, str, dict[str, object]]]:
    """All four acts, once the database is trusted again."""
    async with asyncio.timeout(50):
        while True:
            with suppress(Problem):
                if len(acts := await noted(probe, 4)) == 4:
                    return acts
            await asyncio.sleep(0.2)
