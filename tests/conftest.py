"""Real servers for every test: one PostgreSQL and one Redis per worker, in a folder of their own, gone afterwards.

With DATABASE_URL or REDIS_URL set, those servers are used; databases are made there under names of our own.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from blockbuster import blockbuster_ctx

from core.store.embedded import Embedded, Servers
from core.types import uuid7
from tests import rabbit

pytest_plugins = ["core.testing", "tests.people", "tests.transports"]

NewDatabase = Callable[[], Awaitable[str]]
MAY_BLOCK = (
    ("core/app.py", "__init__"),
    ("core/app.py", "document"),
    ("core/cli.py", "main"),
    ("core/configuration.py", "read"),
    ("core/configuration.py", "build"),
    ("core/http/docs/__init__.py", "page"),
    ("core/store/schema.py", "read"),
    ("core/testing.py", "app"),
    ("core/testing.py", "messages"),
    ("core/testing.py", "settings_for"),
    ("plugins/order/demo.py", "_code"),
    ("plugins/product/seeding.py", "read"),
    ("coverage/collector.py", "lock_data"),
)
"""Reading the plugins' files, and what belongs to development and tests."""
EMBEDDED = [f"core.store.{name}" for name in ("embedded", "embedded_process", "embedded_programs")]
LINGER = 2.0
"""Seconds that a test's tasks get to end by themselves."""
CONNECTIONS = ("RequestHandler.start", "Pipe._read", "Pipe._write")
"""Tasks that last as long as a connection: the app may open one, or Redis's anew, during any test."""


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Started on a loop that is not the tests', so that the guards below see only what tests do."""
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the broker beside the tests that do not need it: it takes its time, and so may who waits for it first."""
    needed = [item for item in items if {"rabbit_url", "stage", "rabbit"} & set(getattr(item, "fixturenames", ()))]
    for item in needed:
        item.add_marker(pytest.mark.timeout(rabbit.START + 60))
    if needed and not config.option.collectonly and not os.environ.get("RABBITMQ_URL"):
        rabbit.begin()


@pytest.fixture(scope="session")
def rabbit_url() -> str:
    """The RabbitMQ that all tests of a run share. Each keeps to names with a prefix of its own."""
    return os.environ.get("RABBITMQ_URL") or rabbit.shared()


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


@pytest.fixture(autouse=True)
async def nothing_left_behind() -> AsyncIterator[None]:
    """A test's tasks and threads end with it. What a longer-lived fixture began before it stays."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    yield
    begun = [task for task in asyncio.all_tasks() - tasks if task is not asyncio.current_task()]
    begun = [task for task in begun if not any(name in repr(task.get_coro()) for name in CONNECTIONS)]
    late = (await asyncio.wait(begun, timeout=LINGER))[1] if begun else set()
    left = [repr(task.get_coro()) for task in late]
    left += [
        t.name for t in set(threading.enumerate()) - threads if not t.name.startswith("asyncio_")
    ]  # the loop's own
    assert not left, f"left running: {', '.join(left)}"


@pytest.fixture(scope="session", autouse=True)
def nothing_blocks() -> Iterator[None]:
    """Our code never makes the loop wait, but where it is put together and before anything is served."""
    with blockbuster_ctx(["core", "plugins"], excluded_modules=EMBEDDED) as guard:
        for name, call in guard.functions.items():
            if name.startswith("os."):  # asyncpg looks for its password file at every connect, and paths are cheap
                call.deactivate()
            for file, function in MAY_BLOCK:
                call.can_block_in(file, function)
        yield


def _stay_here(event: str, args: tuple[object, ...]) -> None:
    """Tests talk to this machine only."""
    if event == "socket.connect" and isinstance(args[1], tuple) and args[1][0] not in ("127.0.0.1", "::1", "localhost"):
        raise RuntimeError(f"a test tried to reach {args[1][0]}")


sys.addaudithook(_stay_here)
