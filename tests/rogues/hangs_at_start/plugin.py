"""Waits at its start for what never comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from core.hookspecs import hookimpl
from core.kernel import Manifest


class Rogue:
    """Hangs."""

    manifest = Manifest(name="hangs_at_start", version="1.0.0", schema="hangs_at_start", owner="nobody")

    @hookimpl
    def lifespan(self) -> AbstractAsyncContextManager[None]:
        """Never entered."""
        return self._waiting()

    @asynccontextmanager
    async def _waiting(self) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield
