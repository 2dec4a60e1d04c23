"""Stores of the kernel tests' own: these stop workers, empty tables and kill servers."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from core.app import App
from core.settings import Settings
from tests.conftest import NewDatabase
from tests.core.harness import NewProbe, NewSettings, Probe, running, settings_of
from tests.core.http.probe import ProbePlugin
from tests.core.valkey import Valkey


@pytest.fixture
def server() -> Iterator[Valkey]:
    """A Redis, not started yet."""
    folder = Path(tempfile.mkdtemp(prefix="vurksha-redis-"))
    made = Valkey(folder)
    yield made
    made.kill()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def new_settings(new_database: NewDatabase, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> NewSettings:
    """Makes settings for an app on an empty database of its own."""

    async def make(**sections: Any) -> Settings:
        return settings_of(await new_database(), redis_url, tmp_path_factory.mktemp("probe"), **sections)

    return make


@pytest.fixture(scope="session")
def new_probe(new_settings: NewSettings) -> NewProbe:
    """Starts an app with the probe plugin on a database of its own."""

    @asynccontextmanager
    async def start(**sections: Any) -> AsyncIterator[Probe]:
        plugin = ProbePlugin()
        async with running(App(await new_settings(**sections), [plugin]), plugin) as probe:
            yield probe

    return start
