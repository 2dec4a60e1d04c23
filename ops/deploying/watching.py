"""Whether a new release does worse than the one before, from what customers of both got."""

import math
from collections.abc import Mapping

import attrs

from ops.deploying.model import Figures, Totals


@attrs.frozen(kw_only=True)
class Limits:
    """When the new release is worse. Times in seconds."""

    shares: tuple[int, ...] = (10, 50, 100)
    """Per cent of the requests, one after the other."""
    seconds: float = 60.0
    """To watch after each change."""
    look: float = 2.0
    """Between two looks."""
    errors: float = 0.01
    """By how much its share of failed requests may be above the other's."""
    fewest: int = 20
    """Requests before it is judged."""
    p99: float = 0.2
    """Below this it is fast enough, whatever the other does (RELIABILITY 1)."""
    slower: float = 2.0
    """Above that, how many times the other's p99 it may take."""


def since(before: Totals, now: Totals) -> Figures:
    """What came in between. A counter that went back, of a replica that started anew, counts as nothing."""
    gained = {bound: max(0.0, count - before.buckets.get(bound, 0.0)) for bound, count in now.buckets.items()}
    return Figures(
        requests=max(0, now.requests - before.requests),
        errors=max(0, now.errors - before.errors),
        p99=quantile(gained, 0.99),
    )


def quantile(buckets: Mapping[float, float], part: float) -> float:
    """Seconds within which this part was answered, interpolated as Prometheus does; 0 when there was none."""
    bounds = sorted(buckets)
    rank = part * (buckets[bounds[-1]] if bounds else 0)
    below, lower = 0.0, 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= rank > 0:
            return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
        below, lower = count, bound
    return 0.0


def worse(new: Figures, old: Figures | None, limits: Limits) -> str:
    """Why the new release is; empty if it is not, or too little was asked of it to tell."""
    if new.requests < limits.fewest:
        return ""
    allowed = limits.errors + (old.share if old else 0.0)
    if new.share > allowed:
        beside = f", {old.share:.1%} before" if old else ""
        return f"{new.errors} of {new.requests} requests failed ({new.share:.1%}{beside})"
    if not new.p99:
        return "nobody measured how long answers took"
    slowest = max(limits.p99, limits.slower * (old.p99 if old else 0.0))
    if new.p99 > slowest:
        beside = f", {old.p99 * 1000:.0f} ms before" if old else ""
        return f"p99 is {new.p99 * 1000:.0f} ms{beside}"
    return ""
