"""Keeps some megabytes more each second."""

import asyncio
from contextlib import AbstractAsyncContextManager

from core.hookspecs import hookimpl
from core.kernel import Kernel, Manifest
from tests.rogues.background import working

kept: list[bytearray] = []


async def grow() -> None:
    """Ten megabytes a second, written to."""
    kept.clear()
    while True:
        kept.append(bytearray(b"x" * 512 * 1024))
        await asyncio.sleep(0.05)


class Rogue:
    """Grows."""

    manifest = Manifest(name="leaks_memory", version="1.0.0", schema="leaks_memory", owner="nobody")

    @hookimpl
    def provides(self, kernel: Kernel) -> list[object]:
        """Nothing."""
        self._kernel = kernel
        return []

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """In the background."""
        return working(self._kernel, "leaks_memory", grow)
