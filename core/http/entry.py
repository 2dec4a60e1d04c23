"""Where aiohttp ends and the compiled routes begin.

aiohttp parses, keeps connections and time-outs; the table is asked before any router of its own, and answers leave as
ready bytes in one write (ADR 5). `Ready` fills private fields of aiohttp's StreamResponse: aiohttp is pinned, and
`connection.check_aiohttp` fails at start and in a test when a release moves them.
"""

import asyncio
import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from aiohttp import StreamReader, http_exceptions, web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDict, MultiMapping, istr

from core.errors import (
    EXPECTATION_FAILED,
    HEADERS_TOO_LARGE,
    INTERNAL,
    INVALID_FORMAT,
    PAYLOAD_TOO_LARGE,
    TIMEOUT,
    UNAVAILABLE,
    URI_TOO_LONG,
    Problem,
)
from core.http.compile import Incoming, Pieces
from core.http.cors import Cors
from core.http.envelope import CLOSE, request_id_of
from core.http.table import MethodNotAllowed, Table, Values
from core.observe import tracing, tracing_kinds
from core.observe.meter import Tally
from core.observe.progress import Progress
from core.settings import Network

MAX_TARGET, BODY_SECONDS = 4_096, 10.0
"""RELIABILITY 4.12."""
START_SECONDS = 0.9
"""A request waits this long for a replica that is starting: on a shared port it gets connections before it is ready."""
HEALTH = "/health"
ORIGIN, EXPECT, REQUEST_ID, FORWARDED = istr("Origin"), istr("Expect"), istr("X-Request-ID"), istr("X-Forwarded-For")
TRACEPARENT = istr(tracing.TRACEPARENT)
NO_HEADERS: CIMultiDict[str] = CIMultiDict()


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

    @property
    def tally(self) -> Tally | None:
        """Its counts, with its name and plugin; None for what is neither counted nor traced."""
        ...

    async def serve(self, incoming: Incoming, values: Values, /) -> bytes:
        """The whole HTTP answer."""
        ...


class Whole:
    """A request that has arrived to its last byte, as an `Incoming`."""

    __slots__ = ("_content", "client", "headers", "method", "target")

    def __init__(self, message: RawRequestMessage, content: StreamReader, client: str) -> None:
        self._content, self.client = content, client
        self.method, self.target = message.method, message.path
        self.headers: Mapping[str, str] = message.headers

    async def read(self, limit: int) -> bytes:
        """The body, within its size."""
        raw = self._content.read_nowait()
        if len(raw) > limit:
            raise Problem(PAYLOAD_TOO_LARGE)
        return raw


class Request:
    """aiohttp's request, whose body may still be on its way, as an `Incoming`."""

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
        except TimeoutError:
            raise Problem(TIMEOUT) from None
        except (web.PayloadAccessError, http_exceptions.BadHttpMessage, ConnectionError):  # the last: the client left
            raise Problem(INVALID_FORMAT, "The body could not be read.") from None
        return b"".join(parts)


class Entry:
    """The handler of every request: find the endpoint, let it serve, answer what no endpoint takes."""

    def __init__(
        self,
        table: Table[Served],
        pieces: Pieces,
        cors: Cors,
        trusted: Sequence[Network],
        absent: Callable[[str], Problem | None] = lambda _: None,
    ) -> None:
        """`absent` knows a better answer than 404 for paths of plugins that were left out."""
        self._table, self._cors, self._absent = table, cors, absent
        self._clockwork, self._memory, self._addresses = pieces.clockwork, pieces.memory, pieces.addresses
        self._log, self._nowhere = pieces.log, pieces.meter.nowhere
        self._trusted = trusted
        self.started = asyncio.Event()
        """Until then only health answers: a memory that was not filled yet says that nothing is sold or revoked."""
        self.draining = False

    def from_memory(self, target: str, headers: Mapping[str, str], peer: str) -> bytes | None:
        """The whole answer to a GET that lies in memory; None where more than that is asked for."""
        began = time.perf_counter()
        kept = self._memory.find(target)
        if kept is None or self.draining or ORIGIN in headers or EXPECT in headers:
            return None
        try:
            self._addresses.take(self._client(peer, headers))
        except Problem:
            return None  # the endpoint refuses it in full
        request_id = request_id_of(headers.get(REQUEST_ID))
        status, raw = kept.send(self._clockwork, headers, request_id.encode())
        trace = ""
        if tracing.armed is not None and (
            span := tracing.armed.root(self._traceparent(peer, headers), kept.tally.route)
        ):
            trace = tracing_kinds.from_memory(span, kept.tally.plugin, status, began, request_id)
        self._log.request(kept.tally, status, began, request_id, None, trace)
        return raw

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request on aiohttp's own way."""
        incoming = Request(request, self._client(request.remote or "", request.headers))
        if EXPECT in request.headers and not _continue(request):
            raw = self.refuse(incoming, Problem(EXPECTATION_FAILED))
        else:
            raw = await self._answer(incoming, request.remote or "")
        closing = not request.content.is_eof()  # an unread body must not be taken for the next request
        return Ready(self._finished(raw, request.headers, closing=closing))

    async def respond(self, message: RawRequestMessage, content: StreamReader, peer: str) -> bytes:
        """The whole answer to a request that has arrived whole; the connection ends with it if it says so."""
        headers = message.headers
        raw = await self._answer(Whole(message, content, self._client(peer, headers)), peer)
        return self._finished(raw, headers, closing=False)

    def _finished(self, raw: bytes, headers: Mapping[str, str], *, closing: bool) -> bytes:
        if ORIGIN in headers:
            raw = self._cors.decorate(raw, headers[ORIGIN])
        return raw.replace(b"\r\n", b"\r\n" + CLOSE, 1) if closing or self.draining else raw

    async def _answer(self, incoming: Incoming, peer: str) -> bytes:
        path = incoming.target.partition("?")[0]
        if len(incoming.target) > MAX_TARGET:
            return self.refuse(incoming, Problem(URI_TOO_LONG))
        try:
            endpoint, values = self._table.find(incoming.method, path)
        except MethodNotAllowed as problem:
            if incoming.method == "OPTIONS":
                return self._preflight(incoming, problem.allow)
            return self.refuse(incoming, problem, b"Allow: %b\r\n" % problem.allow.encode())
        except Problem as problem:
            return self.refuse(incoming, self._absent(path) or problem)
        if not self.started.is_set() and not path.startswith(HEALTH) and not await self._start():
            return self.refuse(incoming, Problem(UNAVAILABLE))
        if tracing.armed is not None and (tally := endpoint.tally) is not None:
            span = tracing.armed.root(self._traceparent(peer, incoming.headers), tally.route)
            if span is not None:
                return await tracing_kinds.served(span, tally.plugin, endpoint.serve(incoming, values))
        return await endpoint.serve(incoming, values)

    async def _start(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self.started.wait()
        return self.started.is_set()

    def _preflight(self, incoming: Incoming, allow: str) -> bytes:
        raw = self._cors.preflight(self._clockwork, allow)
        self._note(int(raw[9:12]), request_id_of(incoming.headers.get(REQUEST_ID)))
        return raw

    def refuse(self, incoming: Incoming, problem: Problem, extra: bytes = b"") -> bytes:
        """A refusal that no endpoint gives."""
        rid = self._note(problem.code.status, request_id_of(incoming.headers.get(REQUEST_ID)), problem)
        return self._clockwork.refuse(rid, problem, incoming.headers, extra=extra)

    def refuse_unread(self, problem: Problem) -> bytes:
        """A refusal of what could not even be read; the connection ends with it."""
        raw = self._clockwork.refuse(self._note(problem.code.status, request_id_of(None), problem), problem)
        return raw.replace(b"\r\n", b"\r\n" + CLOSE, 1)

    def _note(self, status: int, request_id: str, problem: Problem | None = None) -> bytes:
        """Log and count what no route took. It took no time."""
        progress = Progress()
        if problem is not None:
            progress.refused(problem)
        self._log.request(self._nowhere, status, time.perf_counter(), request_id, progress)
        return request_id.encode()

    def _client(self, peer: str, headers: Mapping[str, str]) -> str:
        """The peer, or, behind trusted proxies, the last address in X-Forwarded-For that is not one of them."""
        if not self._trusted or not self._trusts(peer):
            return peer
        for hop in reversed(",".join(_all(headers, FORWARDED)).split(",")):
            if hop.strip() and not self._trusts(hop.strip()):
                return hop.strip()[:64]
        return peer

    def _traceparent(self, peer: str, headers: Mapping[str, str]) -> str | None:
        """A trusted proxy's: anybody else could have every request of theirs traced."""
        given = headers.get(TRACEPARENT) if self._trusted else None
        return given if given is not None and self._trusts(peer) else None

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address):  # an IPv4 peer of a listener on `::`
            parsed = parsed.ipv4_mapped or parsed
        return any(parsed in network for network in self._trusted)

    def parser_problem(self, status: int, error: BaseException | None) -> Problem:
        """What aiohttp's parser refused, in our words."""
        if isinstance(error, http_exceptions.LineTooLong):
            return Problem(URI_TOO_LONG if "url" in str(error).lower() else HEADERS_TOO_LARGE)
        if status >= INTERNAL.status:
            return Problem(TIMEOUT if isinstance(error, TimeoutError) else INTERNAL)
        return Problem(INVALID_FORMAT, "The request is not valid HTTP.")


def _all(headers: Mapping[str, str], name: str) -> Iterable[str]:
    """Every line of a header: a proxy may add its own below the one that the client made up."""
    return headers.getall(name, ()) if isinstance(headers, MultiMapping) else ()


def _continue(request: web.BaseRequest) -> bool:
    """Answer `Expect: 100-continue`; anything else cannot be met."""
    if request.headers["Expect"].lower() != "100-continue" or request.transport is None:
        return False
    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return True
