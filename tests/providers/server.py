"""What the stand-ins for providers share: a real HTTP server on a free port, and a switch for its troubles."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from aiohttp import web

HANG = "hang"
DROP = "drop"
GARBAGE = "garbage"
LOST = "lost"


class Provider:
    """A server with a `fault`: None, HANG, DROP (the connection), GARBAGE (not JSON), or a status to answer with.

    LOST does what was asked and drops the connection before it says so.
    """

    def __init__(self) -> None:
        self.fault: str | int | None = None
        self.delay = 0.0
        """Seconds before each answer."""
        self.retry_after: str | None = None
        self.calls = 0
        self.url = ""
        self._released = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """The provider's own."""
        raise NotImplementedError

    def trouble(self, status: int) -> object:
        """The body of an answer that `fault` asks for."""
        return {"error": {"code": status}}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serving until the end of the block."""
        app = web.Application(middlewares=[self._trouble])
        app.add_routes(self.routes())
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self._released.set()
            await runner.cleanup()

    @web.middleware
    async def _trouble(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls += 1
        if self.fault == HANG:
            await self._released.wait()
        if self.fault == DROP and request.transport is not None:
            request.transport.abort()
        if self.fault == GARBAGE:
            return web.Response(status=200, text="<html>Bad gateway</html>")
        if isinstance(self.fault, int):
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.json_response(self.trouble(self.fault), status=self.fault, headers=headers)
        await asyncio.sleep(self.delay)
        answer: web.StreamResponse = await handler(request)
        if self.fault == LOST and request.transport is not None:
            request.transport.abort()
        return answer
