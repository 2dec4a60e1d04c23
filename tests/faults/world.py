"""A whole shop to break: three replicas behind a balancer, each with a proxy of its own before every store."""

import asyncio
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import attrs

from tests.faults.broker import Broker
from tests.faults.never.book import PLUGINS
from tests.faults.postgres import Cluster
from tests.faults.processes import ROOT, Child, NotRunning, workplace
from tests.faults.proxy import FaultProxy, Mode
from tests.faults.stores import Balancer, SmsServer, Valkey
from tests.ports import free_port
from tests.providers.sms import KEY

PROGRAM = (sys.executable, "-m", "core")
NAMES = ("one", "two", "three")
UP = 60.0
SMALL = 260
"""Megabytes of the small disk."""
FAKETIME = Path(
    os.environ.get("FAKETIME_LIBRARY", f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1")
)
GENEROUS = {
    f"VURKSHA_USER__{name}": "1000000"
    for name in (
        "SENDS_PER_ADDRESS_HOUR",
        "SENDS_PER_PREFIX_HOUR",
        "SENDS_PER_SECOND",
        "SENDS_PER_DAY",
        "STRICT_SENDS",
    )
} | {"VURKSHA_HTTP__ADDRESS_RATE": "100000", "VURKSHA_HTTP__USER_RATE": "100000"}
"""All customers come from one address here."""


@attrs.frozen(kw_only=True)
class Options:
    """What a world is made of."""

    replicas: int = 3
    standby: bool = True
    rabbit: bool = False
    production: bool = True
    """Settings as in production; fault points need a world that is not."""
    small_disk: bool = False
    """The primary's data lies on a disk of a few hundred megabytes."""
    clocks: bool = False
    """Replicas read their clock through libfaketime, which a scenario then moves."""
    settings: Mapping[str, str] = attrs.field(factory=dict)
    """Further environment names for every program."""
    armed: Mapping[str, str] = attrs.field(factory=dict)
    """The same for replicas only."""


class Replica:
    """One `vurksha serve`, and the proxies by which it reaches its stores."""

    def __init__(self, name: str, folder: Path, env: Mapping[str, str]) -> None:
        self.name, self.port, self.operations = name, free_port(), free_port()
        self.proxies: dict[str, FaultProxy] = {}
        env = {**env, "PORT": str(self.port), "VURKSHA_OPERATIONS__PORT": str(self.operations)}
        self.child = Child(f"replica-{name}", [*PROGRAM, "serve"], folder, env=env)

    def status(self) -> int:
        """Of /health/ready; 0 when nobody answers within a second."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=1) as got:
                return int(got.status)
        except HTTPError as error:
            return error.code
        except OSError:
            return 0

    async def ready(self, seconds: float = UP) -> None:
        """Wait until it says that it is."""
        until = time.monotonic() + seconds
        while await asyncio.to_thread(self.status) != 200:
            if not self.child.running or time.monotonic() > until:
                raise NotRunning(f"{self.child.name} is not ready:\n{self.child.tail()}")
            await asyncio.sleep(0.05)


class World:
    """Everything that runs. Built by `opened`."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder, self.options = folder, options
        self.cluster, self.redis = Cluster(folder), Valkey(folder)
        self.sms = SmsServer(folder / "texts.jsonl")
        self._broker: Broker | None = Broker(folder) if options.rabbit else None
        self.replicas: dict[str, Replica] = {}
        self.balancer: Balancer

    @property
    def broker(self) -> Broker:
        """The RabbitMQ node, where the world has one."""
        if self._broker is None:
            raise NotRunning("this world has no RabbitMQ")
        return self._broker

    @property
    def token(self) -> str:
        """The operators' own."""
        return self._secret

    @property
    def codes(self) -> Path:
        """What reached the customers' phones."""
        return self.folder / "texts.jsonl"

    def proxies(self, store: str) -> list[FaultProxy]:
        """Those of every replica before `postgres`, `redis` or `rabbit`."""
        return [replica.proxies[store] for replica in self.replicas.values() if store in replica.proxies]

    async def all_become(self, store: str, mode: Mode) -> None:
        """Change every replica's way to a store."""
        for proxy in self.proxies(store):
            await proxy.become(mode)

    async def move_postgres(self) -> None:
        """Send new connections to whoever is the primary now, as a name does that was pointed elsewhere."""
        for proxy in self.proxies("postgres"):
            proxy.target = "127.0.0.1", self.cluster.primary.port

    async def ready(self, seconds: float = UP) -> None:
        """Every replica ready, and seen so by the balancer."""
        for replica in self.replicas.values():
            await replica.ready(seconds)
        until = time.monotonic() + seconds
        while not all(self.balancer.up().values()):
            if time.monotonic() > until:
                raise NotRunning(f"the balancer sees {self.balancer.up()}")
            await asyncio.sleep(0.05)

    def environment(self) -> dict[str, str]:
        """What all replicas share. URLs lead straight to the stores; replicas get those of their proxies instead."""
        return {
            "VURKSHA_ENV": "production" if self.options.production else "test",
            "VURKSHA_PLUGINS": ",".join(PLUGINS),
            "DATA_DIR": str(self.folder / "data"),
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "JWT_SECRET": self._secret,
            "OPERATIONS_TOKEN": self._secret,
            "VURKSHA_OPERATIONS__PORT": "0",
            "VURKSHA_USER__CODE_PEPPER": self._pepper,
            "VURKSHA_HTTP__HOST": "127.0.0.1",
            "VURKSHA_NOTIFICATION__MEDIA": "sms",
            "VURKSHA_NOTIFICATION__SMS_GATEWAY_URL": self.sms.url,
            "VURKSHA_NOTIFICATION__SMS_GATEWAY_KEY": KEY,
            "VURKSHA_REDIS__TIMEOUT": "0.05",
            "VURKSHA_STOP__DRAIN": "5",
            "VURKSHA_STOP__FINISH": "15",
            "VURKSHA_LOG__REQUESTS": "true",
            "DATABASE_URL": self.cluster.primary.url(),
            "REDIS_URL": f"redis://127.0.0.1:{self.redis.port}/0",
            **({"RABBITMQ_URL": self._broker.url} if self._broker else {}),
            **GENEROUS,
            **self.options.settings,
        }

    def program(self, *words: str, **more: str) -> Child:
        """A command of the program's, on the stores themselves."""
        return Child(words[0], [*PROGRAM, *words], self.folder, env={**self.environment(), **more})

    def set_clock(self, name: str, seconds: float) -> None:
        """How far a replica's clock is ahead; it notices within a second."""
        (self.folder / f"clock-{name}").write_text(f"{seconds:+.0f}")

    async def run(self, *words: str, **more: str) -> None:
        """The same, to its end."""
        child = self.program(*words, **more)
        child.start()
        if await child.ended(UP):
            raise NotRunning(f"vurksha {' '.join(words)} failed:\n{child.tail()}")

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        self._secret, self._pepper = secrets.token_hex(32), secrets.token_hex(32)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.sms.running())
            stack.push_async_callback(self.cluster.close)
            stack.callback(self.redis.child.kill)
            if self._broker:
                stack.callback(self._broker.close)
            megabytes = SMALL if self.options.small_disk else None
            cluster = self.cluster.create(standby=self.options.standby, megabytes=megabytes)
            await asyncio.gather(self.redis.start(), cluster, *([self._broker.start()] if self._broker else []))
            await self.run("migrate")
            await self.run("seed", VURKSHA_ENV="test")
            for name in NAMES[: self.options.replicas]:
                self.replicas[name] = await self._replica(name, stack)
            self.balancer = Balancer(self.folder, {r.name: r.port for r in self.replicas.values()})
            stack.callback(self.balancer.child.kill)
            await self.balancer.start()
            await self.ready()
            yield

    async def _replica(self, name: str, stack: AsyncExitStack) -> Replica:
        targets = {"postgres": self.cluster.primary.port, "redis": self.redis.port}
        if self._broker:
            targets["rabbit"] = self._broker.port
        proxies = {
            store: await stack.enter_async_context(FaultProxy("127.0.0.1", port).running())
            for store, port in targets.items()
        }
        env = {**self.environment(), **self.options.armed}
        env["DATABASE_URL"] = f"postgresql://shop@127.0.0.1:{proxies['postgres'].port}/shop"
        if self.cluster.standby is not None:
            env["VURKSHA_POSTGRES__STANDBY_URL"] = self.cluster.standby.url()
        env["REDIS_URL"] = f"redis://127.0.0.1:{proxies['redis'].port}/0"
        if self._broker:
            env["RABBITMQ_URL"] = self._broker.url.replace(f":{self._broker.port}", f":{proxies['rabbit'].port}")
        if self.options.clocks:
            self.set_clock(name, 0)
            env |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self.folder / f"clock-{name}"),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_CACHE_DURATION": "1",
            }
        replica = Replica(name, self.folder, env)
        replica.proxies = proxies
        stack.callback(replica.child.kill)
        replica.child.start()
        return replica


@asynccontextmanager
async def opened(options: Options | None = None) -> AsyncIterator[World]:
    """A world that serves, in a folder that goes with the block."""
    with workplace() as folder:
        world = World(folder, options or Options())
        async with world._running():
            yield world
