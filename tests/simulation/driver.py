"""The wire to the memory server, in the place of asyncpg's own protocol object.

asyncpg's connections, transactions and prepared statements stand on it unchanged, and on these the project's own pool.
"""

import asyncio
from collections.abc import Callable
from random import Random
from socket import AF_UNIX
from types import SimpleNamespace
from typing import Any

import asyncpg

from tests.simulation.loop import OWNER, TICK, Process, VirtualLoop
from tests.simulation.postgres import PREPARE, Backend, Request, Server
from tests.simulation.storage import Outcome, Row

SETTINGS = SimpleNamespace(server_version="18.0")
CONFIG = SimpleNamespace(statement_cache_size=0, max_cached_statement_lifetime=0, max_cacheable_statement_size=0)
SOCKET = SimpleNamespace(family=AF_UNIX)


class Network:
    """How long a message between a process and the server takes, and whether it arrives."""

    def __init__(self, loop: VirtualLoop, rng: Random) -> None:
        self.loop, self._rng = loop, rng
        self.usual, self.slow, self.slow_for = 0.001, 0.0, 0.0
        """Seconds a message takes at most; how often it takes up to `slow_for` seconds instead."""
        self.lost_requests = self.lost_answers = 0.0
        """How often a connection is cut before a statement arrives, or before its answer does."""
        self._held: dict[Process, list[Callable[[], None]]] = {}
        """What the processes that are cut off sent, or should have been sent: it arrives when they are back."""
        self._connections: list[Protocol] = []

    def delay(self) -> float:
        """Seconds for one way."""
        random = self._rng.random
        return random() * (self.slow_for if self.slow and random() < self.slow else self.usual)

    def loses(self, chance: float) -> bool:
        """Whether it happens now."""
        return bool(chance) and self._rng.random() < chance

    def holds(self, owner: Process, message: Callable[[], None]) -> bool:
        """Keep a message of a process that is cut off."""
        held = self._held.get(owner)
        if held is not None:
            held.append(message)
        return held is not None

    def cut(self, owner: Process) -> None:
        """Nothing reaches this process, and nothing of it the server."""
        self._held.setdefault(owner, [])

    def heal(self, owner: Process) -> None:
        """The wire is whole again: what TCP kept is sent once more."""
        for message in self._held.pop(owner, []):
            message()

    def joined(self, connection: "Protocol") -> None:
        """A connection was opened."""
        self._connections = [each for each in self._connections if each.connected]
        self._connections.append(connection)

    def died(self, owner: Process) -> None:
        """A process died: its kernel closes its sockets, and what was sent before still arrives."""
        for connection in self._connections:
            if connection.owner is owner:
                connection.abort()

    def close(self) -> None:
        """At the end: no connection is left that a later collection could complain of."""
        for connection in self._connections:
            connection.connected = False


class Prepared:
    """What the protocol keeps of a prepared statement."""

    def __init__(self, name: str, query: str) -> None:
        self.name, self.query, self.closed, self.refs = name, query, False, 1

    def _init_types(self) -> set[int]:
        return set()

    def _init_codecs(self) -> None:
        """Answers arrive as Python's own."""

    def attach(self) -> None:
        """Held for good."""

    def detach(self) -> None:
        """As above."""

    def mark_closed(self) -> None:
        self.closed = True


class Protocol:
    """One connection of the process that opened it. Methods that asyncpg calls have its names and its manners."""

    def __init__(self, server: Server, network: Network) -> None:
        self._server, self._network, self.owner = server, network, OWNER.get()
        self._loop = server.loop
        self._backend: Backend = server.connect()
        self._backend.on_death = self._lost
        self._asked: asyncio.Future[Outcome] | None = None
        self._last = [0.0, 0.0]
        """When the last message of each way arrives."""
        self.connected = True
        self._open = False
        """Inside a transaction, as the server last said."""
        network.joined(self)

    # -- what asyncpg asks of it

    def get_settings(self) -> SimpleNamespace:
        return SETTINGS

    def get_server_pid(self) -> int:
        return 1

    def get_record_class(self) -> type[asyncpg.Record]:
        return asyncpg.Record

    def is_in_transaction(self) -> bool:
        return self._open

    def is_connected(self) -> bool:
        return self.connected

    async def query(self, query: str, timeout: float | None) -> str:
        sql = query.removesuffix(";")
        await self._ask(sql, (), timeout)
        return sql

    async def prepare(self, name: str, query: str, timeout: float | None, **_: object) -> Prepared:
        await self._ask(PREPARE, (), timeout)
        return Prepared(name, query)

    async def bind_execute(
        self,
        state: Prepared,
        args: tuple[Any, ...],
        portal: str,
        limit: int,
        extra: bool,
        timeout: float | None,
    ) -> tuple[list[Row], bytes, bool]:
        outcome = await self._ask(state.query, args, timeout)
        return outcome.rows, b"DONE %d" % (outcome.count or len(outcome.rows)), True

    def abort(self) -> None:
        """Close the socket without a word."""
        if self.connected:
            self.connected = False
            self._to_server(self._backend.hang_up)
            self._answer(self._asked, asyncpg.ConnectionDoesNotExistError("connection was aborted"))

    async def close(self, timeout: float | None) -> None:
        self.abort()

    @property
    def waits(self) -> bool:
        """Whether its statement waits for a lock."""
        return self._backend.waits

    # -- one statement at a time

    async def _ask(self, sql: str, args: tuple[Any, ...], timeout: float | None) -> Outcome:
        """Send it and wait for the answer. A wait that is given up cancels the statement, as asyncpg does."""
        if not self.connected:
            raise asyncpg.ConnectionDoesNotExistError("connection is closed")
        if self._asked is not None and not self._asked.done():
            raise asyncpg.InterfaceError("cannot perform operation: another operation is in progress")
        asked: asyncio.Future[Outcome] = self._loop.create_future()
        self._asked = asked
        self._send(Request(sql, args, lambda result, is_open: self._to_client(self._told, asked, result, is_open)))
        timer = self._loop.call_later(timeout, self._give_up, asked) if timeout is not None else None
        try:
            return await asked
        except asyncio.CancelledError:
            self._to_server(self._backend.cancel)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _told(self, asked: "asyncio.Future[Outcome]", result: Outcome | BaseException, is_open: bool) -> None:
        self._open = is_open
        self._answer(asked, result)

    def _give_up(self, asked: "asyncio.Future[Outcome]") -> None:
        if not asked.done():
            asked.set_exception(TimeoutError())
            self._to_server(self._backend.cancel)

    def _send(self, request: Request) -> None:
        if self._network.loses(self._network.lost_requests):
            self._cut()
        elif self._network.loses(self._network.lost_answers):
            request.answer = lambda *_: self._cut()
            self._to_server(self._backend.take, request)
        else:
            self._to_server(self._backend.take, request)

    def _cut(self) -> None:
        """The connection breaks; the server notices, and so does the client."""
        self._to_server(self._backend.hang_up)
        self._lost(asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"))

    def _lost(self, error: BaseException) -> None:
        self._to_client(self._break, error)

    def _break(self, error: BaseException) -> None:
        self.connected = self._open = False
        self._answer(self._asked, error)

    @staticmethod
    def _answer(asked: "asyncio.Future[Outcome] | None", result: Outcome | BaseException) -> None:
        if asked is None or asked.done():
            return
        if isinstance(result, BaseException):
            asked.set_exception(result)
        else:
            asked.set_result(result)

    def _to_server(self, work: Callable[..., None], *args: Any) -> None:
        self._travel(0, self._server.process, work, *args)

    def _to_client(self, work: Callable[..., None], *args: Any) -> None:
        self._travel(1, self.owner, work, *args)

    def _travel(self, way: int, to: Process, work: Callable[..., None], *args: Any) -> None:
        """One message, never before an earlier one of the same way."""
        if self._network.holds(self.owner, lambda: self._travel(way, to, work, *args)):
            return
        at = self._last[way] = max(self._loop.time() + self._network.delay(), self._last[way] + TICK)
        self._loop.call_at(at, work, *args, context=to.context)


async def connect(server: Server, network: Network, limit: float) -> Protocol:
    """As `asyncpg.connect`, within `limit` seconds. Raises OSError or TimeoutError."""
    loop, owner = network.loop, OWNER.get()
    arrived = loop.create_future()

    def arrive() -> None:
        if not arrived.done():
            arrived.set_result(None)

    def send() -> None:
        loop.call_later(2 * network.delay(), arrive, context=server.process.context)

    if not network.holds(owner, send):
        send()
    async with asyncio.timeout(limit):
        await arrived
    if not server.up:
        raise ConnectionRefusedError("connect call failed")
    return Protocol(server, network)


def connection(made: type[Any], protocol: Protocol) -> Any:
    """A connection of the class that the caller wanted."""
    transport = SimpleNamespace(get_extra_info=lambda _: SOCKET)
    return made(protocol, transport, protocol._loop, ("memory", 0), CONFIG, SimpleNamespace())
