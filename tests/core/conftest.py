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
from core.store import migrate
from core.store.db import Db
from core.store.pool import Pool
from tests.conftest import NewDatabase
from tests.core.harness import NewProbe, NewSettings, Probe, running, settings_of
from tests.core.http.probe import ProbePlugin
from tests.core.valkey import Valkey

MIGRATIONS = Path("core/store/migrations")
EMPTY = "TRUNCATE kernel.outbox, kernel.outbox_dead, kernel.inbox, kernel.dead_letters, kernel.operations"


@pytest.fixture(scope="session")
async def kernel_url(new_database: NewDatabase) -> str:
    """A database that holds the kernel's schema only."""
    url = await new_database()
    await migrate.apply(url, migrate.read({"kernel": MIGRATIONS}))
    return url


@pytest.fixture
async def kernel_db(kernel_url: str) -> AsyncIterator[Db]:
    """Empty tables, and a pool of twelve."""
    pool = Pool(kernel_url, size=12, warm=1, connect=2, server={"lock_timeout": "800ms"})
    await pool.open()
    db = Db(pool)
    async with db.connection() as connection:
        await connection.execute(EMPTY)
    yield db
    assert pool.free == pool.opened, "a connection was not given back"
    await pool.close()
    assert pool.opened == 0


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
