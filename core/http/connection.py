"""aiohttp's connection with three additions: answers from memory, refusals in our envelope, clocks for slow clients.

An answer that lies in memory leaves as soon as aiohttp's parser has read its request: no task, no future, no wake-up of
aiohttp's own loop, which stays idle meanwhile and takes everything else (ADR 12). That leans on private names of
aiohttp; `check_aiohttp` says which, at start and in a test.
"""

import asyncio
import inspect
import logging
from typing import Any

from aiohttp import web
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from core.errors import INTERNAL
from core.http.entry import Entry, Ready

MAX_HEADER, MAX_HEADERS = 8_190, 64
HEAD_SECONDS, KEEP_ALIVE, LINGER, UNREAD_SECONDS = 5.0, 75.0, 1.0, 10.0
"""RELIABILITY 2 and 4.12. `LINGER`: an unread body is read on for this long, so that the client sees its refusal.
`UNREAD_SECONDS`: a client that takes no answer off its socket for this long is cut."""
NAMES = {
    "_waiter", "_messages", "_parser", "_manager", "_loop", "_paused", "_buffer_paused",
    "_keepalive", "_keepalive_handle", "_keepalive_timeout", "_next_keepalive_close_time",
    "_process_keepalive", "_request_count",
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

    __slots__ = ("_entry", "_head_timer", "_peer", "_unread_timer")

    def __init__(self, entry: Entry, manager: Any, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._entry = entry
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._peer = ""

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
        """Parse; answer what lies in memory; wake aiohttp's loop for the rest."""
        waiter, heads = self._waiter, self._request_count
        if waiter is None or waiter.done():  # the loop is at work and takes what comes next, in order
            super().data_received(data)
        else:
            self._waiter = None  # parse without waking it
            super().data_received(data)
            self._waiter = waiter
            self._from_memory()
            if self._messages and not waiter.done():
                waiter.set_result(None)
            if self._head_timer is None and self._request_count == heads:
                self._time_head()  # an idle connection began another head
        if self._head_timer is not None and self._request_count > heads:
            self._head_timer.cancel()
            self._head_timer = None

    def _from_memory(self) -> None:
        messages, parser, manager, transport = self._messages, self._parser, self._manager, self.transport
        if parser is None or manager is None or transport is None or self._buffer_paused:
            return  # the connection is gone, or so many requests wait that aiohttp's loop had better pace them
        while messages and (raw := self._remembered(*messages[0])) is not None:
            messages.popleft()
            parser.message_consumed()
            manager.requests_count += 1
            transport.write(raw)

    def _remembered(self, message: Any, payload: Any) -> bytes | None:
        """The answer to a plain request, if it lies in memory and the client is reading."""
        if (
            type(message) is not RawRequestMessage  # a refusal of the parser
            or message.method != "GET"
            or message.should_close
            or message.upgrade
            or message.version != HttpVersion11
            or not payload.is_eof()
            or self._paused
        ):
            return None
        raw = self._entry.from_memory(message.path, message.headers, self._peer)
        if raw is not None:
            self._stay_open()
        return raw

    def _stay_open(self) -> None:
        """What aiohttp's loop does after an answer, so that an idle connection is closed in time."""
        self._keepalive = True
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing to wait for any more."""
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
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Called by aiohttp for what its parser refuses and for a handler that failed."""
        problem = self._entry.parser_problem(status, exc)
        if problem.code is INTERNAL:
            log.error("a request failed outside its route", exc_info=exc)
        return Ready(self._entry.refuse_unread(problem))


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
