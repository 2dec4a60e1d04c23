"""The workers of one replica: they claim errands under a lease and have them done."""

import asyncio
import logging
from contextlib import suppress

import attrs

from core.errors import Problem
from core.store.db import Db
from plugins.payment.errand_queries import Errand, Errands
from plugins.payment.errands import Doing, pause

log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Pace:
    """How a worker works: errands at a time, and seconds of lease and poll."""

    concurrency: int
    lease: float
    poll: float


class Worker:
    """Does errands of one sort: notices, or those that call a provider. One on each replica; leases keep them apart."""

    def __init__(self, db: Db, doing: Doing, pace: Pace, *, notices: bool) -> None:
        self._db, self._doing, self._pace, self._notices = db, doing, pace, notices
        self._errands = Errands()
        self._awake = asyncio.Event()
        self._busy = asyncio.Lock()

    async def poke(self) -> None:
        """There may be something to do."""
        self._awake.set()

    async def stop(self, budget: float) -> None:
        """Claim nothing more, and wait at most `budget` seconds for what is under way."""
        with suppress(TimeoutError):
            async with asyncio.timeout(budget):
                await self._busy.acquire()  # never given back: this run ends here

    async def run(self) -> None:
        """Work for ever, anew after a `stop`. A database that is away is waited for."""
        self._busy = asyncio.Lock()
        while True:
            done = 0
            async with self._busy:
                try:
                    done = await self.round()
                except Problem as problem:
                    log.warning("payments wait for the database: %s", problem.code.name)
            if done < self._pace.concurrency:
                await self._rest()

    async def round(self) -> int:
        """Claim as many as may be under way at once and do them; how many there were."""
        pace = self._pace
        claimed = await self._errands.claim(self._db, pace.concurrency, pace.lease, notices=self._notices)
        async with asyncio.TaskGroup() as group:
            for errand in claimed:
                group.create_task(self._one(errand))
        return len(claimed)

    async def _one(self, errand: Errand) -> None:
        """Do it. What goes wrong holds up no other: its row says so, and when it is tried again."""
        try:
            async with asyncio.timeout(0.9 * self._pace.lease):
                await self._doing.do(errand)
        except Problem as problem:  # the database: the lease gives it back
            log.warning("%s of %s could not be done: %s", errand.kind, errand.subject, problem.code.name)
        except Exception as error:
            log.exception("%s of %s failed", errand.kind, errand.subject)
            with suppress(Problem):
                async with self._db.transaction() as tx:
                    await self._errands.later(tx, errand, pause(errand.attempts, 600), type(error).__name__)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.poll):
                await self._awake.wait()
        self._awake.clear()
