"""Fixtures: the app that a plugin's tests speak to, and further ones of a test's own."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest

from core import configuration
from core.plugins import find
from core.store.db import Db
from core.store.redis import Redis
from core.testing.client import TestApp
from core.testing.running import running, settings_for
from core.testing.servers import NewDatabase
from core.testing.stand_ins import Fakes, classes


class NewKernel(Protocol):
    """Starts an app on an empty database of its own."""

    async def __call__(self, plugins: Sequence[type | str], fakes: Fakes | None = None, **more: str) -> TestApp:
        """These plugins, classes or names; `fakes` for ports of others; `more` are environment names of settings."""
        ...


@pytest.fixture(scope="session")
def plugins() -> list[type]:
    """The plugins that `app` loads: the configured ones, unless a conftest overrides this fixture.

    What they require and is not among them is stood in for by name; its ports come from the fixture `fakes`.
    """
    return find(configuration.read({"VURKSHA_ENV": "test"}).plugins)


@pytest.fixture(scope="session")
def fakes() -> Fakes:
    """Implementations for ports of plugins that are not loaded; to be overridden where there are any."""
    return {}


@pytest.fixture(scope="session")
async def app(
    plugins: list[type], fakes: Fakes, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TestApp]:
    """One app with the plugins of these tests and their demo data, for all tests of a worker."""
    settings = settings_for(database_url, redis_url, tmp_path_factory.mktemp("data"), plugins)
    async with running(settings, plugins, fakes) as started:
        yield started


@pytest.fixture
async def kernel(new_database: NewDatabase, redis_url: str, tmp_path: Path) -> AsyncIterator[NewKernel]:
    """Starts further apps, each on a database of its own, until the test ends."""
    async with AsyncExitStack() as stack:

        async def start(plugins: Sequence[type | str], fakes: Fakes | None = None, **more: str) -> TestApp:
            chosen = classes(plugins)
            settings = settings_for(await new_database(), redis_url, tmp_path, chosen, **more)
            return await stack.enter_async_context(running(settings, chosen, fakes))

        yield start


@pytest.fixture(scope="session")
def db(app: TestApp) -> Db:
    """The app's database."""
    return app.db


@pytest.fixture(scope="session")
def redis(app: TestApp) -> Redis:
    """The app's Redis."""
    return app.redis
