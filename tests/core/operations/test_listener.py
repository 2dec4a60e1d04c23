"""The operators' listener: for those with the token only, from a replica's first moment to its last."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import attrs
import pytest
from aiohttp import web

from core.app import App
from core.operations.access import COOKIE
from core.operations.listener import Operations
from core.settings import OperationsSettings, Secret
from core.sockets import CannotListen, bind
from core.supervisor import operations_ports
from tests.core.harness import NewSettings, listening
from tests.core.http.probe import ProbePlugin

TOKEN = "t" * 40
SHOWN = {"Authorization": f"Bearer {TOKEN}"}


def made(port: int = 0, host: str = "127.0.0.1", *, lenient: bool = False) -> Operations:
    return Operations(OperationsSettings(host=host, port=port, token=Secret(TOKEN)), lenient=lenient)


async def hello(request: web.Request) -> web.Response:
    return web.Response(text=f"hello {request.method}")


@asynccontextmanager
async def opened(operations: Operations) -> AsyncIterator[aiohttp.ClientSession]:
    """Listening, with a client that talks to it."""
    async with operations.serving(), aiohttp.ClientSession(operations.address) as client:
        yield client


async def ask(client: aiohttp.ClientSession, path: str = "/hello", method: str = "GET", **headers: str) -> int:
    async with client.request(method, path, headers=headers) as got:
        assert got.headers["Cache-Control"] == "no-store"
        return got.status


async def test_nothing_is_shown_without_the_token() -> None:
    operations = made()
    operations.add("GET", "/hello", hello)
    async with opened(operations) as client:
        for wrong in ({}, {"Authorization": "Bearer"}, {"Authorization": f"Bearer {TOKEN}x"},
                      {"Authorization": f"Basic {TOKEN}"}, {"Authorization": "Bearer \u00e9"}):  # fmt: skip
            assert await ask(client, **wrong) == 401
            assert await ask(client, "/nowhere", **wrong) == 401
        assert await ask(client, **SHOWN) == 200
        assert await ask(client, "/nowhere", **SHOWN) == 404


async def test_a_path_may_be_free_such_as_a_sign_in_form() -> None:
    operations = made()
    operations.add("GET", "/form", hello, free=True)
    async with opened(operations) as client:
        assert await ask(client, "/form") == 200


async def test_a_browser_that_showed_the_token_is_remembered_for_reading_only() -> None:
    async def sign_in(request: web.Request) -> web.Response:
        assert operations.access.knows(await request.text())
        response = web.Response()
        operations.access.remember(response)
        return response

    operations = made()
    operations.add("POST", "/form", sign_in, free=True)
    operations.add("GET", "/hello", hello)
    operations.add("POST", "/hello", hello)
    async with opened(operations) as client:
        async with client.post("/form", data=TOKEN) as got:
            cookie = got.cookies[COOKIE]
        assert (cookie["httponly"], cookie["samesite"], TOKEN in cookie.value) == (True, "Strict", False)
        cookies = f"{COOKIE}={cookie.value}"
        assert await ask(client, Cookie=cookies) == 200
        assert await ask(client, method="POST", Cookie=cookies) == 401


async def test_a_cookie_that_is_old_or_made_up_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    operations, response = made(), web.Response()
    operations.access.remember(response)
    good = response.cookies[COOKIE].value
    until, _, seal = good.partition(".")
    operations.add("GET", "/hello", hello)
    async with opened(operations) as client:
        for wrong in ("", "x", f"{int(until) + 1}.{seal}", f"{until}.{seal[:-1]}"):
            assert await ask(client, Cookie=f"{COOKIE}={wrong}") == 401
        assert await ask(client, Cookie=f"{COOKIE}={good}") == 200
        now = time.time()
        monkeypatch.setattr("core.operations.access.time.time", lambda: now + 13 * 3600)
        assert await ask(client, Cookie=f"{COOKIE}={good}") == 401


async def test_a_taken_port_stops_production_and_moves_development(caplog: pytest.LogCaptureFixture) -> None:
    with bind("127.0.0.1", 0, shared=False) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            made(port).bind()
        lenient = made(port, lenient=True)
        with caplog.at_level(logging.WARNING):
            async with lenient.serving():
                assert lenient.address.startswith("http://127.0.0.1:")
                assert not lenient.address.endswith(f":{port}")
                assert lenient.address in caplog.text
        assert lenient.address == ""


async def test_without_a_host_there_is_no_listener() -> None:
    operations = made(host="")
    async with operations.serving():
        assert operations.address == ""


async def test_an_endless_answer_does_not_hold_up_the_end() -> None:
    began = asyncio.Event()

    async def endless(_: web.Request) -> web.StreamResponse:
        began.set()
        await asyncio.sleep(60)
        return web.Response()

    operations = made()
    operations.add("GET", "/endless", endless)
    clock = asyncio.get_running_loop().time
    async with aiohttp.ClientSession() as client:
        async with operations.serving():
            asking = asyncio.ensure_future(client.get(f"{operations.address}/endless", headers=SHOWN))
            await began.wait()
            left = clock()
        assert clock() - left < 10
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_it_answers_before_the_replica_is_ready_and_until_it_is_gone(new_settings: NewSettings) -> None:
    settings = await new_settings(operations={"token": TOKEN})  # not migrated: the replica waits
    plugin = ProbePlugin()
    app = App(settings, [plugin])
    app.operations.add("GET", "/hello", hello)
    async with listening(app, plugin), aiohttp.ClientSession() as client:
        starting = asyncio.ensure_future(app.start())
        async with asyncio.timeout(20):
            while "schema" not in str(app.health.reasons):
                await asyncio.sleep(0.01)
        url = f"{app.operations.address}/hello"
        async with client.get(url, headers=SHOWN) as got:
            assert got.status == 200
        app.drain()
        async with client.get(url, headers=SHOWN) as got:
            assert got.status == 200
        starting.cancel()
        await asyncio.wait({starting})
        await app.stop(1.0)
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get(url, headers=SHOWN)


async def test_replicas_of_one_command_listen_in_a_row(new_settings: NewSettings) -> None:
    with bind("127.0.0.1", 0, shared=False) as taken:
        port = taken.getsockname()[1]
        settings = await new_settings(operations={"port": port - 1})
        assert operations_ports(settings, 3) == [port - 1, port, port + 1]
        with pytest.raises(CannotListen, match=str(port)):
            operations_ports(attrs.evolve(settings, environment="production"), 3)
    assert operations_ports(await new_settings(operations={"port": 0}), 2) == [0, 0]
