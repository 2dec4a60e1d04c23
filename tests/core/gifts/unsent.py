"""Gifts whose answers cannot be sent."""

from collections.abc import Sequence
from typing import Any

import attrs

from core.hookspecs import hookimpl
from core.http.routing import LIVE_USER, PUBLIC, USER, Call, Files, Repeat, Reply, Route
from core.jobs import Job
from tests.core.gifts.plugin import Gift, GiftPlugin

SET: Any = {"a", "set"}
NUMBER: Any = 5


class Unsent(GiftPlugin):
    """A set where a text belongs, and an ETag that is none."""

    @hookimpl
    def routes(self) -> Sequence[Route | Files]:
        """One of each kind."""
        read = Route(method="GET", path="/gifts", handler=self.gifts, policy=PUBLIC, answer=Gift, summary="x")
        write = attrs.evolve(read, method="POST", handler=self.sets, policy=USER)
        return (
            read,
            attrs.evolve(read, path="/gifts/sets", handler=self.sets),
            attrs.evolve(read, path="/gifts/etags", handler=self.etags),
            attrs.evolve(write, path="/gifts/keyed", repeat=Repeat.KEYED),
            attrs.evolve(write, path="/gifts/live", repeat=Repeat.NATURAL, policy=LIVE_USER),
        )

    @hookimpl
    def jobs(self) -> Sequence[Job]:
        """None, whose success would end the row of failures."""
        return ()

    async def sets(self, _: Call[None, None]) -> Gift:
        """No JSON."""
        return Gift(text=SET)

    async def etags(self, call: Call[None, None]) -> Reply:
        """No text."""
        return Reply(data=await self.gifts(call), etag=NUMBER)
