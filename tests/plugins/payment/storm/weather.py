"""The storm itself: events come late, repeated and in any order, forged ones among them, while replicas are killed."""

import asyncio
import itertools
import random
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import attrs

from tests.faults.world import World
from tests.plugins.payment.storm.fates import EVENTS, Bought, Fate, happen
from tests.plugins.payment.storm.shop import Customers
from tests.providers.razorpay import Razorpay
from tests.providers.razorpay_book import Event, new_id
from tests.providers.razorpay_webhooks import FORGED, Webhooks

SPREAD = 6.0
"""Seconds over which the copies of one event are strewn."""
FORGERIES = 0.2
GONE = 1.5
"""Seconds that a killed replica stays away."""


@attrs.frozen(kw_only=True)
class Force:
    """How many deliveries at how many a second, and seconds between two kills."""

    webhooks: int
    rate: float
    kill_every: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.webhooks / self.rate


@attrs.define
class Storm:
    """One storm over one shop."""

    world: World
    account: Razorpay
    customers: Customers
    orders: Sequence[Bought]
    genuine: Webhooks
    forged: Webhooks
    force: Force
    chance: random.Random
    kills: int = 0
    _told: int = 0
    _tasks: set[asyncio.Task[object]] = attrs.field(factory=set)

    async def rage(self) -> None:
        """From the first payment to the last delivery."""
        killing = asyncio.create_task(self._kill())
        ends = time.monotonic() + self.force.seconds
        await asyncio.gather(self._pay(), self._forge(), self._tell(ends))
        await self._calm()
        while await self.finish():
            pass
        await self._fill()
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
        for replica in self.world.replicas.values():
            if not replica.child.running:
                replica.child.start()
        await self.world.ready()

    async def finish(self) -> bool:
        """Deliver what Razorpay tells after the storm, such as of refunds; whether there was any."""
        before = self._told
        await self._tell(time.monotonic() + 1)
        await self._calm()
        return self._told > before

    async def _fill(self) -> None:
        """Repeat what was told until there are as many deliveries as were asked for."""
        told = [event for event in self.account.book.events[: self._told] if not self._silent(event)]
        while (missing := self.force.webhooks - len(self.genuine.tries) - len(self.forged.tries)) > 0:
            for event in self.chance.choices(told, k=missing):
                self._begin(self._copy(event))
            await self._calm()

    def _silent(self, event: Event) -> bool:
        """Whether its order is one of which Razorpay never tells."""
        return any(one.gateway_order_id.encode() in event.body for one in self.orders if one.fate is Fate.SILENT)

    async def _pay(self) -> None:
        """Customers pay at any time in the first four fifths of it."""
        moments = sorted(self.chance.uniform(0, 0.8 * self.force.seconds) for _ in self.orders)
        began = time.monotonic()
        for moment, bought in zip(moments, self.chance.sample(self.orders, len(self.orders)), strict=True):
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            happen(self.account.book, bought)
            if bought.fate is Fate.RETURNED:
                self._begin(self._cancel(bought))

    async def _cancel(self, bought: Bought) -> None:
        """Before or after the shop hears of the payment."""
        await asyncio.sleep(self.chance.uniform(0, SPREAD))
        await self.customers.cancel(bought)

    async def _calm(self) -> None:
        """Until every delivery is over."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _tell(self, until: float) -> None:
        """Strew the copies of each new event."""
        expected = sum(EVENTS[one.fate] for one in self.orders)
        copies = max(1.0, self.force.webhooks * (1 - FORGERIES) / expected)
        while time.monotonic() < until:
            for event in self.account.book.events[self._told :]:
                self._told += 1
                if self._silent(event):
                    continue
                number = int(copies) + (self.chance.random() < copies % 1)
                self._begin(self._first(event))
                for _ in range(number - 1):
                    self._begin(self._copy(event))
            await asyncio.sleep(0.05)

    async def _first(self, event: Event) -> None:
        await asyncio.sleep(self.chance.uniform(0, SPREAD))
        await self.genuine.until_taken(event)

    async def _copy(self, event: Event) -> None:
        """A repeat; some come under another event id, which nobody signed."""
        await asyncio.sleep(self.chance.uniform(0, SPREAD))
        renamed = self.chance.random() < 0.1
        await self.genuine.once(attrs.evolve(event, id=new_id("evt")) if renamed else event)

    async def _forge(self) -> None:
        """Forgeries all the time: by another secret, of altered bodies, and of captures that never were."""
        count = int(self.force.webhooks * FORGERIES)
        began = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, began + (number + 1) * self.force.seconds / count - time.monotonic()))
            if events := self.account.book.events:
                self._begin(self._lie(self.chance.choice(events)))

    async def _lie(self, event: Event) -> None:
        capture = event.body.replace(b"payment.failed", b"payment.captured").replace(b'"failed"', b'"captured"')
        invented = attrs.evolve(event, id=new_id("evt"), body=capture)
        if self.chance.random() < 0.5:
            await self.forged.once(invented, secret=FORGED)
        else:
            await self.forged.once(event, body=capture.replace(b'"amount":', b'"amount":1'))

    async def _kill(self) -> None:
        """One replica after the other, as a power cut would."""
        for replica in itertools.cycle(self.world.replicas.values()):
            await asyncio.sleep(self.force.kill_every)
            await asyncio.to_thread(replica.child.kill)
            self.kills += 1
            await asyncio.sleep(GONE)
            replica.child.start()
            await replica.ready()

    def _begin(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
