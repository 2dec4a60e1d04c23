"""Spans leave by a thread of their own, over OTLP in HTTP. A collector that is dead or hangs costs spans, nothing else.

The loop only appends to a bounded queue. Whatever is slow here, the thread waits for it and the queue fills; then spans
are dropped and counted.
"""

import asyncio
import http.client
import logging
import os
import socket
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from core.observe import tracing
from core.observe.tracing import Span, Value
from core.settings import BadSettings, Settings, TracingSettings

if TYPE_CHECKING:
    from core.observe.tracing_encode import Encoder

log = logging.getLogger("core.traces")

MOST = 8_192
"""Spans that wait at most."""
BATCH = 512
"""Spans in a request at most: 1 to 2 ms of the interpreter's lock. To give it back more often costs more (ADR 34)."""
EVERY = 1.0
"""Seconds between requests; after one that failed twice as long each time, up to `LONGEST_PAUSE`."""
LONGEST_PAUSE = 30.0
LOOK = 0.01
"""Seconds between looks at whether it has ended."""
MAX_ANSWER = 65_536
OK = 200


class Traces:
    """One replica's, as its settings have them."""

    def __init__(self, settings: Settings, version: str) -> None:
        """Raises BadSettings."""
        self._settings, self._environment = settings.tracing, settings.environment
        self._version = f"{version} {settings.deploy.release}".rstrip()
        if mistakes := _mistakes(self._settings):
            raise BadSettings(mistakes)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Trace while the block runs, if there is a collector. At its end what waits is sent, for a bounded time."""
        if not self._settings.endpoint:
            yield
            return
        exporter = Exporter(self._settings, self._resource())
        exporter.start()
        tracer = tracing.Tracer(self._settings.sample, exporter)
        tracing.arm(tracer)
        try:
            yield
        finally:
            if tracing.armed is tracer:
                tracing.arm(None)
            await exporter.stop(self._settings.flush)

    def _resource(self) -> Mapping[str, Value]:
        return {
            "service.name": "vurksha",
            "service.version": self._version,
            "service.instance.id": str(uuid4()),
            "deployment.environment.name": self._environment,
            "host.name": socket.gethostname(),
            "process.pid": os.getpid(),
        }


def _mistakes(settings: TracingSettings) -> list[str]:
    found = []
    parts = urlsplit(settings.endpoint)
    if settings.endpoint and (parts.scheme not in ("http", "https") or not parts.hostname):
        found.append("tracing.endpoint is no http:// or https:// address")
    if not 0 <= settings.sample <= 1:
        found.append("tracing.sample is not between 0 and 1")
    return found


class NotTaken(Exception):
    """The collector did not take spans."""


class Exporter:
    """The queue, and the thread that empties it."""

    def __init__(self, settings: TracingSettings, resource: Mapping[str, Value]) -> None:
        """`resource` says what this process is. Nothing runs until `start`."""
        self._settings, self._resource = settings, resource
        self._queue: deque[Span] = deque()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._line = Line(settings)
        self._told: Callable[[str], None] = lambda _: None
        self.sent = self.lost = 0
        """Spans that the collector took, and spans that nobody will see."""

    def take(self, span: Span) -> None:
        """Queue it, if there is room."""
        if len(self._queue) < MOST:
            self._queue.append(span)
        else:
            self.lost += 1

    def start(self) -> None:
        """Begin to send. The running loop writes what is logged."""
        loop = asyncio.get_running_loop()

        def told(why: str) -> None:
            with suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(log.warning, "spans were lost: %s", why)

        self._told = told
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Spans that are not sent yet, but for those under way."""
        return len(self._queue)

    @property
    def running(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread.is_alive()

    async def stop(self, budget: float) -> None:
        """Send what waits, within `budget` seconds; what is not sent by then is lost."""
        self._stopping.set()
        try:
            await self._end(budget)
        finally:
            if waiting := len(self._queue):
                self.lost += waiting
                self._queue.clear()
                log.warning("%d spans were not sent in time", waiting)
            self._line.cut()  # a collector that hangs: the thread ends by this

    async def _end(self, budget: float) -> None:
        until = time.monotonic() + budget
        while self.running and time.monotonic() < until:  # noqa: ASYNC110  a thread, which tells nobody
            await asyncio.sleep(LOOK)

    def _run(self) -> None:
        try:
            from core.observe.tracing_encode import Encoder  # noqa: PLC0415  0.1 s and 7 MB, for whoever traces

            encoder, pause = Encoder(self._resource), EVERY
            while not self._stopping.wait(pause):
                pause = EVERY if self._ship(encoder) else min(LONGEST_PAUSE, pause * 2)
            self._ship(encoder)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not be the shop's trouble
            self._told(type(error).__name__)
        finally:
            self._line.close()

    def _ship(self, encoder: "Encoder") -> bool:
        """Send all that waits; whether it was taken."""
        while self._queue:
            spans = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            try:
                self._line.send(encoder.request(spans))
            except (OSError, http.client.HTTPException, NotTaken) as error:
                self.lost += len(spans)
                self._told(
                    f"{len(spans)} at once: {str(error) if isinstance(error, NotTaken) else type(error).__name__}"
                )
                return False
            self.sent += len(spans)
        return True


class Line:
    """One connection to the collector, made anew when it broke. Used by one thread, cut by another."""

    def __init__(self, settings: TracingSettings) -> None:
        parts = urlsplit(settings.endpoint)
        secure = parts.scheme == "https"
        self._path = parts.path or "/v1/traces"
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = make(parts.hostname or "", parts.port, timeout=settings.timeout)
        self._headers = {"Content-Type": "application/x-protobuf", "User-Agent": "vurksha"}
        if settings.authorization is not None:
            self._headers["Authorization"] = settings.authorization.reveal()

    def send(self, body: bytes) -> None:
        """One request. Raises OSError, HTTPException or NotTaken, and is closed then."""
        kept = self._connection.sock is not None
        try:
            try:
                self._ask(body)
            except (ConnectionError, http.client.BadStatusLine):
                if not kept:
                    raise
                self._connection.close()  # the collector had closed it meanwhile
                self._ask(body)
        except BaseException:
            self._connection.close()
            raise

    def _ask(self, body: bytes) -> None:
        self._connection.request("POST", self._path, body, self._headers)
        answer = self._connection.getresponse()
        answer.read(MAX_ANSWER)
        if answer.status != OK:
            raise NotTaken(f"the collector answered {answer.status}")

    def cut(self) -> None:
        """End what another thread waits for."""
        sock = self._connection.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Leave."""
        self._connection.close()
