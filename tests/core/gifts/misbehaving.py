"""Gifts that misbehave. Here and not among their tests: whose code it is, is told by the folder."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from core.events.model import EventMeta
from core.hookspecs import hookimpl
from core.http.health import HealthCheck
from core.http.routing import LIVE_USER, Call, Encoded, Files, Repeat, Reply, Route
from core.jobs import Job
from core.store.db import Tx
from core.tasks import SILENCE
from tests.core.events.samples import ParcelArrived
from tests.core.gifts.plugin import Gift, GiftPlugin


class Leaver(GiftPlugin):
    """Takes the process for its own, in the one place that is named."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def leave(self, here: str) -> None:
        """Where it was told to."""
        if here == self.where:
            sys.exit(f"from the {here}")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """With work in the background."""
        self.leave("lifespan")
        self.kernel.tasks.spawn("gift.once", self.once())
        self.kernel.tasks.forever("gift.loop", self.loop)
        yield

    async def once(self) -> None:
        """Spawned."""
        self.leave("task")

    async def loop(self) -> None:
        """For ever."""
        self.leave("loop")
        await asyncio.Event().wait()

    async def gifts(self, call: Call[None, None]) -> Gift:
        """Fails in a handler."""
        self.leave("handler")
        return await super().gifts(call)

    async def kept(self, _: Call[None, None]) -> Reply:
        """Fails when the kernel asks whether it still stands."""
        return Reply(data=Encoded(b'{"text":"kept"}'), valid=self.valid)

    def valid(self) -> bool:
        """Or not."""
        self.leave("memory")
        return True

    async def hear(self, _: Tx, event: ParcelArrived, __: EventMeta) -> None:
        """Fails in a subscriber."""
        self.leave("subscriber")
        self.heard.append(event)

    async def wrap(self) -> None:
        """Fails in a job."""
        self.leave("job")

    async def check(self) -> None:
        """Fails in a health check."""
        self.leave("check")


class Patient(GiftPlugin):
    """Takes its time, and gives up by itself."""

    async def gifts(self, call: Call[None, None]) -> Gift:
        """Within its deadline."""
        await asyncio.sleep(0.05)
        return await super().gifts(call)

    async def none(self, _: Call[None, None]) -> Gift:
        """What it asked did not answer in time."""
        raise TimeoutError


class Greedy(GiftPlugin):
    """Works long in transactions that the kernel opened."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.done = 0, asyncio.Event()

    @hookimpl
    def routes(self) -> Sequence[Route | Files]:
        """One of each kind."""

        def route(path: str, repeat: Repeat) -> Route:
            policy = LIVE_USER
            return Route(
                method="POST", path=path, handler=self.work, policy=policy, answer=Gift, summary=path, repeat=repeat
            )

        return (route("/gifts/keyed", Repeat.KEYED), route("/gifts/live", Repeat.NATURAL))

    async def work(self, call: Call[None, None]) -> Gift:
        """Until it is told."""
        self.inside += 1
        assert await call.tx.fetchval("SELECT true")
        await self.done.wait()
        return Gift(text="at last")


class Unsure(GiftPlugin):
    """Does not know whether its answer stands."""

    made = 0

    async def kept(self, _: Call[None, None]) -> Reply:
        """Kept, as far as that goes."""
        self.made += 1
        return Reply(data=Encoded(b'{"text":"kept"}'), valid=lambda: bool(1 / 0))


class Twice(GiftPlugin):
    """Declares a file twice, which nobody can see from either declaration."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        (folder / "ribbon.txt").touch()
        self.folder = folder

    @hookimpl
    def routes(self) -> Sequence[Route | Files]:
        """A folder on top of another."""
        return (*super().routes(), Files("/gifts/files", self.folder))


class Ill(GiftPlugin):
    """Its health checks hang, and one has the name of somebody else's."""

    @hookimpl
    def health_checks(self) -> Sequence[HealthCheck]:
        """For a minute."""
        return [HealthCheck(name=name, check=asyncio.Event().wait, limit=60.0) for name in ("probe", "gift.ill")]


class Busy(GiftPlugin):
    """Loops in the background, and works for long at its job."""

    def __init__(self) -> None:
        super().__init__()
        self.loops = self.at_work = 0

    @hookimpl
    def jobs(self) -> Sequence[Job]:
        """One, on one replica."""
        return (Job(name="gift.wrap", every=0.05, run=self.wrap, single=True),)

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """With a loop."""
        return self.looping()

    @asynccontextmanager
    async def looping(self) -> AsyncIterator[None]:
        """As the documentation shows it."""
        self.kernel.tasks.forever("gift.loop", self.loop, silence=SILENCE)
        async with self.serving():
            yield

    async def loop(self) -> None:
        """Counts itself."""
        self.loops += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.loops -= 1

    async def wrap(self) -> None:
        """Likewise."""
        self.at_work += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.at_work -= 1
