"""Two servers side by side, one of them with a rogue, under the same load at the same time.

What the machine does to one it does to the other: only the ratio counts.
"""

import asyncio
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import attrs

from core.store.embedded import Servers
from tests.core.program import free_port

CLIENTS = 4
PAUSE = 0.01
"""Seconds that each rests between two requests."""
READY = 60.0
"""Seconds for a start."""
READS = ("/products?page=1&limit=20", "/products?page=2&limit=20&category=Vegetables", "/categories", "/banners")


@attrs.frozen
class Result:
    """What customers saw of one server, in milliseconds, and what it said of its plugins."""

    times: Sequence[float]
    failures: int
    reason: str = ""

    def percentile(self, which: int) -> float:
        """Such as the 99th."""
        return quantiles(self.times, n=100)[which - 1]


@asynccontextmanager
async def server(names: Sequence[str], servers: Servers, folder: Path, path: str) -> AsyncIterator[tuple[str, str]]:
    """`vurksha serve` on an empty database; its own URL and that of the database. `path` leads to the rogues."""
    url, port = await _database(servers.database_url), free_port()
    env = {
        **os.environ, "VURKSHA_ENV": "test", "DATABASE_URL": url, "REDIS_URL": servers.redis_url, "PORT": str(port),
        "DATA_DIR": str(folder), "VURKSHA_PLUGINS": ",".join(names), "VURKSHA_LOG__REQUESTS": "false",
        "VURKSHA_REDIS__PREFIX": f"{secrets.token_hex(4)}:", "VURKSHA_HTTP__ADDRESS_RATE": "100000.0",
        "PYTHONPATH": os.pathsep.join([path, str(Path(__file__).parents[2])]),
        "VURKSHA_ISOLATION__MEMORY": "32",
        "VURKSHA_ISOLATION__BLOCK": "0.25",
        "VURKSHA_ISOLATION__LONGEST_BLOCK": "2.0",
    }  # fmt: skip
    for command in ("migrate", "seed"):
        await _done(await _program(env, folder, command), folder / f"{command}.log")
    running = await _program(env, folder, "serve")
    try:
        await _ready(f"http://127.0.0.1:{port}/health/ready", running, folder / "serve.log")
        yield f"http://127.0.0.1:{port}", url
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def _program(env: Mapping[str, str], folder: Path, command: str) -> asyncio.subprocess.Process:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{command}.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "core", command, env=env, stdout=log, stderr=log
        )


async def _done(process: asyncio.subprocess.Process, log: Path) -> None:
    if await process.wait():
        raise RuntimeError(log.read_text())


async def _database(url: str) -> str:
    name = f"rogue_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _ready(url: str, running: asyncio.subprocess.Process, log: Path) -> None:
    until = time.monotonic() + READY
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < until and running.returncode is None:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
    raise TimeoutError(log.read_text())


async def load(url: str, seconds: float) -> Result:
    """Customers who look around, each answer timed; those of the first tenth warm the server up."""
    times: list[float] = []
    failures = 0
    began = time.monotonic()

    async def customer(turn: int) -> None:
        nonlocal failures
        async with aiohttp.ClientSession() as session:
            while (now := time.monotonic()) < began + seconds:
                turn += 1
                async with session.get(f"{url}/api/v1{READS[turn % len(READS)]}") as answer:
                    await answer.read()
                failures += answer.status >= 500
                times.append((time.monotonic() - now) * 1000)
                await asyncio.sleep(PAUSE)

    await asyncio.gather(*(customer(number) for number in range(CLIENTS)))
    return Result(times[len(times) // 10 :], failures)


async def reason(database: str, plugin: str) -> str:
    """Why the plugin is put aside, if it is."""
    connection = await asyncpg.connect(database)
    try:
        found = await connection.fetchval("SELECT reason FROM kernel.plugin_states WHERE plugin = $1", plugin)
    finally:
        await connection.close()
    return str(found or "")
