"""A connection to PostgreSQL: made in time, to the host that takes writes, and noticed soon when its peer is gone."""

import asyncio
import socket
from collections.abc import Coroutine, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from core.context import remaining

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

    Base = asyncpg.Connection[Any]
else:
    Base = asyncpg.Connection  # generic in its stubs only

MAX_HELD = 200
"""Prepared statements a connection keeps; the code has fewer constants than this."""
STAGGER = 0.15
"""Seconds that one host gets before the next is tried beside it."""
TCP = {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 8_000}
"""A peer that vanished is seen within ten seconds (RELIABILITY 3): 3 + 2 * 2 of silence, or 8 000 ms without an ACK."""


class Connection(Base):
    """A connection with the statements that were prepared on it, by their SQL."""

    __slots__ = ("_names", "era", "held", "late")

    def __init__(self, protocol: Any, transport: asyncio.Transport, *args: Any, **kwargs: Any) -> None:
        super().__init__(protocol, transport, *args, **kwargs)
        self.held: dict[str, PreparedStatement[Any]] = {}
        self.era, self.late = 0, False
        """Of the pool's, in which it was made; and whether a statement of it ended late, for no haste of its caller."""
        self._names = count()
        _watch_peer(transport.get_extra_info("socket"))

    async def statement(self, sql: str, within: float = 1.0) -> "PreparedStatement[Any]":
        """The prepared form of a SQL constant, made at its first use here, in at most `within` seconds."""
        found = self.held.get(sql)
        if found is None:
            # With asyncpg's own cache off a statement without a name is the unnamed one: parsed again at every use.
            found = await self._prepared(sql, remaining(within))
            if len(self.held) >= MAX_HELD:
                self.held.clear()
            self.held[sql] = found
        return found

    async def _prepared(self, sql: str, limit: float) -> "PreparedStatement[Any]":
        try:
            return await self.prepare(sql, name=f"held_{next(self._names)}", timeout=limit)
        except AttributeError as error:  # asyncpg's, on its way to ask for the types: it has no protocol any more
            if self.is_closed():
                raise asyncpg.InterfaceError("the connection broke while a statement was prepared") from error
            raise


def _watch_peer(sock: socket.socket) -> None:
    if sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in TCP.items():
        if hasattr(socket, name):  # macOS lacks some
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Dialler:
    """Makes connections. Of several hosts in the URL it finds the one that takes writes: the primary after a failover.

    asyncpg would ask them one after the other, and a host that does not answer would use up the time of all.
    """

    def __init__(self, dsn: str, server: Mapping[str, str]) -> None:
        """`server` are settings that each session starts with."""
        self.dsn, self.server, self.hosts = dsn, dict(server), hosts_of(dsn)

    async def dial(self, seconds: float) -> Connection:
        """A connection, or the reason of the host that failed last. The one that served last time is asked first."""
        if len(self.hosts) == 1:
            return await self._one(self.hosts[0], seconds)
        async with asyncio.timeout(seconds):
            host, made = await race([self._named(host, seconds) for host in self.hosts])
        self.hosts = [host, *(other for other in self.hosts if other != host)]
        return made

    async def _named(self, host: str, seconds: float) -> tuple[str, Connection]:
        return host, await self._one(host, seconds)

    async def _one(self, dsn: str, seconds: float) -> Connection:
        made: Connection = await asyncpg.connect(
            dsn,
            connection_class=Connection,
            timeout=seconds,
            server_settings=self.server,
            statement_cache_size=0,
            target_session_attrs=SessionAttribute.read_write if len(self.hosts) > 1 else None,
        )
        return made


def hosts_of(dsn: str) -> list[str]:
    """The URL of each host that it names: `postgresql://u:p@one:5432,two:5433/shop` has two."""
    parts = urlsplit(dsn)
    who, at, hosts = parts.netloc.rpartition("@")
    return [urlunsplit(parts._replace(netloc=f"{who}{at}{host}")) for host in hosts.split(",")]


async def race(runners: "list[Coroutine[Any, Any, tuple[str, Connection]]]") -> tuple[str, Connection]:
    """The first that succeeds; each starts a moment after the one before it, or at once when that one failed."""
    waiting = runners[::-1]
    running: set[asyncio.Task[tuple[str, Connection]]] = set()
    failure: BaseException = OSError("no host was named")
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(waiting.pop()))
            done, _ = await asyncio.wait(
                running, timeout=STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                running.discard(task)
                if (error := task.exception()) is None:
                    return task.result()
                failure = error
        raise failure
    finally:
        await _leave(running, waiting)


async def _leave(running: "set[asyncio.Task[tuple[str, Connection]]]", waiting: list[Any]) -> None:
    """End who lost the race, also one that got there in the same moment."""
    for never in waiting:
        never.close()
    for task in running:
        task.cancel()
    for late in await asyncio.gather(*running, return_exceptions=True):
        if not isinstance(late, BaseException):
            late[1].terminate()
