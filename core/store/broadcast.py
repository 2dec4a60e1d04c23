"""Messages between replicas over Redis: heard at once or not at all.

A handler that hears `b""` may have missed some, and looks the truth up. Nobody may depend on hearing one
(RELIABILITY 4.8).
"""

import logging
import math
from collections.abc import Callable
from typing import Any

from core.store.pipe import RedisDown, Wire, dial, pack
from core.tasks import Tasks

log = logging.getLogger("core.redis")
Handler = Callable[[bytes], None]

SILENCE = 1.0
"""Seconds without a message before the connection is asked whether it lives; as long again and it is given up."""


class Broadcasts:
    """The second connection of a process: it only listens."""

    def __init__(self, make: Callable[[], Wire], *, connect: float, silence: float = SILENCE) -> None:
        self._make, self._connect, self._silence = make, connect, silence
        self._handlers: dict[bytes, list[Handler]] = {}
        self._wire: Wire | None = None

    def subscribe(self, channel: bytes, handler: Handler, tasks: Tasks | None) -> None:
        """Hear a channel. `tasks` run what tells an open connection."""
        self._handlers.setdefault(channel, []).append(handler)
        if self._wire is not None and tasks is not None:
            tasks.spawn("redis subscribe", self._tell(self._wire, b"SUBSCRIBE", channel))

    async def run(self) -> None:
        """Listen until the connection breaks, which raises."""
        wire = await dial(self._make, self._connect)
        try:
            self._wire = wire
            if self._handlers:
                await self._tell(wire, b"SUBSCRIBE", *self._handlers)
            await self._listen(wire)
        finally:
            self._wire = None
            await wire.disconnect(nowait=True)

    async def _listen(self, wire: Wire) -> None:
        asked = False
        while True:
            timeout = self._silence if self._handlers else math.inf
            heard = await wire.read_response(disable_decoding=True, timeout=timeout, disconnect_on_error=False)
            if heard is not None:
                asked = False
                self._dispatch(heard)
            elif asked:
                raise RedisDown("silent")
            else:
                asked = True
                await self._tell(wire, b"PING")

    @staticmethod
    async def _tell(wire: Wire, *command: bytes) -> None:
        await wire.send_packed_command(pack(*command), check_health=False)

    def _dispatch(self, heard: Any) -> None:
        match heard:
            case [b"message", bytes(channel), bytes(message)]:
                self._call(channel, message)
            case [b"subscribe", bytes(channel), _]:  # anew: what was said in between is lost
                self._call(channel, b"")
            case _:
                pass  # the answer to a PING

    def _call(self, channel: bytes, message: bytes) -> None:
        for handler in self._handlers.get(channel, ()):
            try:
                handler(message)
            except Exception:
                log.exception("a handler of %s failed", channel.decode(errors="replace"))
