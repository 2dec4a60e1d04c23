"""A shop to deploy to: real stores, HAProxy, customers who buy all the time, and releases made of this code."""

import asyncio
import itertools
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import attrs

from core.store.embedded import Servers
from ops.deploying.local import LocalPlace, LocalTarget
from tests.faults.load.codes import Inbox
from tests.faults.processes import Child, answers
from tests.faults.stores import SmsServer, haproxy
from tests.faults.world import GENEROUS
from tests.ops.deploy.buying import Buying
from tests.ports import free_port
from tests.providers.sms import KEY
from tests.releases import release

ROOT = Path(__file__).parents[3]
REPLICAS = 2
BACK = 30.0
"""Seconds that a rollback may take."""
SETTINGS = """
start_seconds = {start}
[local]
folder = "{folder}/deploy"
environment = "{folder}/environment"
socket = "{folder}/haproxy.sock"
replicas = {replicas}
ports = {{ blue = {blue}, green = {green} }}
operations_ports = {{ blue = {blue_ops}, green = {green_ops} }}
[watch]
shares = [10, 50, 100]
seconds = 6
look = 1
fewest = 20
p99 = 0.6
[smoke]
slowest = 4
{customer}
"""
CUSTOMER = 'customer = "{folder}/customer"'
Change = tuple[str, str, str]
"""A file of a release, a text in it, and what stands there instead."""


@attrs.frozen
class Ended:
    """One run of the tool."""

    code: int
    said: str
    seconds: float


class Stage:
    """Built by `opened`."""

    def __init__(self, folder: Path, database_url: str, servers: Servers, sms: SmsServer, codes: Path) -> None:
        self.folder, self.codes = folder, codes
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._ports = _free_rows(4)
        self._names = itertools.count(1)
        self.environment = {
            "VURKSHA_ENV": "production",
            "VURKSHA_PLUGINS": "user,product,cart,order,notification",
            "DATA_DIR": str(folder / "data"),
            "HOME": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": servers.redis_url,
            "JWT_SECRET": secrets.token_hex(32),
            "OPERATIONS_TOKEN": secrets.token_hex(32),
            "VURKSHA_USER__CODE_PEPPER": secrets.token_hex(32),
            "VURKSHA_HTTP__HOST": "127.0.0.1",
            "VURKSHA_HTTP__TRUSTED_PROXIES": "127.0.0.0/8",
            "VURKSHA_HTTP__LATE": "5",
            "VURKSHA_POSTGRES__ACQUIRE": "3",
            "VURKSHA_POSTGRES__CONNECT": "3",
            "VURKSHA_REDIS__PREFIX": f"{folder.name}:",
            "VURKSHA_NOTIFICATION__MEDIA": "sms",
            "VURKSHA_NOTIFICATION__SMS_GATEWAY_URL": sms.url,
            "VURKSHA_NOTIFICATION__SMS_GATEWAY_KEY": KEY,
            "VURKSHA_STOP__DRAIN": "3",
            **GENEROUS,
        }
        self.settle(order=False)
        self.target = LocalTarget(self._place())

    def _place(self) -> LocalPlace:
        blue, green, blue_ops, green_ops = self._ports
        return LocalPlace(
            folder=self.folder / "deploy",
            environment=self.folder / "environment",
            socket=self.folder / "haproxy.sock",
            replicas=REPLICAS,
            ports={"blue": blue, "green": green},
            operations_ports={"blue": blue_ops, "green": green_ops},
        )

    def settle(self, *, order: bool, start: float = 60.0) -> None:
        """Write what the tool and the replicas read. With `order` the smoke test buys something."""
        lines = "".join(f"{name}={value}\n" for name, value in self.environment.items())
        (self.folder / "environment").write_text(lines)
        blue, green, blue_ops, green_ops = self._ports
        customer = CUSTOMER.format(folder=self.folder) if order else ""
        text = SETTINGS.format(
            folder=self.folder, replicas=REPLICAS, blue=blue, green=green, blue_ops=blue_ops, green_ops=green_ops,
            customer=customer, start=start,
        )  # fmt: skip
        (self.folder / "deploy.toml").write_text(text)

    def made(self, *changes: Change, migrations: Mapping[str, str] | None = None) -> Path:
        """A release: this code with changes."""
        number = next(self._names)
        folder = self.folder / f"release-{number}"
        folder.mkdir()
        release(folder, f"{number}.0.0", migrations)
        for path, old, new in changes:
            file = folder / path
            text = file.read_text()
            assert text.count(old) == 1, (path, old)
            file.write_text(text.replace(old, new))
        return folder

    # -- the tool

    async def _begun(self, *words: str | Path) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            ROOT / "ops/deploy", "--file", self.folder / "deploy.toml", *words,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip

    async def deploy(self, *words: str | Path) -> Ended:
        """Run it to its end; what it says goes to the screen too."""
        began = time.monotonic()
        process = await self._begun(*words)
        out, _ = await process.communicate()
        sys.stdout.write(f"$ ops/deploy {' '.join(map(str, words))}\n{out.decode()}")
        return Ended(process.returncode or 0, out.decode(), time.monotonic() - began)

    async def killed(self, at: str, *words: str | Path) -> str:
        """Begin it and kill it with -9 as soon as a line with this text comes."""
        process = await self._begun(*words)
        assert process.stdout is not None
        said = ""
        async for line in process.stdout:
            said += line.decode()
            if re.search(at, line.decode()):
                process.send_signal(signal.SIGKILL)
                break
        await process.wait()
        assert process.returncode == -signal.SIGKILL, said
        return said

    # -- customers

    @asynccontextmanager
    async def customers(self, count: int = 3) -> AsyncIterator[Buying]:
        """They buy while the block runs."""
        async with Buying(self.url, Inbox(self.codes)).running(count) as buying:
            yield buying

    async def share(self, color: str) -> float:
        """Of the balancer's weight."""
        rows = await asyncio.to_thread(self.target.balancer.rows)
        weights = {name: int(row["weight"]) for name, row in rows.items()}
        mine = sum(weight for name, weight in weights.items() if name.startswith(color))
        return mine / max(1, sum(weights.values()))

    @property
    def live(self) -> str:
        """The colour with the traffic."""
        return self.target.book.load().live


def _free_rows(count: int) -> list[int]:
    """The first ports of so many rows of free ones."""
    found: list[int] = []
    while len(found) < count:
        first = 12_000 + secrets.randbelow(20_000)  # below those that connections are made from
        near = any(abs(first - other) < REPLICAS for other in found)
        if not near and not any(answers(first + n) for n in range(REPLICAS)):
            found.append(first)
    return found


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for it. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


@asynccontextmanager
async def opened(folder: Path, database_url: str, servers: Servers) -> AsyncIterator[Stage]:
    """A shop with its first release live."""
    codes = folder / "texts.jsonl"
    sms = SmsServer(codes)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(sms.running())
        stage = Stage(folder, database_url, servers, sms, codes)
        first = stage.made()
        for words, env in ((["migrate"], {}), (["seed"], {"VURKSHA_ENV": "test"})):
            child = Child(words[0], [sys.executable, "-m", "core", *words], folder,
                          env={**stage.environment, "PYTHONPATH": str(first), **env})  # fmt: skip
            child.start()
            assert await child.ended(60) == 0, child.tail()
        (folder / "haproxy.cfg").write_text(stage.target.balanced(f"127.0.0.1:{stage.port}"))
        balancer = Child("balancer", [haproxy(), "-db", "-f", folder / "haproxy.cfg"], folder)
        balancer.start()
        stack.callback(balancer.kill)
        await balancer.ready(lambda: answers(stage.port), 20)
        for color in ("blue", "green"):
            stack.push_async_callback(asyncio.to_thread, stage.target.stop, color)
        for command in (("apply", first), ("switch",)):
            ended = await stage.deploy(*command)
            assert ended.code == 0, ended.said
        yield stage


async def sign_in_tester(stage: Stage) -> None:
    """The test customer of the smoke test, once."""
    stage.settle(order=True)
    phone = "9111111111"
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{stage.url}/api/v1/auth/send-otp", json={"phone": phone}) as sent,
    ):
        assert sent.status == 200
    code = await Inbox(stage.codes).newest(f"+91{phone}")
    ended = await stage.deploy("sign-in", phone, "--url", stage.url, "--code", str(code))
    assert ended.code == 0, ended.said
