"""Who uses what of a replica, by plugin: loop, database, tasks, failures. Console, page and metrics all read it here.

Work is a route by its name, a job, a delivery or another task; "" is what the kernel does beside them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from core.errors import INTERNAL
from core.observe.slow import Slow
from core.observe.spent import KERNEL, Cost

if TYPE_CHECKING:
    from core.isolation.guards import Guards
    from core.isolation.watches import Watches
    from core.jobs import Jobs
    from core.observe.meter import Meter
    from core.store.db import Db

Work = tuple[str, str]
"""A plugin, and what of it."""
SHOWN = 20


class Usage:
    """One replica's, since its start. Cheap to read, on the loop. Every plugin is in every answer."""

    def __init__(
        self, plugins: Iterable[str], watches: "Watches", db: "Db", guards: "Guards", jobs: "Jobs", meter: "Meter"
    ) -> None:
        self._zero = dict.fromkeys([*plugins, KERNEL], 0)
        self._watches, self._db, self._guards, self._jobs, self._meter = watches, db, guards, jobs, meter

    def loop_seconds(self) -> Mapping[str, float]:
        """Seconds for which each held the loop: seen by looks, so roughly, but all together as much as was used."""
        return self._by_plugin(self.loop_by_route())

    def loop_by_route(self) -> Mapping[Work, float]:
        """The same by work."""
        return self._watches.loop.sampler.by_work()

    def loop_blocks(self) -> Mapping[str, int]:
        """How often each held the loop for at least `isolation.stall` seconds."""
        return {**self._zero, **self._watches.loop.slow.times}

    def slow_calls(self, most: int = SHOWN) -> list[Slow]:
        """The longest of these times, of every plugin at least a few."""
        return self._watches.loop.slow.worst(most)

    def recent_calls(self, most: int = SHOWN) -> list[Slow]:
        """The latest of these times, the newest first."""
        return self._watches.loop.slow.latest(most)

    def db_seconds(self) -> Mapping[str, float]:
        """Seconds that statements took which each sent, or had sent for it."""
        return self._by_plugin({work: cost.seconds for work, cost in self.db_by_route().items()})

    def db_statements(self) -> Mapping[str, int]:
        """Round trips to the database."""
        found = self._by_plugin({work: cost.statements for work, cost in self.db_by_route().items()})
        return {plugin: int(statements) for plugin, statements in found.items()}

    def db_by_route(self) -> Mapping[Work, Cost]:
        """Both by work."""
        return self._db.spending.by_work()

    def tasks(self) -> Mapping[str, int]:
        """Tasks that each has running, a few seconds ago; requests and deliveries are the kernel's."""
        return {**self._zero, **self._watches.tasks.running}

    def failures(self) -> Mapping[str, int]:
        """Calls that ended with an exception which nobody expected, or too late."""
        found = self._by_plugin(self.failures_by_route())
        return {plugin: int(times) for plugin, times in found.items()}

    def failures_by_route(self) -> Mapping[Work, int]:
        """The same by work. Guards keep no account of what required plugins answer and of their jobs: others do."""
        found = Counter(self._guards.failures)
        for tally in self._meter.tallies:
            if tally.plugin not in self._guards.optional:
                found[tally.plugin, tally.route] += tally.codes.get(INTERNAL.name, 0)
        for job in self._jobs.jobs:
            if job.plugin not in self._guards.optional:
                found[job.plugin, f"job {job.name}"] += self._jobs.failures[job.name]
        return +found

    def _by_plugin(self, parts: Mapping[Work, float]) -> Mapping[str, float]:
        sums = defaultdict[str, float](float, self._zero)
        for (plugin, _), part in parts.items():
            sums[plugin] += part
        return dict(sums)
