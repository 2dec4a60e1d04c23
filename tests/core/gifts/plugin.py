"""Wiring of the gifts."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import attrs

from core.errors import NOT_FOUND, Problem
from core.events.model import EventMeta
from core.events.subscription import Subscription
from core.extensions import Extends, Point
from core.hookspecs import hookimpl
from core.http.health import HealthCheck
from core.http.routing import PUBLIC, Cache, Call, Encoded, Files, Reply, Route
from core.jobs import Job
from core.kernel import Kernel, Manifest
from core.services import Provided
from core.store.db import Tx
from tests.core.events.samples import ParcelArrived
from tests.core.gifts.ports import CARDS, WRAPS

HERE = Path(__file__).parent


@attrs.frozen(kw_only=True)
class Gift:
    """An answer."""

    text: str


class GiftPlugin:
    """Gifts."""

    manifest: ClassVar = Manifest(
        name="gift", version="2.1.0", schema="gifts", requires=("probe",), paths=("gifts",), owner="gift team"
    )

    def __init__(self, mood: str = "") -> None:
        """`mood`: in what the lifespan goes wrong."""
        self.mood, self.broken = mood, False
        self.opened = self.closed = self.wrapped = 0
        self.heard: list[ParcelArrived] = []

    @hookimpl
    def provides(self, kernel: Kernel) -> Sequence[Provided[Any]]:
        """Cards."""
        self.kernel = kernel
        return (Provided(CARDS, "a card"),)

    @hookimpl
    def extends(self) -> Sequence[Extends[Any]]:
        """To a point of its own, and one of somebody who is not there."""
        return (Extends(WRAPS, "paper"), Extends(Point("party.guests"), "everybody"))

    @hookimpl
    def routes(self) -> Sequence[Route | Files]:
        """Ways to succeed and to fail."""

        def route(path: str, handler: Any, **more: Any) -> Route:
            return Route(method="GET", path=path, handler=handler, policy=PUBLIC, answer=Gift, summary=path, **more)

        return (
            route("/gifts", self.gifts),
            route("/gifts/kept", self.kept, cache=Cache(max_age=30), private=False),
            route("/gifts/none", self.none),
            route("/gifts/slow", self.slow, deadline=0.1),
            route("/admin/gifts", self.gifts),
            Files("/gifts/files", HERE / "files"),
        )

    @hookimpl
    def migrations(self) -> Path:
        """Schema gifts."""
        return HERE / "migrations"

    @hookimpl
    def subscriptions(self) -> Sequence[Subscription]:
        """One consumer."""
        return (Subscription("gift.ears", ParcelArrived, self.hear),)

    @hookimpl
    def jobs(self) -> Sequence[Job]:
        """One."""
        return (Job(name="gift.wrap", every=0.05, run=self.wrap),)

    @hookimpl
    def health_checks(self) -> Sequence[HealthCheck]:
        """One."""
        return (HealthCheck(name="wrapping", check=self.check),)

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """As its mood is."""
        return self.serving()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Counts how often it is entered and left."""
        if self.mood == "raises":
            raise LookupError("no paper")
        while self.mood in ("hangs", "never ends"):
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                if self.mood == "hangs":
                    raise
        self.opened += 1
        try:
            yield
        finally:
            self.closed += 1
            if self.mood == "fails to close":
                raise LookupError("no bin")
            if self.mood == "hangs on":
                await asyncio.sleep(30)

    async def gifts(self, _: Call[None, None]) -> Gift:
        """Fails when it is broken."""
        if self.broken:
            raise LookupError("no gifts")
        return Gift(text="socks")

    async def kept(self, _: Call[None, None]) -> Reply:
        """Kept by the kernel."""
        return Reply(data=Encoded(b'{"text":"kept"}'), valid=lambda: True)

    async def none(self, _: Call[None, None]) -> Gift:
        """A refusal is no failure."""
        raise Problem(NOT_FOUND)

    async def slow(self, _: Call[None, None]) -> Gift:
        """Never in time."""
        await asyncio.sleep(30)
        return Gift(text="late")

    async def hear(self, _: Tx, event: ParcelArrived, __: EventMeta) -> None:
        """Remember."""
        self.heard.append(event)

    async def wrap(self) -> None:
        """Fails when it is broken."""
        self.wrapped += 1
        if self.broken:
            raise LookupError("no ribbon")

    async def check(self) -> None:
        """Well."""


plugin = GiftPlugin
