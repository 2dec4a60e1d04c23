"""Work of optional plugins that may take long: it ends when its plugin is put aside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.isolation.guards import Guards, PutAside


class Runs:
    """One process's."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards
        self._under_way: dict[str, set[asyncio.Timeout]] = {}
        guards.on_change.append(self._changed)

    @asynccontextmanager
    async def of(self, plugin: str) -> AsyncIterator[None]:
        """The block is cancelled, and PutAside raised, once the plugin is put aside."""
        limit = asyncio.timeout(None)
        mine = self._under_way.setdefault(plugin, set())
        mine.add(limit)
        try:
            async with limit:
                yield
        except TimeoutError:
            if limit.expired():
                raise PutAside(plugin) from None
            raise
        finally:
            mine.discard(limit)

    def _changed(self, plugin: str) -> None:
        if not self._guards.available(plugin):
            for limit in self._under_way.pop(plugin, ()):
                limit.reschedule(asyncio.get_running_loop().time())
