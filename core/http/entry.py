"""Where aiohttp ends and the compiled routes begin.

aiohttp parses, keeps connections and time-outs; the table is asked before any router of its own, and answers leave as
ready bytes in one write (ADR 5). `Ready` fills five private fields of aiohttp's StreamResponse: aiohttp is pinned, and
`check_aiohttp` fails at start and in a test when a release moves them.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import http_exceptions, web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server
from multidict import CIMultiDict

from core.errors import (
    EXPECTATION_FAILED,
    HEADERS_TOO_LARGE,
    INTERNAL,
    INVALID_FORMAT,
    PAYLOAD_TOO_LARGE,
    TIMEOUT,
    URI_TOO_LONG,
    Problem,
)
from core.http.compile import Incoming
from core.http.cors import Cors
from core.http.envelope import CLOSE, Clockwork, request_id_of
from core.http.table import MethodNotAllowed, Table, Values

MAX_TARGET, MAX_HEADER, MAX_HEADERS = 4_096, 8_190, 64
HEAD_SECONDS, BODY_SECONDS, KEEP_ALIVE = 5.0, 10.0, 75.0
"""RELIABILITY 4.12."""
NO_HEADERS: CIMultiDict[str] = CIMultiDict()
log = logging.getLogger("core.http")


class Ready(web.StreamResponse):
    """Bytes that are the whole answer."""

    def __init__(self, raw: bytes) -> None:  # no super().__init__: it builds what ready bytes do not need
        self._raw = raw
        self._headers, self._status, self._keep_alive, self._eof_sent = NO_HEADERS, 200, None, False

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write them."""
        raw, self._keep_alive = self._raw, request.keep_alive
        if not self._keep_alive:
            raw = raw.replace(b"\r\n", b"\r\n" + CLOSE, 1)
        elif CLOSE in raw[:400]:
            self._keep_alive = False
        if request.method == "HEAD":
            raw = raw[: raw.index(b"\r\n\r\n") + 4]
        if request.transport is None:
            raise ConnectionResetError
        request.transport.write(raw)
        if request.protocol.writing_paused:
            await request.protocol._drain_helper()  # noqa: SLF001  the client reads slowly: wait as aiohttp would

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002  aiohttp's signature
        """All was written."""
        self._eof_sent = True


class Served(Protocol):
    """What the table holds: compiled routes, health, files."""

    async def serve(self, incoming: Incoming, values: Values) -> bytes:
        """The whole HTTP answer."""


class Request:
    """aiohttp's request as an `Incoming`."""

    __slots__ = ("_request", "client", "headers", "method", "target")

    def __init__(self, request: web.BaseRequest, client: str) -> None:
        self._request, self.client = request, client
        self.method, self.target = request.method, request.raw_path
        self.headers: Mapping[str, str] = request.headers

    async def read(self, limit: int) -> bytes:
        """The body, within its size and ten seconds."""
        length = self._request.content_length
        if length is not None and length > limit:
            raise Problem(PAYLOAD_TOO_LARGE)
        content = self._request.content
        if content.is_eof():
            raw = content.read_nowait()
        else:
            raw = await self._slowly(limit)
        if len(raw) > limit:
            raise Problem(PAYLOAD_TOO_LARGE)
        return raw

    async def _slowly(self, limit: int) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in self._request.content.iter_any():
                    parts.append(part)
                    size += len(part)
                    if size > limit:
                        break
        except (web.PayloadAccessError, http_exceptions.BadHttpMessage):
            raise Problem(INVALID_FORMAT, "The body could not be read.") from None
        return b"".join(parts)


class Entry:
    """The handler of every request: find the endpoint, let it serve, answer what no endpoint takes."""

    def __init__(self, table: Table[Served], clockwork: Clockwork, cors: Cors, trusted: list[str]) -> None:
        self._table, self._clockwork, self._cors = table, clockwork, cors
        self._trusted = [ipaddress.ip_network(network) for network in trusted]
        self.draining = False

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        incoming = Request(request, self.client_of(request))
        if "Expect" in request.headers and not _continue(request):
            raw = self.refuse(incoming, Problem(EXPECTATION_FAILED))
        else:
            raw = await self._answer(incoming)
        if "Origin" in request.headers:
            raw = self._cors.decorate(raw, request.headers["Origin"])
        if self.draining or not request.content.is_eof():  # an unread body must not be taken for the next request
            raw = raw.replace(b"\r\n", b"\r\n" + CLOSE, 1)
        return Ready(raw)

    async def _answer(self, incoming: Request) -> bytes:
        path = incoming.target.partition("?")[0]
        if len(incoming.target) > MAX_TARGET:
            return self.refuse(incoming, Problem(URI_TOO_LONG))
        try:
            endpoint, values = self._table.find(incoming.method, path)
        except MethodNotAllowed as problem:
            if incoming.method == "OPTIONS":
                return self._cors.preflight(self._clockwork, problem.allow)
            return self.refuse(incoming, problem, b"Allow: %b\r\n" % problem.allow.encode())
        except Problem as problem:
            return self.refuse(incoming, problem)
        return await endpoint.serve(incoming, values)

    def refuse(self, incoming: Request, problem: Problem, extra: bytes = b"") -> bytes:
        """A refusal that no endpoint gives."""
        rid = request_id_of(incoming.headers.get("X-Request-ID")).encode()
        return self._clockwork.refuse(rid, problem, accept=incoming.headers.get("Accept", ""), extra=extra)

    def client_of(self, request: web.BaseRequest) -> str:
        """The peer, or, behind trusted proxies, the last address in X-Forwarded-For that is not one of them."""
        peer = request.remote or ""
        if not self._trusted or not self._trusts(peer):
            return peer
        for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            if hop.strip() and not self._trusts(hop.strip()):
                return hop.strip()[:64]
        return peer

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)

    def parser_problem(self, status: int, error: BaseException | None) -> Problem:
        """What aiohttp's parser refused, in our words."""
        if isinstance(error, http_exceptions.LineTooLong):
            return Problem(URI_TOO_LONG if "url" in str(error).lower() else HEADERS_TOO_LARGE)
        if status >= INTERNAL.status:
            return Problem(TIMEOUT if isinstance(error, TimeoutError) else INTERNAL)
        return Problem(INVALID_FORMAT, "The request is not valid HTTP.")


def _continue(request: web.BaseRequest) -> bool:
    """Answer `Expect: 100-continue`; anything else cannot be met."""
    if request.headers["Expect"].lower() != "100-continue" or request.transport is None:
        return False
    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return True


class Connection(RequestHandler):
    """aiohttp's connection, answering its own refusals in our envelope and closing clients that never finish a head."""

    __slots__ = ("_entry", "_head_timer")

    def __init__(self, entry: Entry, manager: Any, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._entry = entry
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock of the first head."""
        super().connection_made(transport)
        self._head_timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._no_head)

    def data_received(self, data: bytes) -> None:
        """A whole head stops the clock."""
        super().data_received(data)
        if self._head_timer is not None and (self._messages or self._current_request is not None):
            self._head_timer.cancel()
            self._head_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing to wait for any more."""
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def _no_head(self) -> None:
        self._head_timer = None
        self.force_close()

    def handle_error(
        self,
        request: Any,  # noqa: ARG002  aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Called by aiohttp for what its parser refuses and for a handler that failed."""
        problem = self._entry.parser_problem(status, exc)
        if problem.code is INTERNAL:
            log.error("a request failed outside its route", exc_info=exc)
        raw = self._entry._clockwork.refuse(request_id_of(None).encode(), problem)  # noqa: SLF001  same module
        return Ready(raw.replace(b"\r\n", b"\r\n" + CLOSE, 1))


class HttpServer(Server):
    """aiohttp's server over our protocol."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry, access_log=None)
        self._entry = entry

    def __call__(self) -> Connection:
        """One connection."""
        return Connection(
            self._entry,
            self,
            loop=self._loop,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE,
            max_line_size=MAX_HEADER,
            max_headers=MAX_HEADERS,
            max_field_size=MAX_HEADER,
            auto_decompress=False,
            lingering_time=1.0,
        )


def check_aiohttp() -> None:
    """Fail clearly where an aiohttp release moved what this module leans on."""
    response = web.StreamResponse()
    missing = {name for name in ("_headers", "_status", "_keep_alive", "_eof_sent") if not hasattr(response, name)}
    slots = {slot for cls in RequestHandler.__mro__ for slot in getattr(cls, "__slots__", ())}
    missing |= {"_messages", "_current_request"} - slots
    if missing:
        raise RuntimeError(f"this aiohttp release moved {', '.join(sorted(missing))}: use the pinned one")
