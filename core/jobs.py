"""Periodic work: each job at its interval, those that are `single` on one replica at a time."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

import attrs

from core.observe import spent
from core.tasks import SILENCE, contained, lively

if TYPE_CHECKING:
    from core.store.db import Db
    from core.tasks import Tasks

log = logging.getLogger("core.jobs")

FIRST_WITHIN = 30.0
"""Seconds: a job first runs somewhere in this time, or within its own interval, so that replicas do not run in step."""
SINGLES = 2
"""Single jobs that a replica runs at once: each holds a connection beside the one it works with."""

LOCK = "SELECT pg_try_advisory_lock($1)"
UNLOCK = "SELECT pg_advisory_unlock($1)"


@attrs.frozen(kw_only=True)
class Job:
    """Periodic work.

    `every` is in seconds, with a jitter of a tenth. A `single` job runs on one replica at a time (advisory lock);
    the others run on every replica and must share their work by `FOR UPDATE SKIP LOCKED`.
    """

    name: str
    every: float
    run: Callable[[], Awaitable[None]]
    single: bool = False
    plugin: str = spent.KERNEL
    """Whose it is; the kernel fills this in."""


class Jobs:
    """Runs jobs until the tasks are stopped. A failure is logged and counted, a hung run too; the next run goes on."""

    def __init__(self, db: "Db", tasks: "Tasks", jobs: Iterable[Job], *, first_within: float = FIRST_WITHIN) -> None:
        self._db, self._tasks, self._first_within = db, tasks, first_within
        self.jobs = tuple(jobs)
        self.runs: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        """Runs of single jobs that another replica was doing."""
        self.succeeded: dict[str, float] = {}
        """When each last ended well here, in seconds since 1970."""
        self._singles = asyncio.Semaphore(SINGLES)
        self._closing = False

    def start(self) -> None:
        """Start every job's loop."""
        names = Counter(job.name for job in self.jobs)
        if twice := [name for name, times in names.items() if times > 1]:
            raise ValueError(f"jobs of the same name: {', '.join(twice)}")
        for job in self.jobs:
            self._tasks.spawn(f"job {job.name}", self._repeat(job))

    def close(self) -> None:
        """Begin no further run; those under way go on."""
        self._closing = True

    async def _repeat(self, job: Job) -> None:
        spent.begin(job.plugin, f"job {job.name}")
        await asyncio.sleep(random.uniform(0, min(job.every, self._first_within)))  # noqa: S311  jitter, not a secret
        while not self._closing:
            await self.run(job)
            await asyncio.sleep(job.every * random.uniform(0.9, 1.1))  # noqa: S311  as above

    async def run(self, job: Job) -> None:
        """Run it once, now, unless it is single and running elsewhere. Never raises but when cancelled."""
        try:
            if job.single:
                await self._alone(job)
            else:
                await self._counted(job)
        except Exception:  # neither the lock nor its connection is worth a job's end: the next run tries again
            self.failures[job.name] += 1
            log.exception("job %s: its lock failed", job.name)

    async def _alone(self, job: Job) -> None:
        """The lock belongs to a session, so its connection is held for the run and freed of it afterwards."""
        key = lock_key(job.name)
        async with self._singles, self._db.connection() as connection:
            if not await (await connection.statement(LOCK)).fetchval(key, timeout=1):
                self.skipped[job.name] += 1
                return
            await self._counted(job)
            await (await connection.statement(UNLOCK)).fetchval(key, timeout=1)

    async def _counted(self, job: Job) -> None:
        try:
            with contained:
                await lively(job.run(), SILENCE)
        except Exception:
            self.failures[job.name] += 1
            log.exception("job %s failed", job.name)
        else:
            self.runs[job.name] += 1
            self.succeeded[job.name] = time.time()


def lock_key(name: str) -> int:
    """The advisory lock of a job: the same 64 bits on every replica."""
    return int.from_bytes(sha256(b"vurksha job " + name.encode()).digest()[:8], signed=True)
