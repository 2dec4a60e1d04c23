"""Computes, sleeps, asks the database and fails in every place in which a plugin may work."""

import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

import attrs

from core.hookspecs import hookimpl
from core.http.routing import PUBLIC, Call, Route
from core.jobs import Job
from core.kernel import Kernel, Manifest


@attrs.frozen(kw_only=True)
class Done:
    """What is answered."""

    lines: list[str]


def computing(seconds: float) -> None:
    """Use the processor for so long, however busy the machine is."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def sleeping(seconds: float) -> None:
    """Hold the loop and use nothing."""
    time.sleep(seconds)


class Busy:
    """Optional."""

    manifest: ClassVar = Manifest(name="busy", version="1.0.0", schema="busy", paths=("busy",))

    def __init__(self, job: Callable[[], Awaitable[None]] | None = None) -> None:
        self._job = job

    @hookimpl
    def provides(self, kernel: Kernel) -> list[object]:
        """Nothing."""
        self.kernel = kernel
        return []

    @hookimpl
    def routes(self) -> list[Route]:
        """What may be asked for."""

        def route(path: str, handler: Callable[[Call[None, None]], Awaitable[object]]) -> Route:
            return Route(method="GET", path=path, handler=handler, policy=PUBLIC, answer=Done, summary=path)

        return [
            route("/busy/computes/{ms}", self.computes),
            route("/busy/sleeps", self.sleeps),
            route("/busy/asks", self.asks),
            route("/busy/fails", self.fails),
            route("/busy/lists", self.lists),
        ]

    @hookimpl
    def jobs(self) -> list[Job]:
        """One, if a test has some work for it."""
        return [] if self._job is None else [Job(name="busy.job", every=0.05, run=self._job)]

    async def computes(self, call: Call[None, None]) -> Done:
        """Of its own."""
        computing(int(call.text("ms")) / 1000)
        return Done(lines=["computed"])

    async def sleeps(self, _: Call[None, None]) -> Done:
        """And nobody is served."""
        sleeping(0.4)
        return Done(lines=["slept"])

    async def asks(self, _: Call[None, None]) -> Done:
        """The database, with its own view of it."""
        await self.kernel.db.fetchval("SELECT pg_sleep(0.05)")
        return Done(lines=["asked"])

    async def fails(self, _: Call[None, None]) -> Done:
        """As nobody expected."""
        raise LookupError

    async def lists(self, _: Call[None, None]) -> Done:
        """So much that the kernel is busy with it for long."""
        return Done(lines=["a line of many"] * 2_000_000)
