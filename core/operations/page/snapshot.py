"""All that the page shows at one moment, as JSON."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.operations.page.fleet import Fleet

if TYPE_CHECKING:
    from core.app import App

OLD = 30.0
"""Seconds that an event may wait in a queue before somebody should look."""
SLOW = 0.2
"""Seconds that the 99th percentile may take (RELIABILITY 2)."""
FEW = 50
"""Requests that a percentile must rest on before it worries anybody."""


async def snapshot(app: "App", fleet: Fleet) -> dict[str, Any]:
    """Everything; what cannot be asked now is None."""
    await app.figures.queues.look()
    worries = list(_worries(app, fleet))
    return {
        "at": time.time(),
        "me": str(app.presence.me),
        "worries": worries,
        "agreement": fleet.agreement(),
        "replicas": [_replica(pulse) for pulse in fleet.pulses],
        "series": fleet.series(),
        "routes": fleet.routes(),
        "queues": _queues(app),
        "plugins": _plugins(app, fleet),
        "slow": [
            {"plugin": call.plugin, "what": call.what, "seconds": call.seconds, "at": call.at.timestamp(),
             "stack": list(call.stack[-3:])}
            for call in app.usage.slow_calls(5)
        ],
    }  # fmt: skip


def _replica(pulse: Any) -> dict[str, Any]:
    peer = pulse.who()
    return {
        "id": str(peer.id),
        "name": f"{peer.host}:{peer.pid}",
        "code": peer.code.name,
        "digest": peer.code.digest,
        "ready": peer.ready,
        "started": peer.started,
        "requests": pulse.asked.requests,
        "reasons": pulse.reasons,
        "lag": pulse.lag,
        "inside": pulse.inside,
        "memory": pulse.memory,
        "pools": pulse.pools,
        "breakers": pulse.breakers,
    }


def _queues(app: "App") -> dict[str, Any] | None:
    found = app.figures.queues.found
    if found is None:
        return None
    consumers = sorted({*found.inbox, *found.dead})
    return {
        "outbox": [found.outbox, found.outbox_age],
        "broker": app.delivery.state,
        "consumers": [[name, *found.inbox.get(name, (0, 0.0)), found.dead.get(name, 0)] for name in consumers],
    }


def _plugins(app: "App", fleet: Fleet) -> list[dict[str, Any]]:
    """Those of this replica; what they hold of the loops, and who is put aside, of all of them."""
    pulses, usage = fleet.pulses, app.usage
    tasks, seconds, failures, blocks = usage.tasks(), usage.db_seconds(), usage.failures(), usage.loop_blocks()
    versions = {one.name: one.version for one in app.plugins.manifests}
    aside = {name: why for pulse in pulses for name, why in pulse.aside.items()}
    return [
        {
            "name": name,
            "version": versions.get(name, ""),
            "aside": aside.get(name, ""),
            "share": max((pulse.shares.get(name, 0.0) for pulse in pulses), default=0.0),
            "blocks": blocks.get(name, 0),
            "tasks": tasks.get(name, 0),
            "seconds": seconds.get(name, 0.0),
            "failures": failures.get(name, 0),
        }
        for name in ["kernel", *dict.fromkeys([*versions, *aside])]
    ]


def _worries(app: "App", fleet: Fleet) -> Iterator[str]:
    """What somebody should look at, the worst first."""
    pulses = fleet.pulses
    if why := fleet.agreement():
        yield f"Replicas do not agree: {why}"
    for pulse in pulses:
        if pulse.reasons:
            yield f"{pulse.peer['host']}:{pulse.peer['pid']} is not ready: {', '.join(pulse.reasons)}"
    opened = sorted({name for pulse in pulses for name, state in pulse.breakers.items() if state != "closed"})
    yield from (f"The breaker of {name} is open" for name in opened)
    aside = {name: why for pulse in pulses for name, why in pulse.aside.items()}
    yield from (f"The plugin {name} is put aside: {why}" for name, why in sorted(aside.items()))
    yield from _queued(app)
    yield from (
        f"{row['route']} takes {row['p99'] * 1000:.0f} ms at the 99th percentile"
        for row in fleet.routes()
        if row["requests"] >= FEW and row["p99"] > SLOW
    )
    yield from (f"{row['route']} failed {row['failed']} times" for row in fleet.routes() if row["failed"])


def _queued(app: "App") -> Iterator[str]:
    found = app.figures.queues.found
    if found is None:
        yield "The database does not tell what waits in its queues"
        return
    if found.outbox_age > OLD:
        yield f"Events have waited in the outbox for {found.outbox_age:.0f} s"
    yield from (f"{name} is {age:.0f} s behind" for name, (_, age) in found.inbox.items() if age > OLD)
    yield from (f"{count} dead letters of {name}" for name, count in found.dead.items() if count)
