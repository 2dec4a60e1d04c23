"""One console's conversation, in its own thread: a private socket, a key that is used once, lines and answers.

Both sides send JSON objects, one a line. Of the client: `key` first, then `run` with a typed line, or `stop`. Of the
replica: `hello` first, then `out` for each line, `note` at any time, and `end` with the reason before it closes.
"""

import asyncio
import hmac
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from core.console.shell import Answer, Shell

CAME_WITHIN = 15.0
"""Seconds for the terminal to come after the console was opened for it."""
HELLO = 5.0
"""Seconds for it to show its key."""
WRONG_KEYS = 3
"""Then nobody is waited for any more: the right terminal would know."""
LAST_MINUTE = 60.0
LONGEST_LINE = 8_192
GOODBYE = 1.0
"""Seconds for a terminal to take the last line."""
LEFT = "the terminal left"
EXPIRED = "its time is over: open another with `vurksha console`"
log = logging.getLogger("core.console")


class Session:
    """From a listening socket to its end. `life` is in seconds."""

    def __init__(
        self,
        listening: socket.socket,
        key: str,
        life: float,
        shell: Shell,
        hello: Mapping[str, object],
        came: Callable[[], None],
    ) -> None:
        """`came` is called once the terminal is there: nobody else is to find the way."""
        self._listening, self._key, self._life = listening, key, life
        self._shell, self._hello, self._came = shell, hello, came
        self._over: asyncio.Future[str] | None = None
        self._peer: asyncio.StreamWriter | None = None
        self._running: asyncio.Task[None] | None = None
        self._wrong = 0
        self._server: asyncio.Server | None = None

    async def serve(self) -> str:
        """Until it is over; why."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        self._server = await asyncio.start_unix_server(self._met, sock=self._listening, limit=LONGEST_LINE)
        timers = [
            loop.call_later(CAME_WITHIN, self._nobody),
            loop.call_later(max(0.0, self._life - LAST_MINUTE), self._warn),
            loop.call_later(self._life, self.end, EXPIRED),
        ]
        try:
            why = await self._over
        finally:
            for timer in timers:
                timer.cancel()
            self._server.close()
        await self._leave(why)
        return why

    def end(self, why: str) -> None:
        """In this thread: be over."""
        if self._over is not None and not self._over.done():
            self._over.set_result(why)

    def _nobody(self) -> None:
        if self._peer is None:
            self.end("nobody came")

    def _warn(self) -> None:
        if self._peer is not None:
            _send(self._peer, note="this console closes in a minute")

    async def _leave(self, why: str) -> None:
        self._shell.stop()
        if self._running is not None:
            await asyncio.wait({self._running})
        if self._peer is not None:
            _send(self._peer, end=why)
            try:
                async with asyncio.timeout(GOODBYE):
                    await self._peer.drain()
            except (OSError, TimeoutError):
                self._peer.transport.abort()
            self._peer.close()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody came: one who shows the key is the terminal, and nobody else is let in after it."""
        if not await self._knows(reader) or self._peer is not None:
            self._wrong += 1
            writer.close()
            if self._wrong >= WRONG_KEYS and self._peer is None:
                self.end("somebody came with wrong keys")
            return
        self._peer = writer
        if self._server is not None:
            self._server.close()
        self._came()
        _send(writer, **self._hello)
        try:
            while raw := await reader.readline():
                self._heard(orjson.loads(raw))
        except (OSError, ValueError):  # also of a line that is too long
            log.debug("the terminal of a console broke off")
        self.end(LEFT)

    async def _knows(self, reader: asyncio.StreamReader) -> bool:
        try:
            async with asyncio.timeout(HELLO):
                shown = orjson.loads(await reader.readline())["key"]
        except (OSError, ValueError, LookupError, TypeError):
            return False
        return isinstance(shown, str) and hmac.compare_digest(shown.encode(), self._key.encode())

    def _heard(self, message: dict[str, Any]) -> None:
        if "stop" in message:
            self._shell.stop()
        elif self._running is None and isinstance(line := message.get("run"), str):
            self._running = asyncio.get_running_loop().create_task(self._answer(line))

    async def _answer(self, line: str) -> None:
        try:
            answer: Answer = await self._shell.run(line)
        finally:
            self._running = None
        if self._peer is not None:
            _send(self._peer, out=answer.text, failed=answer.failed)


def _send(writer: asyncio.StreamWriter, **message: object) -> None:
    if not writer.is_closing():
        writer.write(orjson.dumps(message) + b"\n")
