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
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import attrs

from core.store.embedded import Servers
from plugins.order.demo import newest_code
from plugins.user.commands import JOURNAL
from tests.journeys.test_app import HOME
from tests.ports import free_port

CLIENTS, BUYERS = 4, 2
PAUSE, LONGER = 0.01, 0.05
"""Seconds that those who look around and those who buy rest between two requests."""
READY = 60.0
"""Seconds for a start."""
READS = ("/products?page=1&limit=20", "/products?page=2&limit=20&category=Vegetables", "/categories", "/banners")


@attrs.define
class Result:
    """What customers saw of one server, in milliseconds, and what it said of its plugins."""

    reads: list[float] = attrs.field(factory=list)
    """Of the public catalogue."""
    purchases: list[float] = attrs.field(factory=list)
    """Of a cart and of orders."""
    failures: int = 0
    reason: str = ""

    def p99(self, kind: str) -> float:
        """Of "reads" or "purchases", without the first tenth, which warms the server up."""
        times: list[float] = getattr(self, kind)
        return quantiles(times[len(times) // 10 :], n=100)[98]


@attrs.frozen(kw_only=True)
class Server:
    """A server for customers."""

    url: str
    database: str
    journal: Path
    """Where it writes the messages that it sends."""


@asynccontextmanager
async def server(names: Sequence[str], servers: Servers, folder: Path, path: str) -> AsyncIterator[Server]:
    """`vurksha serve` on a seeded database of its own. `path` leads to the rogues."""
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
        yield Server(url=f"http://127.0.0.1:{port}", database=url, journal=folder / JOURNAL)
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


async def load(server: Server, seconds: float) -> Result:
    """Customers who look around and customers who buy, each answer timed."""
    result, end = Result(), time.monotonic() + seconds

    async def looks(turn: int) -> None:
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < end:
                turn += 1
                await _timed(session.get(f"{server.url}/api/v1{READS[turn % len(READS)]}"), result.reads, result)
                await asyncio.sleep(PAUSE)

    async def buys() -> None:
        async with aiohttp.ClientSession() as session:
            customer = await _signed_in(session, server)
            while time.monotonic() < end:
                for method, path, body in customer.purchase():
                    asked = session.request(method, f"{server.url}/api/v1{path}", json=body, headers=customer.headers)
                    await _timed(asked, result.purchases, result)
                    await asyncio.sleep(LONGER)

    await asyncio.gather(*(looks(number) for number in range(CLIENTS)), *(buys() for _ in range(BUYERS)))
    return result


async def _timed(asked: Any, times: list[float], result: Result) -> None:
    began = time.monotonic()
    async with asked as answer:
        await answer.read()
    times.append((time.monotonic() - began) * 1000)
    result.failures += answer.status >= 500


@attrs.frozen(kw_only=True)
class Customer:
    """Somebody who is signed in and knows what to buy."""

    headers: Mapping[str, str]
    product: str

    def purchase(self) -> list[tuple[str, str, Any]]:
        """The requests of one."""
        line = {"productId": self.product, "quantity": 1}
        order = {"items": [line], "deliveryAddress": HOME, "paymentMethod": "cod"}
        return [("POST", "/cart/items", line), ("GET", "/cart", None), ("POST", "/orders", order)]


async def _signed_in(session: aiohttp.ClientSession, server: Server) -> Customer:
    phone, base = f"9{secrets.randbelow(10**9):09}", f"{server.url}/api/v1"
    async with session.post(f"{base}/auth/send-otp", json={"phone": phone}) as answer:
        assert answer.status == 200, await answer.text()
    code, until = None, time.monotonic() + READY
    while code is None and time.monotonic() < until:
        await asyncio.sleep(0.1)
        code = newest_code(server.journal.read_bytes().splitlines() if server.journal.exists() else [], f"+91{phone}")
    async with session.post(f"{base}/auth/verify-otp", json={"phone": phone, "otp": code}) as answer:
        token = (await answer.json())["data"]["accessToken"]
    async with session.get(f"{base}/products?page=1&limit=100") as answer:
        products = (await answer.json())["data"]["products"]
    most = max(products, key=lambda product: product["stock"])
    return Customer(headers={"Authorization": f"Bearer {token}"}, product=most["id"])


async def reason(database: str, plugin: str) -> str:
    """Why the plugin is put aside, if it is."""
    connection = await asyncpg.connect(database)
    try:
        found = await connection.fetchval("SELECT reason FROM kernel.plugin_states WHERE plugin = $1", plugin)
    finally:
        await connection.close()
    return str(found or "")
