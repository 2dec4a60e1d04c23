"""The calls that the providers' channels share."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web

from plugins.notification.channels.http import MAX_ANSWER, Http
from plugins.notification.ports import Temporary
from tests.providers.server import Provider


class InParts(Provider):
    """Answers in as many segments as there are parts."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: Sequence[bytes] = ()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/", self._answer)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for part in self.parts:
            await answer.write(part)
            await asyncio.sleep(0.02)  # so that the other side has read it before the next one comes
        return answer


class Stopped(InParts):
    """Drops the connection in the middle of its answer."""

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b'{"type": ')
        assert request.transport is not None
        request.transport.abort()
        return answer


@pytest.fixture
async def provider() -> AsyncIterator[InParts]:
    async with InParts().running() as provider:
        yield provider


async def test_an_answer_in_several_segments_is_read_whole(provider: InParts) -> None:
    provider.parts = (b'{"type": "suc', b'cess", "message"', b': "1"}')
    http = Http(3)
    async with http.opened():
        assert (await http.post("x", provider.url, headers={})).body == {"type": "success", "message": "1"}


async def test_an_answer_without_end_is_read_up_to_a_bound(provider: InParts) -> None:
    provider.parts = (b'{"a": "' + b"x" * MAX_ANSWER, b'"}')
    http = Http(3)
    async with http.opened():
        assert (await http.post("x", provider.url, headers={})).body == {}


async def test_an_answer_that_stops_half_way_is_none() -> None:
    http = Http(3)
    async with Stopped().running() as stopped, http.opened():
        with pytest.raises(Temporary) as refused:
            await http.post("x", stopped.url, headers={})
    assert refused.value.reason == "unreachable"
