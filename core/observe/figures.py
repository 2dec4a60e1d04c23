"""The figures of one replica: what console, status page and metrics tell, each read in one place.

Reading costs nothing worth naming and may be done on the loop at any time; only what waits in the database has to be
asked for, which `read` does (`core.observe.queues`). Durations are in `app.meter`, a tally a route.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from core.events.bus import OUTCOMES
from core.observe import tracing
from core.observe.catalogue import METRICS
from core.observe.counts import Count, Metric
from core.observe.meter import CLASSES
from core.observe.queues import Queues, Waiting
from core.resilience.breaker import State
from core.resilience.rank import Rank

if TYPE_CHECKING:
    from core.app import App

Sample = tuple[tuple[str, ...], float]
"""Values of the labels, in the metric's order, and the figure."""
Samples = Iterable[Sample]
Readers = dict[str, Callable[[], Samples]]
STATES = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
REASONS = ("starting", "draining", "schema", "agreement", "clock", "cut off")
"""Why a replica is unready, by how its reason begins. The rest of the reason is for people, not for a label."""
VALUES = ("local", "stale", "shared", "loaded", "failed")
"""Where `core.store.cache` had a value from."""
ANSWERS = ("hit", "miss")
"""Of encoded answers, which are kept in memory only."""


class Figures:
    """Made once everything else of the app is."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self.counts: list[Count] = app.plugins.declared("metrics")
        """Of the plugins."""
        for count in self.counts:
            count.open()
        standby = app.db.standby
        self.pools = {"postgres": app.db.pool} | ({} if standby is None else {"standby": standby.pool})
        """Of connections to databases, by name."""
        self.queues = Queues(app.db, app.bus.consumers)
        self._readers = {
            **self._requests(),
            **self._resources(),
            **self._plugins(),
            **self._events(),
            **self._process(),
        }
        self._readers |= {count.metric.name: count.values.items for count in self.counts}

    @property
    def metrics(self) -> Iterable[Metric]:
        """All that there are, in order: the kernel's, then the plugins'."""
        return (*METRICS, *(count.metric for count in self.counts))

    def of(self, name: str) -> list[Sample]:
        """One metric by its name without prefix, the histogram excepted; queues as they were last read."""
        return list(self._readers[name]())

    async def read(self) -> Mapping[str, list[Sample]]:
        """All of them, by name without prefix, with every request counted that was answered."""
        await self.queues.look()
        self._app.log.flush()
        return {name: list(reader()) for name, reader in self._readers.items()}

    def _requests(self) -> Readers:
        meter, shedder = self._app.meter, self._app.kernel.shedder
        return {
            "requests_total": lambda: (
                ((tally.plugin, tally.route, name), tally.statuses[digit])
                for tally in meter.tallies
                for digit, name in enumerate(CLASSES, start=2)
            ),
            "errors_total": self._refusals,
            "requests_in_progress": lambda: _plain(shedder.inside),
            "requests_shed_total": lambda: (
                ((rank.name.lower(),), shedder.refused[rank]) for rank in Rank if rank is not Rank.HEALTH
            ),
        }

    def _refusals(self) -> Samples:
        """Summed, for a plugin that was left out may have declared another's route."""
        found = Counter[tuple[str, str]]()
        for tally in self._app.meter.tallies:
            for code, times in tally.codes.items():
                found[tally.route, code] += times
        return found.items()

    def _resources(self) -> Readers:
        kernel, pools = self._app.kernel, self.pools
        return {
            "breaker_state": lambda: (((one.name,), STATES[one.state]) for one in kernel.breakers),
            "breaker_opened_total": lambda: (((one.name,), one.trips) for one in kernel.breakers),
            "cache_reads_total": self._cache_reads,
            "pool_connections": lambda: (
                ((name, state), count)
                for name, pool in pools.items()
                for state, count in (("busy", pool.opened - pool.free), ("idle", pool.free))
            ),
            "pool_size": lambda: (((name,), pool.size) for name, pool in pools.items()),
            "pool_waiting": lambda: (((name,), pool.waiting) for name, pool in pools.items()),
            "memory_blocks": lambda: _plain(sys.getallocatedblocks()),
            "loop_lag_seconds": lambda: _plain(kernel.shedder.lag),
            "trace_spans_total": _spans,
        }

    def _cache_reads(self) -> Iterator[Sample]:
        counts = self._app.kernel.cache.counts
        yield from ((("values", outcome), counts[outcome]) for outcome in VALUES)
        kept = [tally for tally in self._app.meter.tallies if tally.kept]
        hits = sum(tally.remembered for tally in kept)
        yield from zip(
            (("answers", one) for one in ANSWERS), (hits, sum(one.requests for one in kept) - hits), strict=True
        )

    def _plugins(self) -> Readers:
        usage, plugins, guards = self._app.usage, self._app.plugins, self._app.kernel.guards
        return {
            "db_seconds_total": lambda: _named(usage.db_seconds()),
            "db_statements_total": lambda: _named(usage.db_statements()),
            "loop_seconds_total": lambda: _named(usage.loop_seconds()),
            "loop_blocks_total": lambda: _named(usage.loop_blocks()),
            "tasks": lambda: _named(usage.tasks()),
            "plugin_failures_total": lambda: _named(usage.failures()),
            "plugin_up": lambda: (
                *(((one.name,), int(guards.available(one.name))) for one in plugins.manifests),
                *(((name,), 0) for name in plugins.left_out),
            ),
        }

    def _events(self) -> Readers:
        bus, delivery = self._app.bus, self._app.delivery
        return {
            "events_emitted_total": lambda: _named(dict.fromkeys(bus.event_types, 0) | dict(delivery.emitted)),
            "events_handled_total": lambda: (
                (key, bus.handled[key])
                for consumer in sorted(bus.consumers)
                for outcome in OUTCOMES
                for key in [(consumer, outcome)]
            ),
            "broker_up": lambda: _plain(int(delivery.state in ("in-process", "connected"))),
            "outbox_rows": lambda: self._waiting(lambda found: _plain(found.outbox)),
            "outbox_oldest_seconds": lambda: self._waiting(lambda found: _plain(found.outbox_age)),
            "inbox_rows": lambda: self._waiting(lambda found: (((name,), n) for name, (n, _) in found.inbox.items())),
            "inbox_oldest_seconds": lambda: self._waiting(
                lambda found: (((name,), age) for name, (_, age) in found.inbox.items())
            ),
            "dead_letters": lambda: self._waiting(lambda found: _named(found.dead)),
            "replicas": lambda: self._waiting(lambda found: _plain(found.replicas)),
        }

    def _waiting(self, tell: Callable[[Waiting], Samples]) -> Samples:
        found = self.queues.found
        return () if found is None else tell(found)

    def _process(self) -> Readers:
        jobs, health, code = self._app.jobs, self._app.health, self._app.presence.code
        outcomes = {"ok": jobs.runs, "failed": jobs.failures, "skipped": jobs.skipped}
        return {
            "job_runs_total": lambda: (
                ((job.name, outcome), counter[job.name]) for job in jobs.jobs for outcome, counter in outcomes.items()
            ),
            "job_last_success_seconds": lambda: (((job.name,), jobs.succeeded.get(job.name, 0)) for job in jobs.jobs),
            "job_every_seconds": lambda: (((job.name,), job.every) for job in jobs.jobs),
            "ready": lambda: _plain(int(health.ready)),
            "unready": lambda: (
                ((reason.replace(" ", "_"),), int(any(one.startswith(reason) for one in health.reasons)))
                for reason in REASONS
            ),
            "info": lambda: (((code.version, code.release), 1),),
        }


def _plain(value: float) -> Samples:
    """A metric without labels."""
    return (((), value),)


def _named(values: Mapping[str, float]) -> Samples:
    """A metric with one label."""
    return (((name,), value) for name, value in values.items())


def _spans() -> Samples:
    armed = tracing.armed
    return ((("sent",), getattr(armed, "sent", 0)), (("lost",), getattr(armed, "lost", 0)))
