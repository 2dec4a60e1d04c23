"""The page's paths on the operators' listener: the page, a sign-in for browsers, the stream that keeps it live."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import orjson
from aiohttp import web

from core.convert import wire
from core.http.sealed import sealed
from core.operations.page.fleet import Fleet
from core.operations.page.pulse import EVERY, Heart, Pulse
from core.operations.page.snapshot import snapshot
from core.store.redis import RedisDown, RedisRefused
from core.tasks import SILENCE, Tasks

if TYPE_CHECKING:
    from core.app import App

HERE = Path(__file__).parent
CHANNEL = b"pulses"
"""On which replicas hear each other."""
VIEWERS = 20
"""Streams at once."""
PAUSE = 0.5
"""Seconds that a wrong token waits for its answer."""
log = logging.getLogger("core.operations")


class StatusPage:
    """One replica's; it shows all of them."""

    def __init__(self, app: "App") -> None:
        self._app, self._heart, self._fleet = app, Heart(app), Fleet()
        self._me, self._viewers = str(app.presence.me), 0
        self._page, self._policy = sealed(HERE, "page.html", "page.css", ("page.js",))
        self._form, self._form_policy = sealed(HERE, "sign-in.html", "page.css", forms=True)
        add = app.operations.add
        add("GET", "/", self._show, free=True)
        add("POST", "/sign-in", self._sign_in, free=True)
        add("GET", "/status.json", self._now)
        add("GET", "/stream", self._stream)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Tell the others of this replica, and hear of them, while the block runs."""
        self._app.redis.subscribe(CHANNEL, self._hear)
        tasks = Tasks()
        if self._app.operations.address:
            tasks.forever("pulse", self._beat, silence=SILENCE)
        try:
            yield
        finally:
            await tasks.stop(1.0)

    async def _beat(self) -> None:
        while True:
            pulse = self._heart.beat()
            self._fleet.hear(pulse)  # also while Redis is away
            with suppress(RedisDown, RedisRefused):
                await self._app.redis.publish(CHANNEL, orjson.dumps(attrs.asdict(pulse)))
            await asyncio.sleep(EVERY)

    def _hear(self, message: bytes) -> None:
        with suppress(Exception):  # an empty one, or of a version that says it differently
            pulse = wire.structure(orjson.loads(message), Pulse)
            if pulse.who().id != self._app.presence.me:
                self._fleet.hear(pulse)

    async def _show(self, request: web.Request) -> web.Response:
        allowed = self._app.operations.access.allows(request)
        return self._html(self._page, self._policy) if allowed else self._ask("")

    async def _sign_in(self, request: web.Request) -> web.Response:
        """A person shows the token once; the browser then keeps a cookie that it was made for."""
        token = (await request.post()).get("token", "")
        if not isinstance(token, str) or not self._app.operations.access.knows(token.strip()):
            await asyncio.sleep(PAUSE)
            log.warning("somebody showed a wrong token for operators")
            return self._ask("That is not the token.")
        response = web.Response(status=303, headers={"Location": "/"})
        self._app.operations.access.remember(response)
        return response

    def _ask(self, wrong: str) -> web.Response:
        body = self._form.replace(
            b"<!-- wrong -->", f'<p class="bad" role="alert">{wrong}</p>'.encode() if wrong else b""
        )
        return self._html(body, self._form_policy, status=401)

    @staticmethod
    def _html(body: bytes, policy: str, status: int = 200) -> web.Response:
        headers = {"Content-Security-Policy": policy, "X-Frame-Options": "DENY"}
        return web.Response(body=body, status=status, content_type="text/html", charset="utf-8", headers=headers)

    async def _now(self, _: web.Request) -> web.Response:
        """What the page shows, once, for programs."""
        return web.Response(body=await self._snapshot(), content_type="application/json")

    async def _snapshot(self) -> bytes:
        return orjson.dumps(await snapshot(self._app, self._fleet))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events, every two seconds, until the browser or the replica goes."""
        if self._viewers >= VIEWERS:
            return web.Response(status=503, text="Too many people are looking.\n", headers={"Retry-After": "10"})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        self._viewers += 1
        try:
            await response.prepare(request)
            await response.write(b"retry: 2000\n\n")
            while True:
                await response.write(b"data: " + await self._snapshot() + b"\n\n")
                await asyncio.sleep(EVERY)
        except ConnectionError:
            return response
        finally:
            self._viewers -= 1
