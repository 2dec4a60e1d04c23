"""Answers that lie in memory, between others that do not: in order, within the limits, and only what is plain."""

import asyncio
import logging

import orjson
import pytest

from core.http import connection, entry
from core.http.connection import check_aiohttp
from tests.core.harness import Probe
from tests.core.http.test_entry import HELLO, answer, connected, exchange

CACHED = HELLO.replace(b"hello", b"cached?page=31")
ECHO = b'POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{"name":"a"}'

SLOW = b"POST /api/v1/probe/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"


async def warm(probe: Probe) -> str:
    return str((await probe.get("/probe/cached?page=31")).data["text"])


async def test_answers_from_memory_and_others_come_in_the_order_asked(probe: Probe) -> None:
    text = await warm(probe)
    async with connected(probe) as (reader, writer):
        writer.write(CACHED)
        assert orjson.loads((await answer(reader))[2])["data"] == {"text": text}
        writer.write((CACHED + HELLO + CACHED + ECHO + CACHED) * 4)
        found = [orjson.loads((await answer(reader))[2])["data"]["text"] for _ in range(20)]
        assert [one.split()[0] for one in found] == [text.split()[0], "1", text.split()[0], "a", text.split()[0]] * 4


async def test_what_is_not_plain_goes_the_long_way_and_is_answered_alike(probe: Probe) -> None:
    text = await warm(probe)
    for more in (b"Connection: close", b"Origin: https://shop.example", b"Expect: 100-continue", b"Content-Length: 0"):
        status, headers, body, closed = await exchange(probe, CACHED.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n\r\n"))
        if b"Expect" not in more:  # that one is answered 100 first
            assert (status, orjson.loads(body)["data"]) == (200, {"text": text})
            assert closed == (b"close" in more)
            assert ("Access-Control-Allow-Origin" in headers) == (b"Origin" in more)
    for raw in (CACHED.replace(b"GET", b"HEAD"), CACHED.replace(b"1.1", b"1.0")):
        async with connected(probe) as (reader, writer):
            writer.write(raw)
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")


async def test_no_http_after_an_answer_from_memory_is_refused_and_closed(probe: Probe) -> None:
    await warm(probe)
    async with connected(probe) as (reader, writer):
        writer.write(CACHED)
        assert (await answer(reader))[0] == 200
        writer.write(b"NONSENSE\r\n\r\n")
        status, headers, _ = await answer(reader)
        assert (status, headers["Connection"]) == (400, "close")
        assert await reader.read() == b""


async def test_a_connection_that_lives_on_memory_is_closed_when_it_falls_idle(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE", 0.2)
    await warm(probe)
    async with connected(probe) as (reader, writer):
        for _ in range(3):
            writer.write(CACHED)
            assert (await answer(reader))[0] == 200
        async with asyncio.timeout(5):
            assert await reader.read() == b""


async def test_a_client_that_reads_nothing_gets_all_of_it_later(probe: Probe) -> None:
    await warm(probe)
    many = 3_000
    async with connected(probe) as (reader, writer):
        writer.write(CACHED * many)
        await asyncio.sleep(0.2)
        for _ in range(many):
            assert (await answer(reader))[0] == 200


async def test_a_fault_outside_every_route_is_a_500_in_our_words(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(probe.app.entry, "_table", None)
    status, headers, body, closed = await exchange(probe, HELLO)
    assert (status, headers["Connection"], closed) == (500, "close", True)
    assert orjson.loads(body)["error"]["code"] == "SYS_001"
    assert "a request failed outside its route" in caplog.text


async def test_a_client_that_leaves_within_its_body_is_no_fault_of_ours(
    probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\n"
    for begun in (b"Content-Length: 12\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n6\r\n{"):
        async with connected(probe) as (_, writer):
            writer.write(head + begun)
            await writer.drain()
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_hop_that_is_no_address_is_a_client_of_that_name(probe: Probe) -> None:
    found = await probe.get("/probe/hello", headers={"X-Forwarded-For": "1.2.3.4, unknown"})
    assert found.data["text"].endswith(" unknown")
    cut = await probe.get("/probe/hello", headers={"X-Forwarded-For": "x" * 200})
    assert cut.data["text"].endswith(" " + "x" * 64)


async def test_an_answer_for_a_client_that_left_is_dropped(probe: Probe) -> None:
    class Gone:
        keep_alive, method, transport = True, "GET", None

    with pytest.raises(ConnectionResetError):
        await entry.Ready(b"HTTP/1.1 200 OK\r\n\r\n").prepare(Gone())  # type: ignore[arg-type]  # all that it looks at


def test_an_aiohttp_that_moved_what_we_lean_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_aiohttp()
    monkeypatch.setattr(connection, "NAMES", {*connection.NAMES, "_nothing"})
    monkeypatch.setattr(connection, "LINES", (("start", "no such line"),))
    with pytest.raises(RuntimeError, match="moved _nothing, start: no such line"):
        check_aiohttp()


async def test_a_body_that_comes_with_its_head_and_one_that_comes_later_are_read_alike(probe: Probe) -> None:
    head, body = ECHO[:-12], ECHO[-12:]
    async with connected(probe) as (reader, writer):
        for parts in ((ECHO,), (head, body), (head + body[:5], body[5:]), (ECHO + head, body)):
            for part in parts:
                writer.write(part)
                await asyncio.sleep(0.02)
            for _ in range(b"".join(parts).count(b"POST")):
                assert orjson.loads((await answer(reader))[2])["data"]["text"] == "a 0"


async def test_a_request_under_way_is_waited_for_when_the_server_stops(probe: Probe) -> None:
    async with connected(probe) as (reader, writer):
        writer.write(HELLO.replace(b"hello", b"slow"))  # late by its deadline, in 0.2 s
        await asyncio.sleep(0.05)
        server = probe.app._server
        assert server is not None
        one = next(c for c in server.connections if c._task is not None)
        await one.shutdown(5)
        status, _, _ = await answer(reader)
        assert status == 504
        assert await reader.read() == b""


async def test_a_request_that_outlasts_the_stop_is_ended(probe: Probe) -> None:
    async with connected(probe) as (reader, writer):
        writer.write(SLOW)
        await asyncio.sleep(0.05)
        server = probe.app._server
        assert server is not None
        one = next(c for c in server.connections if c._task is not None)
        await one.shutdown(0.05)
        assert await reader.read() == b""
        assert one._task is None or one._task.cancelling()


CHUNKED = b"POST /api/v1/probe/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("before", [b"", HELLO, HELLO.replace(b"hello", b"slow")], ids=["first", "second", "waiting"])
@pytest.mark.parametrize("begun", [b"", b'6\r\n{"name\r\n'], ids=["bare", "begun"])
async def test_a_chunk_that_is_malformed_in_a_later_packet_is_400_and_the_end(
    probe: Probe, caplog: pytest.LogCaptureFixture, before: bytes, begun: bytes
) -> None:
    async with connected(probe) as (reader, writer), asyncio.timeout(1.5):
        for part in (before + CHUNKED + begun, b"nonsense\r\n"):
            writer.write(part)
            await asyncio.sleep(0.05)
        if before:
            await answer(reader)
        status, headers, body = await answer(reader)
        assert (status, headers["Connection"], orjson.loads(body)["error"]["code"]) == (400, "close", "VAL_004")
        assert await reader.read() == b""
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_malformed_chunk_of_a_body_that_nobody_reads_harms_nobody(
    probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(probe) as (reader, writer), asyncio.timeout(1.5):
        writer.write(CHUNKED.replace(b"echo", b"nowhere"))
        assert (await answer(reader))[0] == 404
        writer.write(b"nonsense\r\n")
        assert await reader.read() == b""
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
