"""A plugin's view of the database: the same pool and breakers, but a few of the connections at once (ADR 22)."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, cast

import attrs

from core.context import remaining
from core.isolation.culprit import Packages
from core.isolation.guards import Guards
from core.store.db import Db
from core.store.pool import Connection, Pool, PoolTimeout

LOOK = 1.0
"""Seconds between two looks at how long connections are held."""
log = logging.getLogger("core.isolation")


@attrs.frozen
class _Held:
    """Since when, on the monotonic clock, and by which task."""

    since: float
    task: "asyncio.Task[Any] | None"


class Part:
    """A part of a pool: at most so many connections of it at once. Waiting for a place obeys the acquire time-out.

    To wait in vain is load, not misbehaviour: it counts for nothing. Holding one for long does.
    """

    def __init__(self, whole: Pool, plugin: str, guards: Guards) -> None:
        self._whole, self.plugin = whole, plugin
        self._bound = guards.settings.connections
        self._inside = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._since: dict[Connection, _Held] = {}

    def __getattr__(self, name: str) -> Any:  # all else is the pool's own
        return getattr(self._whole, name)

    def take(self) -> Connection | None:
        """A free connection, if the plugin may have one more."""
        if self._inside >= self._bound or (connection := self._whole.take()) is None:
            return None
        self._inside += 1
        return self._note(connection)

    async def acquire(self, timeout: float) -> Connection:  # noqa: ASYNC109  as the pool's
        """A connection, or PoolTimeout."""
        began = time.monotonic()
        await self._place(timeout)
        try:
            left = max(0.001, timeout - (time.monotonic() - began))
            return self._note(await self._whole.acquire(left))
        except BaseException:
            self._leave()
            raise

    def release(self, connection: Connection, *, broken: bool = False) -> None:
        """Give it back, unless it was taken away."""
        if self._since.pop(connection, None) is not None:
            self._leave()
            self._whole.release(connection, broken=broken)

    def _note(self, connection: Connection) -> Connection:
        self._since[connection] = _Held(time.monotonic(), asyncio.current_task())
        return connection

    async def _place(self, timeout: float) -> None:  # noqa: ASYNC109  as above
        if self._inside < self._bound:
            self._inside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(remaining(timeout)):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # given in the same moment
                self._leave()
            if not isinstance(error, TimeoutError):
                raise
            raise PoolTimeout(f"{self.plugin} has {self._bound} connections already") from error

    def _leave(self) -> None:
        """Pass the place on, or have one more."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._inside -= 1

    def held(self, seconds: float) -> Iterator[tuple[Connection, _Held]]:
        """Connections that were taken so long ago."""
        oldest = time.monotonic() - seconds
        return ((connection, held) for connection, held in list(self._since.items()) if held.since < oldest)


class BoundedDb(Db):
    """What an optional plugin gets for `kernel.db`."""

    def __init__(self, db: Db, plugin: str, guards: Guards) -> None:
        self.__dict__.update(db.__dict__)
        self._db = db
        self.part = Part(db.pool, plugin, guards)
        self.pool = cast("Pool", self.part)
        self.spending = db.spending.of(plugin)
        del self.__dict__["on_events"]

    @property
    def on_events(self) -> Callable[[], None]:  # type: ignore[override]  # the relay is told by whoever owns the pool
        """The relay's wake-up, as it is by then."""
        return self._db.on_events

    async def close(self) -> None:
        """Nothing: the pool is everybody's."""


class ConnectionWatch:
    """Looks once a second for connections that are held too long."""

    def __init__(self, packages: Packages, guards: Guards) -> None:
        self._packages, self._guards = packages, guards
        self.parts: list[Part] = []

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK)
            self.look()

    def look(self) -> None:
        """Name and quarantine who holds a connection longer than any statement may take, and take it away."""
        for part in self.parts:
            for connection, held in part.held(self._guards.settings.held):
                place = None if held.task is None else self._packages.of_wait(held.task)
                reason = f"held a connection for {_age(held):.0f} s" + (f": {place}" if place else "")
                log.error("plugin %s %s", part.plugin, reason)
                self._guards.quarantine(part.plugin, reason)
                part.release(connection, broken=True)


def _age(held: _Held) -> float:
    return time.monotonic() - held.since
