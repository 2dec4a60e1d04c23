"""One connection to Redis that pipelines by itself, on redis-py's own asyncio connection and its public methods only.

redis-py connects, speaks TLS, AUTH and SELECT; then all commands of one turn of the loop leave in one write, and the
replies go to their callers in order. Under load a command costs a tenth of what redis-py's own client takes for it
(PERFORMANCE F).
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, cast

import hiredis
from redis.asyncio import ConnectionPool
from redis.exceptions import ClusterDownError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

HOPS = 8
"""Turns of the loop a late reply gets to reach its caller: a slow loop is not a slow Redis."""


class RedisDown(Exception):
    """Redis is away, hung or unable to serve. Go on without it: nothing true lives there alone."""


class RedisRefused(Exception):
    """Redis refused the command; `kind` is the name that redis-py has for the refusal."""

    def __init__(self, refusal: ResponseError) -> None:
        super().__init__(str(refusal))
        self.kind = type(refusal).__name__


UNABLE = ("MISCONF", "NOREPLICAS", "BUSY ", "UNKILLABLE")
"""Refusals without a class of their own in redis-py that mean the server, not the command, is at fault."""


class Wire(Protocol):
    """What is used of redis-py's connection."""

    async def connect(self) -> None:
        """Open the socket, authenticate, select."""

    async def disconnect(self, nowait: bool = ...) -> None:  # noqa: FBT001  redis-py's signatures, here and below
        """Close the socket."""

    async def send_packed_command(self, command: bytes, check_health: bool = ...) -> None:  # noqa: FBT001  redis-py's
        """Write."""

    async def read_response(
        self,
        disable_decoding: bool = ...,  # noqa: FBT001  redis-py's
        timeout: float | None = ...,  # noqa: ASYNC109  redis-py's
        *,
        disconnect_on_error: bool = ...,
    ) -> Any:
        """The next reply; an error reply is raised; None after `timeout` seconds."""


def pack(*args: bytes) -> bytes:
    """One command as it travels."""
    return cast("bytes", hiredis.pack_command(args))  # type: ignore[arg-type]  # its stub knows commands of one word


def dialler(url: str) -> Callable[[], Wire]:
    """Makes connections, not yet open, to `redis://`, `rediss://` or `unix://`."""
    pool: Any = ConnectionPool.from_url(url, protocol=2, socket_timeout=None, retry=None, driver_info=None)
    return lambda: cast("Wire", pool.make_connection())


async def dial(make: Callable[[], Wire], limit: float) -> Wire:
    """A connection that answered a PING within `limit` seconds, or RedisDown: a hung server still takes sockets."""
    wire = make()
    await ask(wire, limit, first=True)
    return wire


async def ask(wire: Wire, limit: float, *, first: bool = False) -> None:
    """A PING and its answer, and a connection before it for the first; else RedisDown, and the wire is closed."""
    try:
        async with asyncio.timeout(limit):
            if first:
                await wire.connect()
            await wire.send_packed_command(pack(b"PING"), check_health=False)
            await wire.read_response(disable_decoding=True, timeout=math.inf)
    except (RedisError, OSError, TimeoutError) as error:
        await wire.disconnect(nowait=True)
        raise RedisDown(type(error).__name__) from error
    except BaseException:
        await wire.disconnect(nowait=True)
        raise


class Pipe:
    """A live connection. The first time-out or break ends it, and with it every caller that waits."""

    def __init__(self, wire: Wire, *, limit: float, most: int, on_hung: Callable[[], None] = lambda: None) -> None:
        """`limit` seconds for a reply, else `on_hung` is called; at most `most` callers may wait."""
        self._wire, self._limit, self._most, self._on_hung = wire, limit, most, on_hung
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._out: list[bytes] = []
        self._more = asyncio.Event()
        self._sweep: asyncio.TimerHandle | asyncio.Handle | None = None
        self.broken: asyncio.Future[str] = self._loop.create_future()
        """Set, to the reason, when the connection is of no more use."""

    def call(self, args: tuple[bytes, ...]) -> "asyncio.Future[Any]":
        """Send one command with the others of this turn of the loop. Raises RedisDown if too many wait."""
        if self.broken.done() or len(self._waiting) >= self._most:
            raise RedisDown("too many commands wait" if not self.broken.done() else self.broken.result())
        reply: asyncio.Future[Any] = self._loop.create_future()
        due = self._loop.time() + self._limit
        self._waiting.append((due, reply))
        self._out.append(pack(*args))
        self._more.set()
        if self._sweep is None:
            self._sweep = self._loop.call_at(due, self._check)
        return reply

    def _check(self, hops: int = HOPS) -> None:
        """The one timer: it watches the oldest caller. All wait equally long, so nobody behind it is due before."""
        self._sweep = None
        if not self._waiting:
            return
        due = self._waiting[0][0]
        if due > self._loop.time():
            self._sweep = self._loop.call_at(due, self._check)
        elif hops:
            self._sweep = self._loop.call_soon(self._check, hops - 1)
        else:
            self._on_hung()
            self._break("no answer in time")

    def _break(self, reason: str) -> None:
        if not self.broken.done():
            self.broken.set_result(reason)
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        waiting, self._waiting = self._waiting, deque()
        for _, reply in waiting:
            if not reply.done():
                reply.set_exception(RedisDown(reason))

    async def run(self) -> str:
        """Carry commands and replies until the connection breaks; the reason."""
        both: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._write()), asyncio.ensure_future(self._read())]
        try:
            await asyncio.wait([*both, self.broken], return_when=asyncio.FIRST_COMPLETED)
            self._break("the connection broke")
            return self.broken.result()
        finally:
            self._break("the client was closed")
            for task in both:
                task.cancel()
            try:
                await asyncio.gather(*both, return_exceptions=True)
            finally:  # also when the client is closed in the moment in which the connection broke
                await self._wire.disconnect(nowait=True)

    async def _write(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            data = b"".join(self._out)
            self._out.clear()
            await self._wire.send_packed_command(data, check_health=False)

    async def _read(self) -> None:
        read = self._wire.read_response
        while True:
            reply: Any
            try:
                reply = await read(disable_decoding=True, timeout=math.inf, disconnect_on_error=False)
            except ReadOnlyError:
                return self._break("it became a replica")  # the address may lead to the new primary
            except ResponseError as refusal:
                reply = _translated(refusal)
            if not self._waiting:
                return self._break("a reply that nobody asked for")
            waiter = self._waiting.popleft()[1]
            if waiter.done():
                continue
            if isinstance(reply, Exception):
                waiter.set_exception(reply)
            else:
                waiter.set_result(reply)


def _translated(refusal: ResponseError) -> Exception:
    """RedisDown for a server that cannot serve; else what it said of the command."""
    if isinstance(refusal, OutOfMemoryError | ClusterDownError) or str(refusal).startswith(UNABLE):
        return RedisDown(type(refusal).__name__)
    return RedisRefused(refusal)
