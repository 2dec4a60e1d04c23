"""One storm from an empty folder to the verdict."""

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import attrs

from tests.faults.stage import keep_logs
from tests.faults.world import opened
from tests.plugins.payment.storm import verdict
from tests.plugins.payment.storm.fates import EVENTS, SHARES, Fate
from tests.plugins.payment.storm.shop import HOOK, Customers, options
from tests.plugins.payment.storm.verdict import Verdict
from tests.plugins.payment.storm.weather import FORGERIES, Force, Storm
from tests.providers.razorpay import Razorpay
from tests.providers.razorpay_webhooks import Webhooks

COPIES = 5
"""Deliveries of one event, the first included."""
HOUR = 10.0
"""Real seconds of an hour of Razorpay's: it tries again after a sixth of a second, then a third and so on."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What was measured."""

    orders: int
    events: int
    kills: int
    genuine: Webhooks
    forged: Webhooks
    late: float
    """Seconds after the storm until all was worked in."""
    verdict: Verdict

    def latency(self, share: float) -> float:
        """Seconds, of all deliveries that were answered at all."""
        times = sorted(t.seconds for t in (*self.genuine.tries, *self.forged.tries) if t.status is not None)
        return times[min(len(times) - 1, int(share * len(times)))]

    def answers(self) -> dict[str, int]:
        """How many of each, by what was sent."""
        found: dict[str, int] = {}
        for name, webhooks in (("genuine", self.genuine), ("forged", self.forged)):
            for one in webhooks.tries:
                key = f"{name} {one.status or 'no answer'}"
                found[key] = found.get(key, 0) + 1
        return dict(sorted(found.items()))


async def run(force: Force, *, seed: int, fates: tuple[Fate, ...] = tuple(Fate), keep: Path | None = None) -> Outcome:
    """Raise the world, let it storm, judge. `keep` gets the logs."""
    chance, account = random.Random(seed), Razorpay()
    per_order = sum(SHARES[fate] * EVENTS[fate] for fate in fates) / sum(SHARES[fate] for fate in fates)
    count = max(len(fates), round(force.webhooks * (1 - FORGERIES) / per_order / COPIES))
    async with account.running(), opened(options(account)) as world, _session() as session:
        customers = Customers(world, session, chance)
        orders = await customers.buy(account, count, fates)
        db = await asyncpg.connect(world.cluster.primary.url("postgres"))
        await verdict.watch(db)
        genuine, forged = (Webhooks(session, world.balancer.url + HOOK, hour=HOUR) for _ in range(2))
        storm = Storm(world, account, customers, orders, genuine, forged, force, chance)
        await storm.rage()
        late = await verdict.quiet(db, orders)
        while await storm.finish():
            late += await verdict.quiet(db, orders)
        judged = await verdict.judge(db, account, orders)
        await db.close()
        if keep is not None:
            await asyncio.to_thread(keep_logs, world, keep)
    return Outcome(
        orders=len(orders),
        events=len(account.book.events),
        kills=storm.kills,
        genuine=genuine,
        forged=forged,
        late=late,
        verdict=judged,
    )


def _session() -> Any:
    """Open-loop: a slow answer keeps nobody else from sending."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200, keepalive_timeout=30))
