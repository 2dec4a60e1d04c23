"""A TCP proxy that misbehaves on request. One stands between each replica and each of its stores."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Self

import attrs

CHUNK = 65_536
PIECE_PAUSE = 0.001
"""Seconds between the pieces of sliced data."""


class Mode(StrEnum):
    """What happens to connections, old and new."""

    PASS = "pass"
    REFUSE = "refuse"
    """Nobody listens; what was open is reset."""
    BLACKHOLE = "blackhole"
    """Bytes vanish from sight until the next mode, as when packets are dropped."""
    RESET = "reset"
    """Each connection is accepted and reset."""


@attrs.define(kw_only=True)
class Line:
    """How bytes travel. `latency` in seconds per chunk and direction; `cut` is bytes to the client, then a reset."""

    latency: float = 0.0
    slice: int | None = None
    cut: int | None = None


class FaultProxy:
    """Forwards to `target`, which may be moved while it runs: connections that are open stay with the old one."""

    def __init__(self, host: str, port: int) -> None:
        self.target = host, port
        self.port = 0
        self.line = Line()
        self.accepted = 0
        self._mode = Mode.PASS
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Listening on `port` until the end of the block."""
        await self._listen()
        try:
            yield self
        finally:
            await self._deafen()
            self.drop()
            for task in self._handlers:
                task.cancel()
            await asyncio.gather(*self._handlers, return_exceptions=True)

    async def become(self, mode: Mode) -> None:
        """Change how it misbehaves."""
        self._mode = mode
        (self._flowing.clear if mode is Mode.BLACKHOLE else self._flowing.set)()
        if mode in (Mode.REFUSE, Mode.RESET):
            self.drop()
        if mode is Mode.REFUSE:
            await self._deafen()
        else:
            await self._listen()

    def drop(self) -> None:
        """Reset every open connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    @property
    def open(self) -> int:
        """Connections under way."""
        return len(self._handlers)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _deafen(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            if self._mode is Mode.RESET:
                raise ConnectionResetError
            await self._flowing.wait()
            back, there = await asyncio.open_connection(*self.target)
            self._writers.add(there)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, there, None))
                both.create_task(self._pump(back, writer, self.line.cut))
        except* (OSError, RuntimeError):  # uvloop's word for a closed transport is the second
            pass  # one side is gone: so is the other, below
        finally:
            for one in (writer, there):
                if one is not None:
                    self._writers.discard(one)
                    one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: int | None) -> None:
        left = cut
        while data := await reader.read(CHUNK):
            if self.line.latency:
                await asyncio.sleep(self.line.latency)
            await self._flowing.wait()
            if left is not None:
                data, left = data[:left], left - len(data)
            await self._write(writer, data)
            if left is not None and left <= 0:
                raise ConnectionResetError("cut")
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = self.line.slice or len(data)
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            if self.line.slice:
                await asyncio.sleep(PIECE_PAUSE)
