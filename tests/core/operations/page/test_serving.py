"""The status page's paths: for those with the token, live, about every replica, and still there when stores are not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs
import orjson
import pytest

from core.app import App
from core.operations.page import serving
from core.operations.page.pulse import EVERY
from core.operations.page.serving import CHANNEL, VIEWERS
from tests.core.harness import NewSettings, Probe, listening, running
from tests.core.http.probe import ProbePlugin

SOON = 30.0


@asynccontextmanager
async def looking(new_settings: NewSettings, **sections: Any) -> AsyncIterator[tuple[Probe, aiohttp.ClientSession]]:
    """A replica and an operator's browser."""
    plugin = ProbePlugin()
    app = App(await new_settings(**{"operations": {"port": 0}, **sections}), [plugin])
    async with running(app, plugin) as probe:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(app.operations.address, cookie_jar=jar) as browser:
            yield probe, browser


def shown(probe: Probe) -> dict[str, str]:
    return {"Authorization": f"Bearer {probe.app.settings.operations.token.reveal()}"}


async def events(probe: Probe, browser: aiohttp.ClientSession) -> AsyncIterator[dict[str, Any]]:
    """What the stream says."""
    async with browser.get("/stream", headers=shown(probe)) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        async for line in stream.content:
            if line.startswith(b"data: "):
                yield orjson.loads(line.removeprefix(b"data: "))


async def test_a_browser_signs_in_once(new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PAUSE", 0.0)
    async with looking(new_settings) as (probe, browser):
        async with browser.get("/") as form:
            text = await form.text()
            assert (form.status, 'name="token"' in text, "<script" in text) == (401, True, False)
            assert "form-action 'self'" in form.headers["Content-Security-Policy"]
        async with browser.post("/sign-in", data={"token": "wrong"}) as refused:
            assert (refused.status, "That is not the token." in await refused.text()) == (401, True)
            assert "Set-Cookie" not in refused.headers
        async with browser.get("/stream") as closed, browser.get("/status.json") as too:
            assert (closed.status, too.status) == (401, 401)
        token = probe.app.settings.operations.token.reveal()
        async with browser.post("/sign-in", data={"token": f" {token}\n"}) as page:
            assert (page.status, page.url.path, token in await page.text()) == (200, "/", False)
            policy = page.headers["Content-Security-Policy"]
            assert ("script-src 'sha256-" in policy, "unsafe" in policy) == (True, False)
        async with browser.get("/status.json") as now:
            assert now.status == 200


async def test_requests_are_on_the_stream_within_a_few_seconds(new_settings: NewSettings) -> None:
    async with looking(new_settings) as (probe, browser), asyncio.timeout(SOON):
        first, routes = True, dict[str, Any]()
        async for now in events(probe, browser):
            if first:
                first = False
                for _ in range(5):
                    await probe.get("/probe/hello")
                await probe.get("/probe/boom")
            routes = {row["route"]: row for row in now["routes"]}
            if sum(count or 0 for count in now["series"]["requests"]) * EVERY == 6:  # in slots that are over
                break
        assert [(one["id"], one["ready"]) for one in now["replicas"]] == [(now["me"], True)]
        assert routes["GET /api/v1/probe/hello"]["requests"] == 5
        assert routes["GET /api/v1/probe/boom"]["failed"] == 1
        assert now["worries"] == ["GET /api/v1/probe/boom failed 1 times"]
        assert {row["name"] for row in now["plugins"]} == {"kernel", "probe"}
        assert "probe.ears" in {name for name, *_ in now["queues"]["consumers"]}


async def test_each_replica_shows_all_of_them(new_settings: NewSettings) -> None:
    async with looking(new_settings) as (one, browser):
        plugin = ProbePlugin()
        settings = attrs.evolve(one.app.settings, http=attrs.evolve(one.app.settings.http, port=0))
        async with running(App(settings, [plugin]), plugin) as two, asyncio.timeout(SOON):
            async for now in events(one, browser):
                if len(now["replicas"]) == 2:
                    break
            assert {replica["id"] for replica in now["replicas"]} == {str(app.app.presence.me) for app in (one, two)}
            assert (now["agreement"], now["worries"]) == ("", [])
            await two.app.kernel.redis.publish(CHANNEL, b'{"peer": "of another version"}')
            await two.app.kernel.redis.publish(CHANNEL, b"\xff")
            async with browser.get("/status.json", headers=shown(one)) as again:
                assert len((await again.json())["replicas"]) == 2


async def test_a_replica_that_is_not_ready_is_looked_at_too(new_settings: NewSettings) -> None:
    plugin = ProbePlugin()
    away = {"postgres": {"url": "postgresql://nobody@127.0.0.1:1/none", "connect": 0.2}, "operations": {"port": 0}}
    app = App(await new_settings(**away), [plugin])
    async with listening(app, plugin) as probe:
        starting = asyncio.create_task(app.start())
        async with asyncio.timeout(SOON):
            while not app.operations.address:
                await asyncio.sleep(0.05)
        async with aiohttp.ClientSession(app.operations.address) as browser, asyncio.timeout(SOON):
            async for now in events(probe, browser):
                if now["replicas"]:
                    break
            assert any("is not ready" in worry for worry in now["worries"])
            assert "The database does not tell what waits in its queues" in now["worries"]
            assert now["queues"] is None
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)


async def test_only_so_many_look_at_once(new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "VIEWERS", 1)
    assert VIEWERS > 1
    async with looking(new_settings) as (probe, browser):
        async for _ in events(probe, browser):
            async with browser.get("/stream", headers=shown(probe)) as second:
                assert (second.status, second.headers["Retry-After"]) == (503, "10")
            break
        async with asyncio.timeout(SOON):
            while True:
                async with browser.get("/stream", headers=shown(probe)) as third:
                    if third.status == 200:
                        break
                await asyncio.sleep(0.1)


async def test_without_a_listener_nothing_is_told(new_settings: NewSettings) -> None:
    plugin = ProbePlugin()
    heard: list[bytes] = []
    app = App(await new_settings(operations={"host": ""}), [plugin])
    app.redis.subscribe(CHANNEL, heard.append)
    async with running(app, plugin):
        await asyncio.sleep(EVERY * 1.2)
    assert [one for one in heard if one] == []
