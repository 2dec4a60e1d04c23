"""Fixtures: one PostgreSQL and one Redis per worker, in a folder of their own, gone afterwards.

With DATABASE_URL or REDIS_URL set, those servers are used; databases are made there under names of our own.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from core.store.embedded import Embedded, Servers
from core.types import uuid7

NewDatabase = Callable[[], Awaitable[str]]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Started on a loop that is not the tests', so that guards of the tests' loop see only what tests do."""
    given = Servers(os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", ""))
    if given.database_url and given.redis_url:
        yield given
        return
    # Not pytest's own folder: that one is closed to the account that runs the servers when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="vurksha-test-", dir="/tmp"))
    embedded, loop = Embedded(durable=False), asyncio.new_event_loop()
    try:
        own = loop.run_until_complete(embedded.start(folder))
        yield Servers(given.database_url or own.database_url, given.redis_url or own.redis_url)
    finally:
        loop.run_until_complete(embedded.stop())
        loop.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    """The Redis that all tests of a worker share."""
    return servers.redis_url


@pytest.fixture(scope="session")
async def new_database(servers: Servers) -> AsyncIterator[NewDatabase]:
    """Makes an empty database and answers its URL; all of them are dropped at the end."""
    made: list[str] = []
    admin = await asyncpg.connect(servers.database_url)

    async def make() -> str:
        name = f"test_{uuid7().hex}"
        await admin.execute(f"CREATE DATABASE {name}")
        made.append(name)
        return str(urlunsplit(urlsplit(servers.database_url)._replace(path=f"/{name}")))

    try:
        yield make
    finally:
        for name in made if os.environ.get("DATABASE_URL") else ():  # a server of our own goes as a whole, in no time
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


@pytest.fixture(scope="session")
async def database_url(new_database: NewDatabase) -> str:
    """The database that all tests of a worker share. Empty at first: `app` brings its schema up to date."""
    return await new_database()
