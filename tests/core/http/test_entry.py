"""HTTP as bytes: what must stay true below the routes, whatever aiohttp release parses it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import orjson
import pytest

from core.http import connection, entry
from core.http.connection import check_aiohttp
from tests.core.harness import Probe

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
HELLO = b"GET /api/v1/probe/hello HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def connected(probe: Probe) -> AsyncIterator[Pair]:
    place = urlsplit(probe.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """One answer off a connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("Content-Length", "0")))


async def exchange(probe: Probe, raw: bytes) -> tuple[int, dict[str, str], bytes, bool]:
    """The first answer to raw bytes, and whether the server closed the connection after it."""
    async with connected(probe) as (reader, writer):
        writer.write(raw)
        status, headers, body = await answer(reader)
        try:
            async with asyncio.timeout(2.0 if "Connection" in headers else 0.1):
                closed = await reader.read(1) == b""
        except TimeoutError:
            closed = False
        return status, headers, body, closed


async def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_order(probe: Probe) -> None:
    async with connected(probe) as (reader, writer):
        for n in range(30):
            writer.write(HELLO.replace(b"hello", b"hello?page=%d" % (n + 1)))
        for n in range(30):
            _, _, body = await answer(reader)
            assert orjson.loads(body)["pagination"]["page"] == n + 1


async def test_heads_and_bodies_may_come_in_pieces(probe: Probe) -> None:
    raw = b'POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{"name":"a"}'
    async with connected(probe) as (reader, writer):
        for byte in raw:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await answer(reader))[0] == 200


async def test_chunked_bodies_are_read(probe: Probe) -> None:
    head = b"POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    status, _, body, _ = await exchange(probe, head + b'6\r\n{"name\r\n6\r\n":"a"}\r\n0\r\n\r\n')
    assert (status, orjson.loads(body)["data"]) == (200, {"text": "a 0"})


async def test_an_endless_chunked_body_is_cut_at_the_limit(probe: Probe) -> None:
    head = b"POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    status, headers, _, closed = await exchange(
        probe, head + b"8000\r\n" + b"a" * 0x8000 + b"\r\n8000\r\n" + b"a" * 0x8000 + b"\r\n1\r\na\r\n"
    )
    assert (status, headers["Connection"], closed) == (413, "close", True)


async def test_a_declared_length_over_the_limit_is_refused_unread(probe: Probe) -> None:
    status, headers, _, closed = await exchange(
        probe, b"POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    )
    assert (status, headers["Connection"], closed) == (413, "close", True)


async def test_expect_continue_is_answered(probe: Probe) -> None:
    async with connected(probe) as (reader, writer):
        writer.write(
            b"POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b'{"name":"a"}')
        assert (await answer(reader))[0] == 200


async def test_another_expectation_is_417(probe: Probe) -> None:
    status, _, body, _ = await exchange(probe, HELLO.replace(b"\r\n\r\n", b"\r\nExpect: miracles\r\n\r\n"))
    assert (status, orjson.loads(body)["error"]["code"]) == (417, "EXPECTATION_FAILED")


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"GET /api/v1/probe/hello HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"GET /api/v1/probe/hello HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9_000 + b"\r\n\r\n",
        b"GET /api/v1/probe/hello HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(200)) + b"\r\n",
        b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_the_envelope_and_is_closed(probe: Probe, raw: bytes) -> None:
    status, headers, body, closed = await exchange(probe, raw)
    assert status in (400, 414, 431)
    assert orjson.loads(body)["success"] is False
    assert (headers["Connection"], closed) == ("close", True)


async def test_http_1_0_and_connection_close_end_the_connection(probe: Probe) -> None:
    for raw in (HELLO.replace(b"1.1", b"1.0"), HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")):
        status, headers, _, closed = await exchange(probe, raw)
        assert (status, headers["Connection"], closed) == (200, "close", True)


async def test_a_get_with_a_body_does_not_confuse_the_next_request(probe: Probe) -> None:
    async with connected(probe) as (reader, writer):
        writer.write(HELLO.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nabcde") + HELLO)
        assert (await answer(reader))[0] == 200
        assert (await answer(reader))[0] == 200


async def test_a_client_that_never_finishes_its_head_is_closed(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    async with connected(probe) as (reader, writer):
        began = time.monotonic()
        writer.write(b"GET / HT")
        assert await reader.read() == b""
        assert time.monotonic() - began < 2


async def test_a_client_that_never_finishes_its_body_is_answered(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "BODY_SECONDS", 0.1)
    status, headers, _, _ = await exchange(
        probe, b"POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    )
    assert (status, headers["Connection"]) == (504, "close")


async def test_a_client_that_leaves_while_it_is_served_harms_nobody(probe: Probe) -> None:
    for _ in range(5):
        async with connected(probe) as (_, writer):
            writer.write(HELLO.replace(b"hello", b"slow"))
            await writer.drain()
    assert (await probe.get("/probe/hello")).status == 200
    await asyncio.sleep(0.3)  # the abandoned handlers run into their deadline


def test_the_private_names_of_aiohttp_are_where_we_expect_them() -> None:
    check_aiohttp()


CACHED = b"GET /api/v1/probe/cached?page=3 HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_answers_from_memory_and_others_keep_their_order(probe: Probe) -> None:
    """Both ways of answering share a connection: what was asked first is answered first."""
    await probe.get("/probe/cached?page=3")
    async with connected(probe) as (reader, writer):
        for _ in range(2):
            writer.write((CACHED + HELLO) * 3 + CACHED * 3 + HELLO)
            bodies = [orjson.loads((await answer(reader))[2])["data"]["text"] for _ in range(10)]
            assert [" None " in body for body in bodies] == [False, True] * 3 + [False] * 3 + [True]


async def test_more_pipelined_requests_than_the_queue_holds_are_all_answered(probe: Probe) -> None:
    await probe.get("/probe/cached?page=3")
    async with connected(probe) as (reader, writer):
        writer.write(CACHED * 500 + HELLO + CACHED * 500)
        for _ in range(1001):
            assert (await answer(reader))[0] == 200


async def test_memory_answers_only_what_is_plain(probe: Probe) -> None:
    await probe.get("/probe/cached?page=3")
    for extra in (b"Connection: close", b"Origin: https://shop.example", b"Expect: 100-continue", b"Content-Length: 2"):
        raw = CACHED.replace(b"\r\n\r\n", b"\r\n" + extra + b"\r\n\r\n") + (b"{}" if b"Length" in extra else b"")
        async with connected(probe) as (reader, writer):
            writer.write(raw)
            first = await reader.readuntil(b"\r\n")
            assert first == (b"HTTP/1.1 100 Continue\r\n" if b"Expect" in extra else b"HTTP/1.1 200 OK\r\n")


async def test_a_client_that_does_not_read_holds_up_only_itself(probe: Probe) -> None:
    await probe.get("/probe/cached?page=3")
    async with connected(probe) as (_, writer):
        writer.write(CACHED * 20_000)
        await asyncio.sleep(0.2)
        began = time.monotonic()
        assert (await probe.get("/probe/hello")).status == 200
        assert time.monotonic() - began < 1


async def test_an_idle_connection_that_was_served_from_memory_is_closed_in_time(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE", 0.3)
    await probe.get("/probe/cached?page=3")
    async with connected(probe) as (reader, writer):
        writer.write(CACHED)
        await answer(reader)
        async with asyncio.timeout(5):
            assert await reader.read() == b""


@pytest.mark.parametrize("place", [b"words/\xff", b"hello?page=\xff", b"words/a?x=\xff"])
async def test_bytes_that_are_no_utf_8_are_not_a_fault_of_ours(probe: Probe, place: bytes) -> None:
    status, _, body, _ = await exchange(probe, HELLO.replace(b"hello", place))
    assert status in (200, 400, 404)
    assert orjson.loads(body)["requestId"]


async def test_a_client_that_never_finishes_a_later_head_is_closed(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    await probe.get("/probe/cached?page=3")
    for first in (HELLO, CACHED):  # answered by aiohttp's loop, and from memory
        async with connected(probe) as (reader, writer):
            writer.write(first)
            await answer(reader)
            began = time.monotonic()
            writer.write(b"GET / HT")
            assert await reader.read() == b""
            assert time.monotonic() - began < 2


async def test_a_later_head_that_is_finished_in_time_is_answered(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    async with connected(probe) as (reader, writer):
        for _ in range(2):
            writer.write(HELLO[:20])
            await asyncio.sleep(0.05)
            writer.write(HELLO[20:])
            assert (await answer(reader))[0] == 200
        await asyncio.sleep(0.3)
        writer.write(HELLO)
        assert (await answer(reader))[0] == 200


async def write_for_ever(sock: socket.socket, raw: bytes) -> None:
    async with asyncio.timeout(10):
        while True:
            await asyncio.get_running_loop().sock_sendall(sock, raw)


async def test_a_client_that_reads_no_answers_is_cut(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "UNREAD_SECONDS", 0.2)
    await probe.get("/probe/cached?page=3")
    place = urlsplit(probe.url)
    for raw in (CACHED, HELLO):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.connect((place.hostname, place.port))
        sock.setblocking(False)
        with sock, pytest.raises(ConnectionError):
            await write_for_ever(sock, raw * 100)


async def test_a_client_that_reads_slowly_gets_everything(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "UNREAD_SECONDS", 5.0)
    async with connected(probe) as (reader, writer):
        writer.write(HELLO * 3_000)
        await asyncio.sleep(0.5)
        for _ in range(3_000):
            assert (await answer(reader))[0] == 200


async def test_a_hop_that_the_client_made_up_in_a_line_of_its_own_is_not_believed(probe: Probe) -> None:
    lines = b"\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n"
    _, _, body, _ = await exchange(probe, HELLO.replace(b"\r\n\r\n", lines))
    assert orjson.loads(body)["data"]["text"].endswith(" 9.9.9.9")
