"""Three real replicas behind HAProxy. `tests.asking` asks them over and over and counts what failed.

replicas = Replicas(folder, database_url, redis_url)
await replicas.call("migrate")
async with replicas, Balancer(folder, replicas) as shop:
    async with load(shop.url, Load(paths=["/api/v1/products?page=1&limit=20"])) as loaded:
        await replicas[0].restart()
    assert loaded.failures == []
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.ports import free_port

ROOT = Path(__file__).parents[1]
LONG = 60.0
"""Seconds for whatever must happen in the end, on a busy machine."""
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
"""None where it is not installed: tests that need a balancer are skipped then."""
SETTINGS = {
    "VURKSHA_ENV": "test",
    "VURKSHA_STOP__DRAIN": "3",
    "VURKSHA_STOP__FINISH": "10",
    "VURKSHA_HTTP__TRUSTED_PROXIES": "127.0.0.0/8",
    "JWT_SECRET": "one secret for all replicas of a cluster",
    "OPERATIONS_TOKEN": "one token for all replicas of a cluster",
    "VURKSHA_OPERATIONS__PORT": "0",
    "VURKSHA_USER__CODE_PEPPER": "one pepper for all replicas of a cluster",
}
"""Environment names; `Replicas(..., env=...)` overrides them."""


async def until(condition: Callable[[], object], what: str, seconds: float = LONG) -> float:
    """Wait for something outside this process; the seconds that it took. Raises TimeoutError."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"waited in vain: {what}")
        await asyncio.sleep(0.02)
    return time.monotonic() - began


class Replica:
    """One `vurksha serve`. `env` and `code` may be changed between two starts."""

    def __init__(self, name: str, folder: Path, env: Mapping[str, str], code: Path = ROOT) -> None:
        """`code` is the folder that holds `core` and `plugins`: the version that it runs."""
        self.name, self.port, self.code = name, free_port(), code
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = dict(env) | {"PORT": str(self.port)}
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin; `ready` waits for it. Its log goes on where the last run's ended."""
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "core", "serve"],
                env=self.env | {"PYTHONPATH": str(self.code)}, cwd=self.code, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def said(self) -> str:
        """Everything that it wrote, over all its runs."""
        return self._log.read_text()

    async def health(self, page: str = "ready", seconds: float = 2.0) -> tuple[int, dict[str, Any]]:
        """Status and body of a health page, asked directly; status 0 where nobody answers in time."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self.url}/health/{page}".rstrip("/")) as got,
            ):
                return got.status, await got.json()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, {}

    async def becomes(self, status: int, seconds: float = LONG, *, reason: str = "") -> float:
        """Wait until /health/ready answers `status`, with a reason that begins so; the seconds that it took."""
        began, answer = time.monotonic(), (0, {})  # type: tuple[float, tuple[int, dict[str, Any]]]
        while time.monotonic() - began < seconds:
            answer = await self.health()
            if answer[0] == status and (not reason or any(r.startswith(reason) for r in answer[1]["reasons"])):
                return time.monotonic() - began
            await asyncio.sleep(0.05)
        raise TimeoutError(f"{self.name} did not become {status} {reason}: {answer}\n{self.said[-3000:]}")

    async def ready(self, seconds: float = LONG) -> float:
        """Wait until it is."""
        return await self.becomes(200, seconds)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end and wait; its exit code."""
        self.signal(number)
        await until(lambda: not self.runs, f"{self.name} to end")
        assert self._process is not None
        return int(self._process.returncode)

    async def restart(self) -> None:
        """Stop it politely, start it again, wait until it is ready."""
        assert await self.stop() == 0, self.said[-3000:]
        self.start()
        await self.ready()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: SIGKILL, SIGSTOP and SIGCONT are the faults of a process."""
        os.kill(self.pid, number)

    def end(self) -> None:
        """Make sure that it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Replicas(Sequence[Replica]):
    """Replicas on the same stores; `async with` starts them all, waits until they are ready and ends them."""

    def __init__(
        self,
        folder: Path,
        database_url: str,
        redis_url: str,
        *,
        count: int = 3,
        code: Path = ROOT,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """To give one replica its own way to a store, change `replicas[0].env` before it starts."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("VURKSHA_", "PYTEST_"))}
        given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "DATA_DIR": str(folder / "data")}
        self.env = kept | SETTINGS | {"VURKSHA_REDIS__PREFIX": f"{folder.name}:"} | given | dict(env or {})
        self._all = [Replica(f"r{number}", folder, self.env, code) for number in range(count)]

    def __getitem__(self, index: Any) -> Any:
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._all)

    async def call(self, *words: str, code: Path = ROOT) -> str:
        """Run another `vurksha` command to its good end; what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "core", *words, env=self.env | {"PYTHONPATH": str(code)}, cwd=code,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert process.returncode == 0, out.decode()
        return out.decode()

    async def __aenter__(self) -> Self:
        for replica in self:
            replica.start()
        try:
            await asyncio.gather(*(replica.ready() for replica in self))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for replica in self:
            replica.end()


CONFIG = """
global
    maxconn 4000
    stats socket {folder}/haproxy.sock mode 600 level admin
defaults
    mode http
    option redispatch
    option forwardfor
    option httpchk GET /health/ready
    http-check expect status 200
    timeout connect 1s
    timeout client 75s
    timeout server 15s
    timeout check 500ms
    default-server check inter 500ms fastinter 200ms downinter 500ms fall 2 rise 1
frontend shop
    bind 127.0.0.1:{port}
    default_backend replicas
backend replicas
    balance roundrobin
{servers}
"""
"""A replica that does not answer its check is out within two seconds; requests under way go on."""


class Balancer:
    """HAProxy in front of replicas: requests go to those that are ready."""

    def __init__(self, folder: Path, replicas: Sequence[Replica]) -> None:
        self._folder, self._replicas, self.port = folder, replicas, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        assert HAPROXY is not None, "haproxy is not installed"
        servers = "\n".join(f"    server {one.name} 127.0.0.1:{one.port}" for one in self._replicas)
        config = self._folder / "haproxy.cfg"
        config.write_text(CONFIG.format(folder=self._folder, port=self.port, servers=servers))
        with (self._folder / "haproxy.log").open("wb") as out:
            self._process = subprocess.Popen([HAPROXY, "-db", "-f", str(config)], stdout=out, stderr=out)
        try:
            await self.sees({one.name for one in self._replicas if one.runs})
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def up(self) -> set[str]:
        """The names of the replicas that get requests."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._folder / "haproxy.sock")
        except OSError:
            return set()
        writer.write(b"show stat\n")
        rows = [line.split(",") for line in (await reader.read()).decode().splitlines()]
        writer.close()
        status = rows[0].index("status")
        return {row[1] for row in rows[1:] if len(row) > status and row[0] == "replicas" and row[status] == "UP"} - {
            "BACKEND"
        }

    async def sees(self, names: set[str], seconds: float = LONG) -> float:
        """Wait until exactly these get requests; the seconds that it took."""
        began = time.monotonic()
        while await self.up() != names:
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"the balancer sees {await self.up()}, not {names}")
            await asyncio.sleep(0.05)
        return time.monotonic() - began
