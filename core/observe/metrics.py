"""`/metrics` on the operators' listener, in the formats of Prometheus, by prometheus-async (ADR 30).

Nothing of prometheus_client lives on a request's way: its families are made of the figures when somebody asks.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING, cast

from aiohttp import web

from core.observe.catalogue import PREFIX
from core.observe.figures import Figures, Sample
from core.observe.meter import BOUNDS, Meter

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

    from core.operations.listener import Operations

ONE_AT_A_TIME = Lock()
LIMITS = [*map(str, BOUNDS), "+Inf"]


class Families:
    """What is told of one scrape, as a collector."""

    def __init__(self, families: Sequence["Family"]) -> None:
        self._families = families

    def collect(self) -> Iterable["Family"]:
        """All of it."""
        return self._families

    def describe(self) -> Iterable["Family"]:
        """Nothing, so that the registry does not ask twice."""
        return ()


class Metrics:
    """Tells one replica's figures."""

    def __init__(self, figures: Figures, meter: Meter) -> None:
        self._figures, self._meter = figures, meter

    def offer(self, operations: "Operations") -> "Metrics":
        """On the operators' listener."""
        operations.add("GET", "/metrics", self.answer)
        return self

    async def answer(self, request: web.Request) -> web.Response:
        """The text, with the process's own figures.

        Writing it takes some ten milliseconds, and the first time the library has to be imported: both in a thread.
        """
        await asyncio.to_thread(_library)
        found = Families(list(self.families(await self._figures.read())))
        return await asyncio.to_thread(_written, request, found)

    def families(self, found: Mapping[str, list[Sample]]) -> Iterator["Family"]:
        """Every metric with its samples."""
        from prometheus_client import Metric as Family  # noqa: PLC0415  see above

        for metric in self._figures.metrics:
            name = PREFIX + metric.name
            family = Family(name.removesuffix("_total"), metric.meaning, metric.kind)
            if metric.kind == "histogram":
                self._durations(family, name)
            else:
                for labels, value in found[metric.name]:
                    family.add_sample(name, dict(zip(metric.labels, labels, strict=True)), value)
            yield family

    def _durations(self, family: "Family", name: str) -> None:
        for tally in self._meter.tallies:
            labels = {"plugin": tally.plugin, "route": tally.route}
            for limit, count in zip(LIMITS, accumulate(tally.buckets), strict=True):
                family.add_sample(f"{name}_bucket", {**labels, "le": limit}, count)
            family.add_sample(f"{name}_count", labels, tally.requests)
            family.add_sample(f"{name}_sum", labels, tally.seconds)


def _library() -> None:
    import prometheus_async.aio.web  # noqa: F401, PLC0415  0.1 s and 4 MB that only a scrape needs


def _written(request: web.Request, found: Families) -> web.Response:
    """The collector is registered just meanwhile: where one process runs several apps, as tests do, each tells its own.

    The library's handler awaits nothing: its first step is its last.
    """
    from prometheus_async.aio.web import server_stats  # noqa: PLC0415  as above
    from prometheus_client import REGISTRY  # noqa: PLC0415  as above

    with ONE_AT_A_TIME:
        REGISTRY.register(found)
        try:
            server_stats(request).send(None)
        except StopIteration as end:
            return cast("web.Response", end.value)
        finally:
            REGISTRY.unregister(found)
    raise RuntimeError("this release of prometheus-async waits for something: await it")
