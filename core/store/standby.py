"""A read-only copy of the database, asked for people's own data while the primary does not answer (RELIABILITY 2).

It may lack the newest commits, so no rule and no write is ever decided by it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from core.context import remaining
from core.errors import UNAVAILABLE
from core.observe.spent import Spending
from core.resilience.breaker import Breaker
from core.resilience.rank import Rank, rank
from core.store.faults import NotReached
from core.store.pool import Pool

READERS = {Rank.REPORTS, Rank.CATALOGUE, Rank.OWN}
"""Whose work only reads."""
ACQUIRE, READ = 0.2, 0.5
"""Seconds: who asks here has waited for the primary already."""
SLOW, LONGEST = 0.4, 2.0
SIZE, CONNECT = 8, 0.3
log = logging.getLogger("core.db")


@contextmanager
def by_the_primary() -> Iterator[None]:
    """What is read in the block decides something, so it is not read here, even for work that only reads."""
    token = rank.set(max(rank.get(), Rank.CART))
    try:
        yield
    finally:
        rank.reset(token)


class Standby:
    """One replica's way to it."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.breaker = pool, Breaker("postgres standby", slow=SLOW, longest=LONGEST)
        self._silent = False
        self._waiting: set[asyncio.Task[Any]] = set()
        self._called: set[asyncio.Task[Any]] = set()

    @staticmethod
    def serves() -> bool:
        """Whether the work being done may be answered from here."""
        return rank.get() in READERS

    def hear(self, *, primary: bool) -> None:
        """Whether the primary answers anybody. Reads that wait for one that does not are called away from it."""
        self._silent = not primary
        if self._silent:
            self._called |= self._waiting
            for task in self._waiting:
                task.cancel()
            self._waiting.clear()

    async def unless_silent(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What the primary answers. Raises NotReached as soon as it is found silent."""
        task = asyncio.current_task()
        if self._silent or task is None:
            work.close()
            raise NotReached(UNAVAILABLE)
        self._waiting.add(task)
        try:
            return await work
        except asyncio.CancelledError:
            if task in self._called and not task.uncancel():
                raise NotReached(UNAVAILABLE) from None
            raise
        finally:
            self._waiting.discard(task)
            self._called.discard(task)

    async def read(
        self, ask: Callable[..., Awaitable[Any]], sql: str, args: tuple[object, ...], spending: Spending
    ) -> Any:
        """What it answers. Raises whatever went wrong, Open included."""
        began = self.breaker.enter()
        connection = None
        try:
            connection = self.pool.take() or await self.pool.acquire(ACQUIRE)
            sent = time.monotonic()
            try:
                statement = connection.held.get(sql) or await connection.statement(sql)
                got = await ask(statement, *args, timeout=remaining(READ))
            finally:
                spending.add(sent)
        except BaseException as error:
            if connection is not None:
                self.pool.release(connection, broken=True)
            if isinstance(error, asyncio.CancelledError):
                self.breaker.ignored(began)
            else:
                self.breaker.failed(began)
                log.warning("the standby did not answer: %s", type(error).__name__)
            raise
        self.breaker.succeeded(began)
        self.pool.release(connection)
        return got


def standby_at(dsn: str, server: Mapping[str, str]) -> Standby:
    """The way to a standby, opened when it is needed. `server` are settings that each session starts with."""
    return Standby(Pool(dsn, size=SIZE, warm=0, connect=CONNECT, server=server))
