"""One connection to the broker, made again for ever (RELIABILITY 3)."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from core.events.amqp.frames import ForgivingReader
from core.tasks import no_stray

if TYPE_CHECKING:
    from core.settings import Secret

log = logging.getLogger("core.events")

CONNECT = 3.0
"""Seconds for a connection, the server's greeting included."""
PAUSE = (0.5, 4.0)
"""Seconds between attempts, at random in between: with the attempt itself at most 5 (RELIABILITY 2 and 3)."""
HEARTBEAT = 10
GOODBYE = 1.0
"""Seconds for closing politely; then the socket is cut."""


class Socket(TransportFactory):
    """Reads forgivingly, and can be cut. A broker that hangs would keep a polite close waiting for half a minute."""

    def __init__(self, inner: TransportFactory) -> None:
        self._inner = inner
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **more: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connected socket."""
        reader, self._writer = await self._inner.create(url, **more)
        return ForgivingReader(reader), self._writer

    def cut(self) -> None:
        """Close it without a word. Whoever reads from it is told at once."""
        if self._writer is not None:
            self._writer.transport.abort()


class Link:
    """Runs `serve` on one connection after the other. `serve` is to return when it or the connection is through."""

    def __init__(self, url: "Secret", name: str, serve: Callable[["Live"], Awaitable[None]]) -> None:
        self._url, self._name, self._serve = url, name, serve
        self._closing = asyncio.Event()
        # Its library tells of each attempt, at length and as an error. We say it once, in our own words.
        logging.getLogger("aiormq").setLevel(logging.CRITICAL)

    @property
    def closing(self) -> asyncio.Event:
        """Set when no further connection will be made."""
        return self._closing

    async def run(self) -> None:
        """For ever, also after `closing`: then without a connection."""
        while not self._closing.is_set():
            try:
                with no_stray():
                    await self._once()
            except Exception as error:  # noqa: BLE001  whatever it was, another connection is the remedy
                log.warning("%s: no RabbitMQ: %s", self._name, _said(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(*PAUSE)):  # noqa: S311  jitter, not a secret
                    await self._closing.wait()
        await asyncio.Event().wait()

    async def _once(self) -> None:
        url = URL(self._url.reveal())
        connection = aio_pika.Connection(url.update_query(heartbeat=HEARTBEAT, name=f"vurksha {self._name}"))
        factory = Socket(TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory())
        connection.kwargs["transport_factory"] = factory
        try:
            async with asyncio.timeout(CONNECT):
                await connection.connect()
            log.info("%s: connected to RabbitMQ", self._name)
            await self._serve(Live(connection))
        finally:
            try:
                with suppress(Exception):
                    async with asyncio.timeout(GOODBYE):
                        await connection.close()
            finally:
                factory.cut()
                await connection.close()  # notes the end where there was no goodbye: else it tries again when collected


class Live:
    """A connection that is up, and the news of its end."""

    def __init__(self, connection: AbstractConnection) -> None:
        self.connection = connection
        self._ended = asyncio.Event()
        connection.close_callbacks.add(self._end)

    def _end(self, *_: object) -> None:
        self._ended.set()

    async def ended(self) -> None:
        """Comes back when the connection is lost."""
        await self._ended.wait()
        raise ConnectionError("the connection was lost")

    async def blocked(self) -> bool:
        """Whether the broker, short of memory or disk, reads no more from this connection."""
        transport = self.connection.transport
        if transport is None or self._ended.is_set():
            return False
        try:
            async with asyncio.timeout(0.01):
                await transport.ready()
        except TimeoutError:
            return True
        return False


async def race(*work: Coroutine[Any, Any, None]) -> None:
    """Until the first of these returns or raises; the others are cancelled and have ended then."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        with no_stray():  # which is how the broker's library ends what waits for a lost connection
            task.result()


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()
