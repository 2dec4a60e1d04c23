"""A PostgreSQL server in memory: backends that work through what they are sent, locks, timeouts, and ways to fail.

It knows no SQL: each statement constant of the code under test has its meaning in `statements/`, and the contract tests
hold those meanings against a real server.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import attrs

from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.sources import WALL
from tests.simulation.storage import Outcome, Statement, Table, Txn

BEGIN, COMMIT, ROLLBACK, PREPARE = "BEGIN", "COMMIT", "ROLLBACK", "PREPARE"
LOCK_TIMEOUT = 0.8
IDLE_IN_TRANSACTION = 3.0
"""Seconds (RELIABILITY 3)."""
EPOCH = datetime.fromtimestamp(WALL, UTC)

Meaning = Callable[..., Statement | Outcome]
"""What a statement does: called with its transaction, the tables and its arguments."""


class Tables(dict[str, Table]):
    """By name; a name not seen before is an empty table."""

    def __missing__(self, name: str) -> Table:
        made = self[name] = Table(name)
        return made


@attrs.define(eq=False)
class Request:
    """One statement on its way, and how to answer it."""

    sql: str
    args: tuple[Any, ...]
    answer: Callable[[Outcome | BaseException, bool], None]
    """Told the result, and whether a transaction is open now."""


class Server:
    """The tables, the backends and the clock. `meanings` by statement."""

    def __init__(self, loop: VirtualLoop, meanings: dict[str, Meaning], tables: Tables | None = None) -> None:
        self.loop, self.meanings = loop, meanings
        self.process = Process("postgres", 1)
        self.tables = Tables() if tables is None else tables
        self.backends: list[Backend] = []
        self.up = True
        self.lock_timeout, self.idle_in_transaction = LOCK_TIMEOUT, IDLE_IN_TRANSACTION
        self.on_commit: list[Callable[[], None]] = []
        """Called after every commit: the checks that must hold at any moment."""
        self.trouble: Callable[[str], BaseException | None] = lambda _: None
        """An error to answer a statement with, now and then."""
        self.slow: Callable[[], bool] = lambda: False
        """Whether a statement lets others go before it, between its snapshot and its locks."""
        self._transactions = 0

    def clock(self) -> datetime:
        """Microseconds, as PostgreSQL has them."""
        return EPOCH + timedelta(seconds=round(self.loop.time(), 6))

    def begin(self) -> Txn:
        """A new transaction."""
        self._transactions += 1
        return Txn(self._transactions, self.clock, self.slow)

    def put(self, table: str, key: Any, values: dict[str, Any]) -> None:
        """A committed row that is there from the beginning."""
        txn = self.begin()
        for _ in txn.insert(self.tables[table], key, values):
            raise AssertionError("nobody else inserts it")
        txn.end(commit=True)

    def commit(self, txn: Txn) -> None:
        """All of it, visible at once."""
        txn.end(commit=True)
        for check in self.on_commit:
            check()

    def connect(self) -> "Backend":
        """A backend for a client."""
        backend = Backend(self)
        self.backends.append(backend)
        return backend

    def meaning(self, sql: str) -> Meaning:
        """What a statement does; one that nobody described fails the run."""
        found = self.meanings.get(sql)
        if found is None:
            self.loop.complaints.append(f"the simulation does not know: {sql.strip()}")
            raise asyncpg.SyntaxOrAccessError(sql)
        return found

    def crash(self) -> None:
        """The server dies: what is not committed is gone, what was asked is not answered."""
        self.up = False
        for backend in list(self.backends):
            backend.die(asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"))

    def restart(self) -> None:
        """It takes connections again."""
        self.up = True


class Backend:
    """One server process of a connection: takes requests in order, one at a time."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._requests: deque[Request | None] = deque()
        self._now: Request | None = None
        self._work: Statement | None = None
        self._txn: Txn | None = None
        self._single = False
        """The transaction is one statement's own."""
        self._timer: asyncio.TimerHandle | None = None
        self.on_death: Callable[[BaseException], None] = lambda _: None
        self.alive = True

    @property
    def waits(self) -> bool:
        """Whether a statement waits for a lock."""
        return self._work is not None

    # -- what the network brings

    def take(self, request: Request) -> None:
        """A request arrived."""
        if self.alive:
            self._requests.append(request)
            self._pump()

    def cancel(self) -> None:
        """A cancel request arrived: it hits the statement that waits now, if any."""
        if self._work is not None:
            self._throw(asyncpg.QueryCanceledError("canceling statement due to user request"))

    def hang_up(self) -> None:
        """The client is gone: after what it asked for, everything open is rolled back."""
        if self.alive:
            self._requests.append(None)
            self._pump()

    def die(self, error: BaseException) -> None:
        """It ends here and now; the client learns it as `error`."""
        if not self.alive:
            return
        self.alive = False
        self.server.backends.remove(self)
        self._stop_timer()
        self._work = None
        if self._txn is not None:
            self._txn.end(commit=False)
            self._txn = None
        self.on_death(error)

    # -- one statement after the other

    def _pump(self) -> None:
        while self.alive and self._now is None and self._requests:
            request = self._requests.popleft()
            if request is None:
                self.die(asyncpg.ConnectionDoesNotExistError("the client hung up"))
                return
            self._stop_timer()
            self._now = request
            self._start(request)

    def _start(self, request: Request) -> None:
        try:
            trouble = self.server.trouble(request.sql)
            if trouble is not None:
                raise trouble
            if request.sql in (BEGIN, COMMIT, ROLLBACK):
                self._finish(self._control(request.sql))
                return
            if self._txn is not None and self._txn.failed:
                raise asyncpg.InFailedSQLTransactionError("current transaction is aborted")
            if request.sql == PREPARE:
                self._finish(Outcome())
                return
            if self._txn is None:
                self._txn, self._single = self.server.begin(), True
            begun = self.server.meaning(request.sql)(self._txn, self.server.tables, *request.args)
        except asyncpg.PostgresError as error:
            self._fail(error)
            return
        if isinstance(begun, Outcome):
            self._finish(begun)
        else:
            self._work = begun
            self._go()

    def _control(self, sql: str) -> Outcome:
        if sql == BEGIN:
            if self._txn is None:
                self._txn, self._single = self.server.begin(), False
        elif self._txn is not None:
            txn, self._txn = self._txn, None
            if sql == COMMIT and not txn.failed:
                self.server.commit(txn)
            else:
                txn.end(commit=False)
        return Outcome()

    def _go(self) -> None:
        if self._work is None or self._now is None:
            return
        try:
            record = next(self._work)
        except StopIteration as stop:
            self._finish(stop.value)
        except asyncpg.PostgresError as error:
            self._fail(error)
        else:
            if record is None:
                self._later(self._go)
                return
            record.waiting.append(lambda: self._later(self._go))
            if self._timer is None:
                self._timer = self._after(self.server.lock_timeout, self._lock_timeout)

    def _lock_timeout(self) -> None:
        self._throw(asyncpg.LockNotAvailableError("canceling statement due to lock timeout"))

    def _throw(self, error: asyncpg.PostgresError) -> None:
        if self._work is not None:
            self._work.close()
            self._fail(error)

    def _finish(self, outcome: Outcome) -> None:
        if self._single and self._txn is not None:
            txn, self._txn, self._single = self._txn, None, False
            self.server.commit(txn)
        self._reply(outcome)

    def _fail(self, error: asyncpg.PostgresError) -> None:
        if self._txn is not None and self._single:
            self._txn.end(commit=False)
            self._txn, self._single = None, False
        elif self._txn is not None and not self._txn.failed:
            self._txn.failed = True
            self._txn.end(commit=False)  # at once: the ROLLBACK to come finds no lock any more
        fatal = isinstance(error, asyncpg.OperatorInterventionError) and not isinstance(
            error, asyncpg.QueryCanceledError
        )
        self._reply(error)
        if fatal:
            self.die(error)

    def _reply(self, result: Outcome | BaseException) -> None:
        self._stop_timer()
        request, self._now, self._work = self._now, None, None
        if request is not None:
            request.answer(result, self._txn is not None)
        if self._txn is not None:
            self._timer = self._after(self.server.idle_in_transaction, self._idle)
        self._later(self._pump)

    def _idle(self) -> None:
        self.die(
            asyncpg.IdleInTransactionSessionTimeoutError("terminating connection due to idle-in-transaction timeout")
        )

    # -- timers of the server's own

    def _later(self, work: Callable[[], None]) -> None:
        self.server.loop.call_soon(work, context=self.server.process.context)

    def _after(self, seconds: float, work: Callable[[], None]) -> asyncio.TimerHandle:
        return self.server.loop.call_later(seconds, work, context=self.server.process.context)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
