"""The RabbitMQ node of a faults world."""

import asyncio
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from tests.rabbit import Rabbit

NO_LIMIT, ALARM = "50MB", "1000000GB"
"""Free space below which the node takes no more messages: hardly any, and more than any disk has."""


class Broker:
    """A node whose slow commands run beside the loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "rabbit"
        self._node = Rabbit(self._folder)
        self.url = self._node.url
        self.port = urlsplit(self.url).port or 5672

    async def start(self) -> None:
        """Start, also after `kill`, with the queues that it had."""
        await asyncio.to_thread(self._node.start)

    async def kill(self) -> None:
        """As by kill -9."""
        await asyncio.to_thread(self._node.kill)

    async def lose(self) -> None:
        """Gone with every queue and message; an empty one takes its place."""
        await asyncio.to_thread(self._node.kill)
        await asyncio.to_thread(shutil.rmtree, self._folder / "mnesia")
        await self.start()

    def freeze(self) -> None:
        """It hangs."""
        self._node.freeze()

    def thaw(self) -> None:
        """It goes on."""
        self._node.thaw()

    async def alarm(self, *, on: bool) -> None:
        """The disk alarm: publishers are blocked, consumers are not."""
        await asyncio.to_thread(self._node.control, "set_disk_free_limit", ALARM if on else NO_LIMIT)

    def close(self) -> None:
        """Gone, with its name server."""
        self._node.thaw()
        self._node.remove()
