"""One run: a loop, a database, processes that come and go, and a trace; all a function of scenario and seed."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from itertools import count
from random import Random
from typing import Any
from zlib import crc32

import attrs

from tests.simulation import driver
from tests.simulation.loop import OWNER, Process, VirtualLoop
from tests.simulation.meanings import inbox, kernel, outbox, sessions
from tests.simulation.postgres import Meaning, Server
from tests.simulation.sources import virtual

MEANINGS: dict[str, Meaning] = {**kernel.MEANINGS, **outbox.MEANINGS, **inbox.MEANINGS, **sessions.MEANINGS}


class Broken(AssertionError):
    """A promise was not kept. The message says which, and how."""


@attrs.frozen
class Result:
    """What a run came to."""

    scenario: str
    seed: int
    fault: str | None
    """None, or what went wrong."""
    trace: list[str]
    fingerprint: int
    """Equal for equal runs, different for almost all others."""
    steps: int
    seconds: float
    """Virtual ones."""
    seen: Mapping[str, int]
    """How often what happened: a scenario in which nothing goes wrong proves nothing."""


class World:
    """What a scenario gets to work with."""

    def __init__(self, scenario: str, seed: int, meanings: Mapping[str, Meaning] | None = None) -> None:
        self.scenario, self.seed = scenario, seed
        self.rng = Random(f"{scenario} {seed}")  # text, so that seeds and scenarios have nothing in common
        self.loop = VirtualLoop(Random(f"turns {scenario} {seed}"))
        self.server = Server(self.loop, {**MEANINGS, **(meanings or {})}, outbox.new_tables())
        self.network = driver.Network(self.loop, Random(f"network {scenario} {seed}"))
        self.trace: list[str] = []
        self.seen: dict[str, int] = {}
        self.broken = self.loop.create_future()
        """Ends the run, whoever found out."""
        self.dial: Callable[[], Any] = lambda: None
        """Makes what stands in the place of `aio_pika.Connection`."""
        self.on_death: list[Callable[[Process], None]] = []
        self._numbers = count(2)
        self._began = self.loop.time()

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return self.loop.time() - self._began

    def say(self, text: str) -> None:
        """A line of the trace."""
        self.trace.append(f"{self.now:10.4f}  {OWNER.get(self.loop.world)!r:<12} {text}")

    def count(self, what: str) -> None:
        """It happened once more."""
        self.seen[what] = self.seen.get(what, 0) + 1

    def note(self, what: str, text: str = "") -> None:
        """Both."""
        self.count(what)
        self.say(f"{what} {text}")

    def check(self, holds: object, promise: str) -> None:
        """Raises Broken unless it holds."""
        if not holds:
            self.say(f"BROKEN: {promise}")
            if not self.broken.done():
                self.broken.set_exception(Broken(promise))
            raise Broken(promise)

    def chance(self, share: float) -> bool:
        """Whether it happens this time."""
        return self.rng.random() < share

    def process(self, name: str) -> Process:
        """A new one."""
        return Process(name, next(self._numbers))

    def spawn(self, process: Process, work: Coroutine[Any, Any, Any], name: str = "main") -> "asyncio.Task[Any]":
        """A task of this process."""
        return self.loop.spawn(process, work, name)

    def kill(self, process: Process) -> None:
        """Kill -9, at whatever await it stands."""
        self.loop.kill(process)
        self.network.died(process)
        for told in self.on_death:
            told(process)

    async def connect(self, *_: object, connection_class: type[Any], timeout: float, **__: object) -> Any:
        """In the place of `asyncpg.connect`."""
        protocol = await driver.connect(self.server, self.network, timeout)
        return driver.connection(connection_class, protocol)

    async def until(self, true: Callable[[], bool], limit: float, promise: str, every: float = 0.25) -> None:
        """Wait for it, at most `limit` seconds; raises Broken."""
        end = self.now + limit
        while not true():
            self.check(self.now < end, f"{promise} within {limit:g} s")
            await asyncio.sleep(every)


LAST = 0.5
"""Seconds at the end in which whoever waits for a task that has just failed hears of it."""
Scenario = Callable[[World], Awaitable[None]]


async def _whole(world: World, scenario: Scenario) -> None:
    """The scenario, or as much of it as there is until a promise is broken."""
    main = asyncio.ensure_future(scenario(world))
    await asyncio.wait({main, world.broken}, return_when=asyncio.FIRST_COMPLETED)
    await (world.broken if world.broken.done() else main)
    await asyncio.sleep(LAST)


def run(scenario: Scenario, name: str, seed: int, *, quiet: bool = True, **more: Any) -> Result:
    """One run of a scenario. Never raises: what went wrong is in the result."""
    world, fault = World(name, seed, **more), None
    outer = asyncio.events._get_running_loop()
    asyncio.events._set_running_loop(None)  # a test may itself be run by a loop
    try:
        with virtual(world.loop, Random(f"outside {name} {seed}"), world.connect, lambda *_: world.dial(), quiet=quiet):
            try:
                world.loop.run_until_complete(world.loop.spawn(world.loop.world, _whole(world, scenario)))
            except Exception as error:  # noqa: BLE001  the run's verdict
                fault = f"{type(error).__name__}: {error}"
            fingerprint = crc32("\n".join(world.trace).encode(), world.loop.footprint)
            complaints = world.loop.unheard()
            world.network.close()
            world.loop.bury()
    finally:
        asyncio.events._set_running_loop(outer)
    if fault is None and complaints:
        fault = f"nobody caught: {complaints[0]}"
    return Result(name, seed, fault, world.trace, fingerprint, world.loop.steps, world.now, world.seen)
