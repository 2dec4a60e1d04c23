"""Which of the providers that plugged in is asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from core.extensions import Extensions
from plugins.payment.models import CASH
from plugins.payment.ports import PAYMENT_PROVIDERS, Provider

NONE: frozenset[str] = frozenset()


class Providers:
    """Those that are available now. New payments go to the first that takes their method; old ones stay where they are.

    It is also what the payment domain offers to orders: the methods that can be collected now.
    """

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions
        self._stack, self._opened = AsyncExitStack(), list[Provider]()
        self._opening = asyncio.Lock()

    def named(self, name: str) -> Provider | None:
        """The one with this name."""
        return next((one for one in self._available() if one.name == name), None)

    def taking(self, method: str) -> Provider | None:
        """The first that takes this method."""
        return next((one for one in self._available() if method in one.methods), None)

    def names(self) -> list[str]:
        """Of those that take money, cash at the door with them."""
        return [CASH, *(one.name for one in self._available())]

    def offered(self) -> frozenset[str]:
        """Methods that can be collected now. Pure and quick."""
        return NONE.union(*(one.methods for one in self._available()))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """All of them open, for as long as the block lasts."""
        async with AsyncExitStack() as self._stack:
            self._opened.clear()
            for one in self._available():
                await self._open(one)
            yield

    async def ready(self, name: str) -> Provider | None:
        """The one with this name, open: its plugin may have been enabled since the others were opened."""
        found = self.named(name)
        if found is not None:
            await self._open(found)
        return found

    async def _open(self, one: Provider) -> None:
        async with self._opening:
            if one not in self._opened:
                await self._stack.enter_async_context(one.opened())
                self._opened.append(one)

    def _available(self) -> list[Provider]:
        return [extension.item for extension in self._extensions.of(PAYMENT_PROVIDERS)]
