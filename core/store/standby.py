"""A read-only copy of the database, asked for people's own data while the primary does not answer (RELIABILITY 2).

It may lack the newest commits, so no rule and no write is ever decided by it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from core.context import remaining
from core.resilience.breaker import Breaker
from core.resilience.rank import Rank, rank
from core.store.pool import Pool

READERS = {Rank.REPORTS, Rank.CATALOGUE, Rank.OWN}
"""Whose work only reads."""
ACQUIRE, READ = 0.2, 0.5
"""Seconds: who asks here has waited for the primary already."""
SLOW, LONGEST = 0.4, 2.0
SIZE, CONNECT = 8, 0.3


class Standby:
    """One replica's way to it."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.breaker = pool, Breaker("postgres standby", slow=SLOW, longest=LONGEST)

    @staticmethod
    def serves() -> bool:
        """Whether the work being done may be answered from here."""
        return rank.get() in READERS

    async def read(self, ask: Callable[..., Awaitable[Any]], sql: str, args: tuple[object, ...]) -> Any:
        """What it answers. Raises whatever went wrong, Open included."""
        began = self.breaker.enter()
        connection = None
        try:
            connection = self.pool.take() or await self.pool.acquire(ACQUIRE)
            got = await ask(connection.held.get(sql) or await connection.statement(sql), *args, timeout=remaining(READ))
        except BaseException as error:
            if connection is not None:
                self.pool.release(connection, broken=True)
            (self.breaker.ignored if isinstance(error, asyncio.CancelledError) else self.breaker.failed)(began)
            raise
        self.breaker.succeeded(began)
        self.pool.release(connection)
        return got


def standby_at(dsn: str, server: Mapping[str, str]) -> Standby:
    """The way to a standby, opened when it is needed. `server` are settings that each session starts with."""
    return Standby(Pool(dsn, size=SIZE, warm=0, connect=CONNECT, server=server))
