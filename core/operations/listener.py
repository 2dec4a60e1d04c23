"""The second listener of a replica: metrics, status and whatever else operators see. Never on the public port.

It is the first thing to come up and the last to go, because a replica that starts, drains or is sick is looked at most.
Every path asks for the token (ADR 30).
"""

import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from core.operations.access import Access
from core.settings import OperationsSettings
from core.sockets import CannotListen, bind

MAX_BODY = 65_536
"""Bytes."""
LEAVING = 0.5
"""Seconds that an answer under way, such as an endless stream, may go on once the replica ends."""
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
log = logging.getLogger("core.operations")

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Operations:
    """The operators' paths. Add them before the replica starts."""

    def __init__(self, settings: OperationsSettings, *, lenient: bool) -> None:
        """`lenient` takes a free port, with a warning, where the given one is taken: for development."""
        self.access = Access(settings.token)
        self._settings, self._lenient = settings, lenient
        self._routes: list[web.RouteDef] = []
        self._free: set[str] = set()
        self._sock: socket.socket | None = None

    def add(self, method: str, path: str, answer: Answer, *, free: bool = False) -> None:
        """Answer a path. With `free` also for whoever shows no token, as a sign-in form must be."""
        self._routes.append(web.route(method, path, answer))
        if free:
            self._free.add(path)

    @property
    def address(self) -> str:
        """Where it listens, such as `http://127.0.0.1:9100`; empty while it does not."""
        if self._sock is None:
            return ""
        host, port = self._sock.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def bind(self) -> None:
        """Take the port; without a host there is no listener. Raises CannotListen."""
        host, port = self._settings.host, self._settings.port
        if not host or self._sock is not None:
            return
        try:
            self._sock = bind(host, port, shared=False)
        except CannotListen as error:
            if not self._lenient:
                raise
            self._sock = bind(host, 0, shared=False)
            log.warning("%s: operators find this replica at %s instead", error, self.address)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer while the block runs."""
        self.bind()
        if self._sock is None:
            yield
            return
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_BODY)
        app.add_routes(self._routes)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=LEAVING)
        await runner.setup()
        try:
            await web.SockSite(runner, self._sock).start()
            yield
        finally:
            await runner.cleanup()
            self._sock = None

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in self._free and not self.access.allows(request):
            return web.Response(status=401, text="Show the operators' token.\n", headers=_headers("Bearer"))
        try:
            response = await handler(request)
        except web.HTTPException as refused:
            refused.headers.extend(HEADERS)
            raise
        if not response.prepared:
            response.headers.update(HEADERS)
        return response


def _headers(scheme: str) -> dict[str, str]:
    return {**HEADERS, "WWW-Authenticate": scheme}
