"""A PostgreSQL of a test's own, over TCP: to be stopped, killed, filled and started again."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from core.errors import UNAVAILABLE, Problem
from core.store.db import Db
from core.store.embedded_programs import Programs, service_account
from core.store.pool import Pool

SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "timezone=UTC")
OWNER = "postgres"


TABLE = "CREATE TABLE IF NOT EXISTS things (id int PRIMARY KEY, name text)"
INSERT = "INSERT INTO things VALUES ($1, 'a') ON CONFLICT (id) DO UPDATE SET name = 'b' RETURNING id"
BUSY = 3.0
"""A machine that runs other tests beside this one may take so many times as long."""


class Primary:
    """One server."""

    def __init__(self, folder: Path) -> None:
        self._account = service_account(None)
        self._data = folder / "pg"
        self._programs = Programs.find(folder, self._account, system=False).postgres
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"postgresql://{OWNER}@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """An empty cluster."""
        self._data.mkdir(exist_ok=True)
        if self._account is not None:
            os.chown(self._data, self._account.uid, self._account.gid)
        options = ("-U", OWNER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        self._begin("initdb", "-D", str(self._data), *options).wait()

    def start(self, *settings: str) -> None:
        """Start it and wait until it takes connections."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        words = [word for one in (*SETTINGS, *settings) for word in ("-c", one)]
        place = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
        self._process = self._begin("postgres", "-D", str(self._data), "-p", str(self.port), *place, *words)
        until = time.monotonic() + 30
        while "ready" not in self._state():
            assert self._process.poll() is None, "it ended"
            assert time.monotonic() < until, "it did not come up"
            time.sleep(0.01)

    def _state(self) -> str:
        with suppress(OSError, IndexError):
            return (self._data / "postmaster.pid").read_text().splitlines()[7]
        return ""

    def _begin(self, program: str, *words: str) -> "subprocess.Popen[bytes]":
        who = self._account
        return subprocess.Popen(
            [self._programs / program, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=[] if who else None,
        )

    @property
    def pid(self) -> int:
        """The postmaster's."""
        assert self._process is not None
        return self._process.pid

    def _family(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def freeze(self) -> None:
        """Stop the postmaster, then every backend: sockets stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        for pid in self._family()[1:]:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all of it go on."""
        for pid in self._family():
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL of the postmaster and its backends."""
        if self._process is None:
            return
        family = self._family()
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        until = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in family[1:]) and time.monotonic() < until:
            time.sleep(0.01)

    def end(self) -> None:
        """Gone, with its data."""
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)


@asynccontextmanager
async def serving(url: str, **more: Any) -> AsyncIterator[Db]:
    """A pool that is being watched."""
    options: dict[str, Any] = {"size": 6, "warm": 2, "reserve": 2, "connect": 0.8, "server": {}, **more}
    db = Db(Pool(url, **options))
    await db.pool.open()
    watching = asyncio.ensure_future(db.watch.run())
    try:
        yield db
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await db.pool.close()
    assert db.pool.opened == 0, "a slot leaked"


async def seconds(work: Awaitable[Any]) -> tuple[float, Any]:
    """How long it took, and what it raised or answered."""
    began = time.monotonic()
    try:
        got = await work
    except Exception as error:  # noqa: BLE001  the error is the result
        got = error
    return time.monotonic() - began, got


async def until(holds: Callable[[], bool], limit: float) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < limit, "it did not come true"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def works(db: Db, limit: float) -> float:
    """Seconds until a read and a write succeed again."""
    began = time.monotonic()
    while True:
        try:
            await db.fetchval("SELECT 1")
            await db.command(INSERT, 1)
        except Problem:
            assert time.monotonic() - began < limit, "it did not come back"
            await asyncio.sleep(0.02)
        else:
            return time.monotonic() - began


def unavailable(got: object) -> bool:
    return isinstance(got, Problem) and got.code is UNAVAILABLE
