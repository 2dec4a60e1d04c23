"""Guards for every test, and the broker. Real PostgreSQL and Redis, and the app, come from core.testing."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

from tests import rabbit
from tests.collector.plugin import CollectorPlugin

# Examples may take long to make, and to try, on a busy build machine.
settings.register_profile("busy", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("busy")
pytest_plugins = ["core.testing", "tests.people", "tests.transports"]

NewDatabase = Callable[[], Awaitable[str]]
"""The same as in core.testing, which is imported by pytest first."""
MAY_BLOCK = (
    ("core/app.py", "__init__"),
    ("core/app.py", "document"),
    ("core/cli.py", "main"),
    ("core/configuration.py", "read"),
    ("core/console/terminal.py", "_prompt"),
    ("core/console/terminal.py", "_typed"),
    ("core/configuration.py", "build"),
    ("core/http/docs/__init__.py", "page"),
    ("core/store/schema.py", "read"),
    ("plugins/order/demo.py", "_code"),
    ("plugins/product/seeding.py", "read"),
    ("coverage/collector.py", "lock_data"),
    ("observe/busy/plugin.py", "sleeping"),
    ("rogues/blocks_loop/plugin.py", "block"),
    ("rogues/running.py", "settings_with"),
)
"""Reading the plugins' files, and what belongs to development."""
TOOLS = [*(f"core.store.{name}" for name in ("embedded", "embedded_process", "embedded_programs")), "core.testing"]
LINGER = 2.0
"""Seconds that a test's tasks, and each of its threads, get to end by themselves."""
CONNECTIONS = ("RequestHandler.start", "Pipe._read", "Pipe._write")
"""Tasks that last as long as a connection: the app may open one, or Redis's anew, during any test."""


def pytest_configure() -> None:
    """Let Ctrl-C work in programs that tests start: shells have what they start in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start the broker beside the tests that do not need it: it takes its time, and so may who waits for it first."""
    needed = [item for item in items if {"rabbit_url", "stage", "rabbit"} & set(getattr(item, "fixturenames", ()))]
    for item in needed:
        item.add_marker(pytest.mark.timeout(rabbit.START + 60))
    if needed and not config.option.collectonly and not os.environ.get("RABBITMQ_URL"):
        rabbit.begin()


@pytest.fixture(scope="session")
def plugins(plugins: list[type]) -> list[type]:
    """The configured ones, and one by which orders can be paid online in every test."""
    return [*plugins, CollectorPlugin]


@pytest.fixture(scope="session")
def rabbit_url() -> str:
    """The RabbitMQ that all tests of a run share. Each keeps to names with a prefix of its own."""
    return os.environ.get("RABBITMQ_URL") or rabbit.shared()


@pytest.fixture(autouse=True)
async def nothing_left_behind() -> AsyncIterator[None]:
    """A test's tasks and threads end with it. What a longer-lived fixture began before it stays."""
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    yield
    begun = [task for task in asyncio.all_tasks() - tasks if task is not asyncio.current_task()]
    begun = [task for task in begun if not any(name in repr(task.get_coro()) for name in CONNECTIONS)]
    late = (await asyncio.wait(begun, timeout=LINGER))[1] if begun else set()
    left = [repr(task.get_coro()) for task in late]
    for thread in set(threading.enumerate()) - threads:
        if not thread.name.startswith("asyncio_"):  # the loop's own
            await asyncio.to_thread(thread.join, LINGER)
            left += [thread.name] if thread.is_alive() else []
    assert not left, f"left running: {', '.join(left)}"


@pytest.fixture(scope="session", autouse=True)
def nothing_blocks() -> Iterator[None]:
    """Our code never makes the loop wait, but where it is put together and before anything is served."""
    with blockbuster_ctx(["core", "plugins"], excluded_modules=TOOLS) as guard:
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
