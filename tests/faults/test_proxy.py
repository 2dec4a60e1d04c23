import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import FaultProxy, Line, Mode


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """In front of a server that says everything twice."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data + data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]).running() as proxy:
        yield proxy
    server.close()
    await server.wait_closed()


class Client:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, text: bytes, seconds: float = 5.0) -> bytes:
        self.writer.write(text)
        async with asyncio.timeout(seconds):
            return await self.reader.readexactly(2 * len(text))


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield Client(reader, writer)
    writer.transport.abort()


async def test_bytes_pass(client: Client) -> None:
    assert await client.ask(b"tea") == b"teatea"


async def test_refusing_resets_what_is_open_and_takes_nobody(proxy: FaultProxy, client: Client) -> None:
    await client.ask(b"tea")
    await proxy.become(Mode.REFUSE)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await client.ask(b"tea")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", proxy.port)
    await proxy.become(Mode.PASS)
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.transport.abort()


async def test_a_blackhole_holds_bytes_until_it_is_gone(proxy: FaultProxy, client: Client) -> None:
    await client.ask(b"tea")
    await proxy.become(Mode.BLACKHOLE)
    with pytest.raises(TimeoutError):
        await client.ask(b"tea", 0.2)
    await proxy.become(Mode.PASS)
    async with asyncio.timeout(5):
        assert await client.reader.readexactly(6) == b"teatea"


async def test_a_reset_ends_each_connection(proxy: FaultProxy) -> None:
    await proxy.become(Mode.RESET)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await Client(reader, writer).ask(b"tea")
    writer.transport.abort()


async def test_bytes_come_late_or_in_pieces(proxy: FaultProxy, client: Client) -> None:
    proxy.line = Line(latency=0.05, slice=1)
    began = time.monotonic()
    assert await client.ask(b"tea") == b"tteeaa", "each byte came alone"
    assert time.monotonic() - began >= 0.1


async def test_a_line_is_cut_after_so_many_bytes(proxy: FaultProxy) -> None:
    proxy.line = Line(cut=4)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"tea")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(6)
    writer.transport.abort()


async def test_a_moved_target_takes_new_connections_only(proxy: FaultProxy, client: Client) -> None:
    await client.ask(b"tea")
    proxy.target = "127.0.0.1", 1
    assert await client.ask(b"tea") == b"teatea"
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await Client(reader, writer).ask(b"tea")
    writer.transport.abort()
