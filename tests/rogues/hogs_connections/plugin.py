"""Takes every connection that it can get, in the background and in a route, and gives none back."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from core.errors import Problem
from core.hookspecs import hookimpl
from core.http.routing import LIVE_USER, Call, Repeat, Route
from core.kernel import Kernel, Manifest
from tests.rogues.background import working


async def hold(call: Call[Any, Any]) -> dict[str, str]:
    """Hold the kernel's transaction."""
    while await call.tx.fetchval("SELECT true"):
        await asyncio.sleep(0.1)
    return {}


class Rogue:
    """Hogs."""

    manifest = Manifest(name="hogs_connections", version="1.0.0", schema="hogs_connections", owner="nobody")

    @hookimpl
    def provides(self, kernel: Kernel) -> list[object]:
        """Nothing."""
        self._kernel = kernel
        return []

    @hookimpl
    def routes(self) -> list[Route]:
        """POST /hogs_connections."""
        more: dict[str, Any] = {"policy": LIVE_USER, "repeat": Repeat.NATURAL, "answer": dict[str, str]}
        return [Route(method="POST", path="/hogs_connections", handler=hold, summary="Hold on", **more)]

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """In the background."""
        return working(self._kernel, "hogs_connections", self._hog)

    async def _hog(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(32):
                group.create_task(self._hold())

    async def _hold(self) -> None:
        while True:
            try:
                async with self._kernel.db.transaction() as tx:
                    while await tx.fetchval("SELECT true"):
                        await asyncio.sleep(1)
            except Problem:
                await asyncio.sleep(0.1)
