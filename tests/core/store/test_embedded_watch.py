"""Embedded servers that die are started again, where their clients look for them."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from core.store import embedded
from core.store.embedded import Embedded, Servers
from core.store.embedded_process import pid_in

IN_THE_END = 40.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, and open to the account that runs the servers when the tests run as root."""
    made = Path(tempfile.mkdtemp(prefix="vk-", dir="/tmp"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[Embedded, Servers]]:
    """Servers that are looked after while the block runs."""
    owner = Embedded(durable=False)
    servers = await owner.start(folder)
    watching = asyncio.ensure_future(owner.watch())
    try:
        yield owner, servers
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await owner.stop()


async def postgres(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.database_url, timeout=5)
    await connection.fetchval("SELECT 1")
    await connection.close()


async def redis(servers: Servers) -> None:
    reader, writer = await asyncio.open_unix_connection(servers.redis_url.removeprefix("unix://"))
    writer.write(b"PING\r\n")
    answer = await reader.readline()
    writer.close()
    assert answer == b"+PONG\r\n"


async def in_the_end(answers: Callable[[Servers], Awaitable[None]], servers: Servers) -> None:
    """Until it does."""
    async with asyncio.timeout(IN_THE_END):
        while True:
            try:
                await answers(servers)
            except (OSError, AssertionError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.05)
            else:
                return


async def test_servers_that_die_are_started_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with watched(folder) as (_, servers):
        for name in ("redis/pid", "pg/postmaster.pid"):
            pid = pid_in(folder / name)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(embedded.WATCH)
        await in_the_end(redis, servers)
        await in_the_end(postgres, servers)
    assert "redis ended: it is started again" in caplog.text
    assert "postgres ended: it is started again" in caplog.text


async def test_a_server_that_cannot_be_started_is_tried_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with watched(folder) as (owner, servers):
        log = folder / "redis.log"
        log.unlink()
        log.mkdir()
        await owner._running["redis"].end()
        async with asyncio.timeout(IN_THE_END):
            while "Is a directory" not in caplog.text:
                await asyncio.sleep(0.02)
        log.rmdir()
        await in_the_end(redis, servers)


async def test_a_guest_starts_nothing_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "WATCH", 0.01)
    async with watched(folder) as (owner, _):
        guest = Embedded()
        await guest.start(folder)
        watching = asyncio.ensure_future(guest.watch())
        await asyncio.sleep(0.1)
        assert not watching.done()
        assert guest._running == {}
        assert owner._running["redis"].runs
        watching.cancel()
        await asyncio.wait({watching})
