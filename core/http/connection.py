"""aiohttp's connection, with a short way to the answer, refusals in our envelope, and clocks for slow clients.

The short way is for requests that are plain and have arrived whole, once aiohttp's parser has read them: what lies in
memory leaves at once, without a task; the rest gets one task, which writes the answer itself. aiohttp's own loop stays
idle meanwhile, and is woken for everything else (ADR 12). That leans on private names of aiohttp; `check_aiohttp` says
which, at start and in a test.
"""

import asyncio
import inspect
import logging
from typing import Any

from aiohttp import http_exceptions, web
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from core.errors import INTERNAL, Problem
from core.http.entry import EXPECT, Entry, Ready
from core.http.envelope import CLOSE

MAX_HEADER, MAX_HEADERS = 8_190, 64
HEAD_SECONDS, KEEP_ALIVE, LINGER, UNREAD_SECONDS = 5.0, 75.0, 1.0, 10.0
"""RELIABILITY 2 and 4.12. `LINGER`: an unread body is read on for this long, so that the client sees its refusal.
`UNREAD_SECONDS`: a client that takes no answer off its socket for this long is cut."""
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
FRONT = 400
"""Bytes of an answer in which `Connection: close` stands, if it does."""
NAMES = {
    "_waiter", "_messages", "_parser", "_manager", "_loop", "_paused", "_buffer_paused", "_close", "_handler_waiter",
    "_keepalive", "_keepalive_handle", "_keepalive_timeout", "_next_keepalive_close_time", "_process_keepalive",
    "_request_count", "_request_in_progress", "_current_request", "_lingering_time",
}  # fmt: skip
LINES = (
    ("data_received", "self._messages.append((msg, payload))"),
    ("data_received", "waiter = self._waiter"),
    ("data_received", "waiter.set_result(None)"),
    ("start", "self._parser.message_consumed()"),
    ("start", "self._waiter = loop.create_future()"),
)
"""What must still stand where, for `data_received` above to be right."""
log = logging.getLogger("core.http")


class Connection(RequestHandler):
    """One client."""

    __slots__ = ("_entry", "_head_timer", "_peer", "_task", "_unread_timer")

    def __init__(self, entry: Entry, manager: Any, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._entry = entry
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._peer = ""
        self._task: asyncio.Task[None] | None = None
        """Works on a request that went the short way."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock of the first head."""
        super().connection_made(transport)
        name = transport.get_extra_info("peername")
        self._peer = name[0] if isinstance(name, tuple) else ""
        self._time_head()

    def _time_head(self) -> None:
        self._head_timer = self._loop.call_later(HEAD_SECONDS, self._no_head)

    def pause_writing(self) -> None:
        """The client reads more slowly than we write: give it a while."""
        super().pause_writing()
        self._unread_timer = self._loop.call_later(UNREAD_SECONDS, self._unread)

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()
        self._stop_timers(self._unread_timer)

    def _unread(self) -> None:
        if self.transport is not None:
            self.transport.abort()  # closing politely would wait for the client to read

    def data_received(self, data: bytes) -> None:
        """Parse; answer what is plain; wake aiohttp's loop for the rest."""
        waiter, heads = self._waiter, self._request_count
        if waiter is None or waiter.done():  # the loop is at work and takes what comes next, in order
            super().data_received(data)
            self._spoil_body()
        else:
            self._waiter = None  # parse without waking it
            super().data_received(data)
            self._waiter = waiter
            if self._task is None:
                self._take()
                if self._head_timer is None and self._request_count == heads:
                    self._time_head()  # an idle connection began another head
            else:
                self._spoil_body()
        if self._head_timer is not None and self._request_count > heads:
            self._head_timer.cancel()
            self._head_timer = None

    def _spoil_body(self) -> None:
        """End the reading of a body that turned out malformed after its head: aiohttp only queues the error."""
        messages, request = self._messages, self._current_request
        if not messages or type(messages[-1][0]) is RawRequestMessage:
            return
        content = messages[-2][1] if len(messages) > 1 else request.content if request is not None else None
        if content is not None and not content.is_eof():
            self._lingering_time = 0.0  # nothing can follow that would be worth reading on for
            content.set_exception(http_exceptions.TransferEncodingError("the body is malformed"))

    def _take(self) -> None:
        """Answer from memory as far as that goes; then begin the next request, or leave it to aiohttp's loop."""
        messages, parser, manager, waiter = self._messages, self._parser, self._manager, self._waiter
        if parser is None or manager is None or waiter is None or waiter.done():
            return  # the connection is gone or going
        while messages:
            message: Any
            message, content = messages[0]
            if not self._plain(message, content):
                waiter.set_result(None)
                return
            messages.popleft()
            parser.message_consumed()
            manager.requests_count += 1
            self._stay_open()
            if message.method == "GET":
                raw = self._entry.from_memory(message.path, message.headers, self._peer)
                if raw is not None:
                    self.transport.write(raw)  # type: ignore[union-attr]  # plain: it is there
                    continue
            self._request_in_progress = True  # a stop waits for it
            self._task = self._loop.create_task(self._serve(message, content))
            return

    def _plain(self, message: Any, content: Any) -> bool:
        """Whether a request has arrived whole, asks nothing of the connection, and the client is reading."""
        return (
            type(message) is RawRequestMessage  # no refusal of the parser
            and message.method in METHODS
            and not message.should_close
            and not message.upgrade
            and message.version == HttpVersion11
            and content.is_eof()
            and EXPECT not in message.headers
            and not self._paused
            and not self._buffer_paused  # so many requests wait that aiohttp's loop had better pace them
            and self.transport is not None
        )

    async def _serve(self, message: RawRequestMessage, content: Any) -> None:
        raw = None
        try:
            raw = await self._entry.respond(message, content, self._peer)
        except Exception as error:  # noqa: BLE001  no route failed: they answer for themselves
            raw = self._failed(Problem(INTERNAL), error)
        finally:
            self._task = None
            self._served(raw)

    def _served(self, raw: bytes | None) -> None:
        """Send the answer, if there is still somebody to take it, and go on."""
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        if self.transport is None:
            return
        if raw is not None:
            self.transport.write(raw)
        if raw is None or self._close or raw.find(CLOSE, 0, FRONT) >= 0:
            self.force_close()
            return
        self._stay_open()
        if self._messages:
            self._take()

    def _stay_open(self) -> None:
        """What aiohttp's loop does after an answer, so that an idle connection is closed in time."""
        self._keepalive = True
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109  aiohttp's signature
        """Wait for what is under way, at most so many seconds; then end it."""
        await super().shutdown(timeout)
        if self._task is not None:
            self._task.cancel()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing to wait for any more. A request goes on to its end: half a write helps nobody."""
        self._stop_timers(self._head_timer, self._unread_timer)
        super().connection_lost(exc)

    @staticmethod
    def _stop_timers(*timers: asyncio.TimerHandle | None) -> None:
        for timer in timers:
            if timer is not None:
                timer.cancel()

    def _no_head(self) -> None:
        self._head_timer = None
        self.force_close()

    def handle_error(
        self,
        request: Any,  # noqa: ARG002  aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  as above
    ) -> web.StreamResponse:
        """Called by aiohttp for what its parser refuses and for a handler that failed."""
        return Ready(self._failed(self._entry.parser_problem(status, exc), exc))

    def _failed(self, problem: Problem, error: BaseException | None) -> bytes:
        if problem.code is INTERNAL:
            log.error("a request failed outside its route", exc_info=error)
        return self._entry.refuse_unread(problem)


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
            lingering_time=LINGER,
        )


def check_aiohttp() -> None:
    """Fail clearly where an aiohttp release moved what this package leans on."""
    response = web.StreamResponse()
    missing = {name for name in ("_headers", "_status", "_keep_alive", "_eof_sent") if not hasattr(response, name)}
    slots = {slot for cls in RequestHandler.__mro__ for slot in getattr(cls, "__slots__", ())}
    missing |= NAMES - slots - set(dir(RequestHandler))
    for method, line in LINES:
        if line not in inspect.getsource(getattr(RequestHandler, method)):
            missing.add(f"{method}: {line}")
    if missing:
        raise RuntimeError(f"this aiohttp release moved {', '.join(sorted(missing))}: use the pinned one")
