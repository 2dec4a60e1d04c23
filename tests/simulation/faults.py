"""Faults of a run, drawn from its seed: which kinds happen at all, how often, how long.

Each run has its own mix: with every fault in every run, each would hide what only a lonely one brings to light.
"""

import asyncio
from collections.abc import Callable

import asyncpg

from tests.simulation.loop import Process
from tests.simulation.postgres import BEGIN, COMMIT, ROLLBACK
from tests.simulation.world import World

ERRORS = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.QueryCanceledError,
)
POSSIBLE = {
    BEGIN: (asyncpg.AdminShutdownError,),
    COMMIT: (asyncpg.SerializationError, asyncpg.DiskFullError, asyncpg.AdminShutdownError),
}
"""Of these only some: a BEGIN does not fail while the connection lives."""
SWARM = 0.4
"""How likely each kind of fault is to be in a run."""

Switch = Callable[[], None]


class Faults:
    """They begin with the run and are over at `until`; from then on everything must become well by itself."""

    def __init__(self, world: World, until: float) -> None:
        self._world, self._until = world, until
        self._tasks: list[asyncio.Task[None]] = []

    def maybe(self, name: str, gap: float, length: float, begin: Switch, end: Switch, share: float = SWARM) -> None:
        """Now and then, about `gap` seconds apart, something is wrong for about `length` seconds."""
        if self._world.chance(share):
            gap, length = gap * self._world.rng.uniform(0.2, 2), length * self._world.rng.uniform(0.2, 2)
            self._tasks.append(
                self._world.spawn(self._world.loop.world, self._weather(name, gap, length, begin, end), name)
            )

    async def _weather(self, name: str, gap: float, length: float, begin: Switch, end: Switch) -> None:
        rng = self._world.rng
        while (pause := rng.expovariate(1 / gap)) < self._left:
            await asyncio.sleep(pause)
            self._world.note(name, "begins")
            begin()
            await asyncio.sleep(min(rng.expovariate(1 / length), self._left))
            end()
            self._world.say(f"{name} ends")

    @property
    def _left(self) -> float:
        return max(0.0, self._until - self._world.now)

    def database(self) -> None:
        """Crashes, hangs, slow and lossy wires, statements that fail for no fault of their own."""
        world, server, network = self._world, self._world.server, self._world.network
        self.maybe("database crash", 15, 2, server.crash, server.restart)
        self.maybe(
            "database hang", 15, 3, lambda: _pause(server.process, on=True), lambda: _pause(server.process, on=False)
        )
        if world.chance(SWARM):
            network.usual = world.rng.choice((0.0005, 0.01, 0.05))
        if world.chance(SWARM):
            network.slow, network.slow_for = world.rng.choice((0.001, 0.02)), world.rng.choice((0.3, 2.0, 5.0))
        lossy = {name: world.rng.choice((0.0, 0.002, 0.02)) for name in ("lost_requests", "lost_answers")}
        for name, share in lossy.items():
            setattr(network, name, share)
        failing = world.rng.choice((0.0, 0.0, 0.005, 0.03))
        server.trouble = lambda sql: self._trouble(sql, failing)
        slow = world.rng.choice((0.0, 0.2, 0.6))
        server.slow = lambda: world.rng.random() < slow

    def _trouble(self, sql: str, share: float) -> BaseException | None:
        if not share or sql == ROLLBACK or self._world.now >= self._until or not self._world.chance(share):
            return None
        kind = self._world.rng.choice(POSSIBLE.get(sql, ERRORS))
        self._world.note("statement fails", f"{kind.__name__}{' at COMMIT' if sql == COMMIT else ''}")
        return kind("planted")

    def replica(self, process: Callable[[], Process], restart: Callable[[], None]) -> None:
        """Killed and started again, stopped for a while, cut off from the database."""
        world = self._world
        stopped: list[Process] = []
        cut: list[Process] = []

        def stop() -> None:
            stopped.append(process())
            _pause(stopped[-1], on=True)

        def cut_off() -> None:
            cut.append(process())
            world.network.cut(cut[-1])

        self.maybe(f"{process()!r} killed", 15, 2, lambda: world.kill(process()), restart)
        self.maybe(f"{process()!r} stopped", 20, 8, stop, lambda: _pause(stopped.pop(), on=False), SWARM / 2)
        self.maybe(f"{process()!r} cut off", 20, 6, cut_off, lambda: world.network.heal(cut.pop()), SWARM / 2)

    async def over(self) -> None:
        """Until the last one has ended; then wires are sound too."""
        await asyncio.sleep(self._left)
        await asyncio.gather(*self._tasks)
        network = self._world.network
        network.lost_requests = network.lost_answers = network.slow = 0.0
        network.usual = min(network.usual, 0.01)
        self._world.say("the faults are over")


def _pause(process: Process, *, on: bool) -> None:
    process.paused = on
