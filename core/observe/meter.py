"""How many requests there were and how long they took: plain lists, filled when the log's lines are written.

Nothing is counted while a request is answered: the log keeps its record for a tenth of a second at most, then
`core.observe.logging` counts it here and writes its line. `core.observe.figures` reads what was counted.
"""

from bisect import bisect_left
from collections.abc import Sequence

import orjson

from core.errors import INTERNAL

KERNEL, NOWHERE = "kernel", "-"
"""Whose route it is, and its name, where no route took the request."""
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0)
"""Seconds: upper ends of the histogram's buckets. RELIABILITY 2 promises at 0.2, 0.3 and 0.5."""
CLASSES = ("2xx", "3xx", "4xx", "5xx")


class Tally:
    """One route's requests since the start."""

    __slots__ = ("buckets", "codes", "kept", "plugin", "remembered", "route", "said", "seconds", "statuses")

    def __init__(self, plugin: str, route: str) -> None:
        """`route` is its name, such as "GET /api/v1/products": never a path with values in it."""
        self.plugin, self.route = plugin, route
        self.buckets = [0] * (len(BOUNDS) + 1)
        """Requests by duration, not yet added up; the last is for what took longer than all bounds."""
        self.seconds = 0.0
        self.statuses = [0] * 6
        """Requests by the first digit of their status."""
        self.codes: dict[str, int] = {INTERNAL.name: 0}
        """Refusals by error code. The one that an alert asks for is there at 0: what begins at 1 did not increase."""
        self.kept = False
        """Its answers are kept in memory; `remembered` of them came from there."""
        self.remembered = 0
        method = route.partition(" ")[0]
        said = orjson.dumps({"plugin": plugin, "route": route, "method": method}).decode()
        self.said = said[1:-1]
        """Its part of a log line."""

    def count(self, seconds: float, status: int, code: str | None = None) -> None:
        """One request: with its error code if it was refused, "" if it was not, None if it was answered from memory."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
        self.statuses[status // 100] += 1
        if code is None:
            self.remembered += 1
        elif code:
            self.codes[code] = self.codes.get(code, 0) + 1

    @property
    def requests(self) -> int:
        """All of them."""
        return sum(self.statuses)


def quantile(buckets: Sequence[int], share: float) -> float:
    """The seconds within which this share of requests was answered, as Prometheus reckons it of the same buckets.

    Within a bucket evenly spread; the last bound for what took longer than all; 0 without any request.
    """
    wanted, before, low = share * sum(buckets), 0, 0.0
    for high, count in zip(BOUNDS, buckets, strict=False):
        if count and before + count >= wanted:
            return low + (high - low) * (wanted - before) / count
        before, low = before + count, high
    return BOUNDS[-1] if before < sum(buckets) else 0.0


class Meter:
    """The tallies of one replica."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}
        self.nowhere = self.route(KERNEL, NOWHERE)
        """For what no route took: unknown paths, wrong methods, what the parser refuses, preflights."""

    def route(self, plugin: str, route: str) -> Tally:
        """A route's tally; the same one for the same names."""
        return self._tallies.setdefault((plugin, route), Tally(plugin, route))

    @property
    def tallies(self) -> list[Tally]:
        """Of every route, also of those that nobody asked for yet."""
        return list(self._tallies.values())
