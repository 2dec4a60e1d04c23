"""Sleeps on the loop as if it were alone."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager

from core.hookspecs import hookimpl
from core.kernel import Kernel, Manifest
from tests.rogues.background import working

BLOCK, REST = 0.4, 0.6


async def block() -> None:
    """Without end."""
    while True:
        await asyncio.sleep(REST)
        time.sleep(BLOCK)


class Rogue:
    """Blocks."""

    manifest = Manifest(name="blocks_loop", version="1.0.0", schema="blocks_loop", owner="nobody")

    @hookimpl
    def provides(self, kernel: Kernel) -> list[object]:
        """Nothing."""
        self._kernel = kernel
        return []

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """In the background."""
        return working(self._kernel, "blocks_loop", block)
