"""Begins tasks that never end."""

import asyncio
from contextlib import AbstractAsyncContextManager

from core.hookspecs import hookimpl
from core.kernel import Kernel, Manifest
from tests.rogues.background import working

left: set["asyncio.Task[None]"] = set()


async def forgotten() -> None:
    """Never ends."""
    await asyncio.Event().wait()


async def leak() -> None:
    """A hundred a second."""
    while True:
        task = asyncio.get_running_loop().create_task(forgotten())
        left.add(task)
        task.add_done_callback(left.discard)
        await asyncio.sleep(0.01)


class Rogue:
    """Leaks."""

    manifest = Manifest(name="leaks_tasks", version="1.0.0", schema="leaks_tasks", owner="nobody")

    @hookimpl
    def provides(self, kernel: Kernel) -> list[object]:
        """Nothing."""
        self._kernel = kernel
        return []

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """In the background."""
        return working(self._kernel, "leaks_tasks", leak)
