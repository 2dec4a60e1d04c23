"""What a replica tells the others of itself every two seconds: what happened since it told them last."""

import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs

from core.agreement import Code, Peer
from core.observe.meter import BOUNDS

if TYPE_CHECKING:
    from core.app import App

EVERY = 2.0
"""Seconds between two of them."""
ROUTES = 40
"""Of those that were asked for, the busiest."""
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes that `getrusage` counts memory in."""


@attrs.frozen(kw_only=True)
class Asked:
    """Requests of one route, or of all: how many, how they ended, how long they took."""

    requests: int = 0
    refused: int = 0
    """4xx."""
    failed: int = 0
    """5xx."""
    buckets: list[int] = attrs.field(factory=lambda: [0] * (len(BOUNDS) + 1))
    """Not yet added up, by `meter.BOUNDS`."""

    def plus(self, other: "Asked", sign: int = 1) -> "Asked":
        """Both together, or, with -1, without the other."""
        return Asked(
            requests=self.requests + sign * other.requests,
            refused=self.refused + sign * other.refused,
            failed=self.failed + sign * other.failed,
            buckets=[mine + sign * theirs for mine, theirs in zip(self.buckets, other.buckets, strict=True)],
        )


@attrs.frozen(kw_only=True)
class Pulse:
    """Of one replica. Counts are of the time since its last pulse; the rest is how it stands."""

    peer: dict[str, Any]
    """As `agreement.Peer`."""
    reasons: list[str]
    """Why it is unready, if it is."""
    lag: float
    """Seconds by which its loop was late."""
    inside: int
    """Requests under way."""
    memory: int
    """Bytes at most so far."""
    pools: dict[str, list[int]]
    """Busy, opened, allowed and waiting, by pool."""
    breakers: dict[str, str]
    aside: dict[str, str]
    """Plugins that are put aside or left out, and why."""
    shares: dict[str, float]
    """Of the time, that each plugin held the loop."""
    asked: Asked
    routes: dict[str, Asked]
    counts: dict[str, int]
    """What plugins counted, by metric."""

    def who(self) -> Peer:
        """Raises what broken JSON raises: another version may say it differently."""
        return Peer(**{**self.peer, "id": UUID(self.peer["id"]), "code": Code.read(self.peer["code"])})


class Heart:
    """Makes the pulses of this replica."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._started = time.time()
        self._before: dict[str, tuple[int, ...]] = {}
        self._counted: Counter[str] = Counter()
        self._held: Mapping[str, float] = {}
        self._at = time.monotonic()

    def beat(self) -> Pulse:
        """What happened since the last one."""
        app = self._app
        app.log.flush()
        now = time.monotonic()
        passed, self._at = max(now - self._at, 0.001), now
        routes = dict(self._routes())
        whole = Asked()
        for one in routes.values():
            whole = whole.plus(one)
        busiest = sorted(routes, key=lambda name: routes[name].requests, reverse=True)[:ROUTES]
        return Pulse(
            peer=self._peer(),
            reasons=sorted(app.health.reasons),
            lag=round(app.kernel.shedder.lag, 4),
            inside=app.kernel.shedder.inside,
            memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT,
            pools=self._pools(),
            breakers={one.name: one.state.value for one in app.kernel.breakers},
            aside=dict(app.plugins.left_out) | {name: one.reason for name, one in app.kernel.guards.aside.items()},
            shares=self._shares(passed),
            asked=whole,
            routes={name: routes[name] for name in busiest},
            counts=self._counts(),
        )

    def _peer(self) -> dict[str, Any]:
        presence = self._app.presence
        return {
            "id": str(presence.me),
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "code": attrs.asdict(presence.code),
            "ready": self._app.health.ready,
            "started": self._started,
        }

    def _routes(self) -> "list[tuple[str, Asked]]":
        found = []
        for tally in self._app.meter.tallies:
            now = (tally.requests, tally.statuses[4], tally.statuses[5], *tally.buckets)
            before = self._before.get(tally.route)
            self._before[tally.route] = now
            if before is not None and now[0] > before[0]:
                requests, refused, failed, *buckets = (new - old for new, old in zip(now, before, strict=True))
                asked = Asked(requests=requests, refused=refused, failed=failed, buckets=buckets)
                found.append((tally.route, asked))
        return found

    def _pools(self) -> dict[str, list[int]]:
        pools = self._app.figures.pools.items()
        return {name: [pool.opened - pool.free, pool.opened, pool.size, pool.waiting] for name, pool in pools}

    def _shares(self, passed: float) -> dict[str, float]:
        before, self._held = self._held, dict(self._app.usage.loop_seconds())
        return {name: round((held - before.get(name, held)) / passed, 3) for name, held in self._held.items()}

    def _counts(self) -> dict[str, int]:
        now = Counter({one.metric.name: sum(one.values.values()) for one in self._app.figures.counts})
        before, self._counted = self._counted or now, now
        return {name: times - before[name] for name, times in now.items()}
