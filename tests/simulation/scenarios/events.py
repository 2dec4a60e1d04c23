"""Outbox and inbox: replicas announce events, hand them on and handle them, while everything around them fails.

Promises (RELIABILITY 2, 4.6 and 4.7): no event lost, none twice in effect, each first given in the order of its
aggregate, each failure retried at its delay and dead after the last, nothing counted that was not the handler's fault.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import attrs

from core.errors import Problem
from core.events.bus import Bus
from core.events.inbox import InboxRows
from core.events.model import Event, EventMeta
from core.events.outbox import OutboxRows
from core.events.relay import Carrier, Relay, Straight
from core.events.subscription import Subscription
from core.store.db import Db, Tx
from core.tasks import Tasks
from tests.simulation.faults import Faults
from tests.simulation.postgres import Meaning, Tables
from tests.simulation.replicas import Replica
from tests.simulation.storage import Outcome, Row, Statement, Txn
from tests.simulation.world import World

FAULTS = 15.0
"""Seconds in which things go wrong."""
SLACK = 20.0
"""Seconds that a healthy system may take beyond its own delays."""
DELAYS = ((0.5, 2.0, 5.0), (5.0, 30.0), (1.0,), (0.2, 0.2, 0.2, 0.2, 0.2))


@attrs.frozen(kw_only=True)
class Moved(Event):
    """An event that can be read."""

    event_type: ClassVar[str] = "parcel.moved"
    aggregate_type: ClassVar[str] = "parcel"
    aggregate_key: ClassVar[str] = "parcel"
    parcel: str
    step: int


@attrs.frozen(kw_only=True)
class Garbled(Event):
    """One of the same type that nobody can read."""

    event_type: ClassVar[str] = "parcel.moved"
    aggregate_type: ClassVar[str] = "parcel"
    aggregate_key: ClassVar[str] = "parcel"
    parcel: str


class Refused(Exception):
    """The handler would not."""


NEXT_STEP = "the aggregate's row lock, and its next step"
EFFECT = "what a handler does in its transaction"


def next_step(txn: Txn, tables: Tables, parcel: str) -> Statement:
    yield from txn.insert(tables["parcels"], parcel, {"step": 0})
    record = tables["parcels"].records[parcel]
    yield from txn.lock(record)
    seen = txn.see(record)
    assert seen is not None
    txn.write(record, step=seen["step"] + 1)
    return Outcome([Row({"step": seen["step"] + 1})])


def effect(txn: Txn, tables: Tables, consumer: str, event_id: UUID) -> Statement:
    key = consumer, event_id
    if not (yield from txn.insert(tables["effects"], key, {"times": 1})):
        record = tables["effects"].records[key]
        yield from txn.lock(record)
        seen = txn.see(record)
        assert seen is not None
        txn.write(record, times=seen["times"] + 1)
    return Outcome(count=1)


MEANINGS: dict[str, Meaning] = {NEXT_STEP: next_step, EFFECT: effect}


class Consumer:
    """A handler with a temper, and the promises that can be checked whenever it is called."""

    def __init__(self, world: World, name: str, delays: Sequence[float]) -> None:
        self.world, self.name, self._delays = world, name, delays
        self._fails, self._sleeps = world.rng.choice((0.0, 0.1, 0.5)), world.rng.choice((0.0, 0.0, 0.1))
        self._poison = world.rng.choice((0.0, 0.0, 0.1))
        self._poisoned: dict[UUID, bool] = {}
        self.runs: dict[UUID, list[tuple[float, int]]] = defaultdict(list)
        """When each event was given, and how many failures were noted before."""

    async def __call__(self, tx: Tx, event: Moved, meta: EventMeta) -> None:
        self._given(event, meta.event_id)
        await tx.execute(EFFECT, self.name, meta.event_id)
        rng = self.world.rng
        if rng.random() < self._sleeps:
            await asyncio.sleep(rng.choice((0.01, 0.5, 5.0)))
        if self._poisoned.setdefault(meta.event_id, rng.random() < self._poison) or rng.random() < self._fails:
            self.world.note("handler fails", f"{self.name} {event.parcel} {event.step}")
            raise Refused

    def _given(self, event: Moved, event_id: UUID) -> None:
        world, runs, tables = self.world, self.runs[event_id], self.world.server.tables
        row = tables["inbox"].records[self.name, event_id].committed
        assert row is not None
        attempts = row["attempts"]
        world.note("handled", f"{self.name} {event.parcel} {event.step} attempt {attempts + 1}")
        if not runs:
            for other in tables["outbox"].rows():
                if other["aggregate_id"] == event.parcel and other["seq"] < row["seq"]:
                    told = other["event_id"] in self.runs or is_garbled(other)
                    world.check(told, f"{self.name} is first given {event.parcel} {event.step} in order")
        else:
            before = runs[-1][1]
            first = next(at for at, noted in runs if noted == before)  # of several, the first may be the one noted
            world.check(attempts - before <= 1, "an attempt is counted for a run of the handler only")
            if attempts > before:
                world.check(
                    world.now >= first + self._delays[before],
                    f"{self.name} is given a failed event again after its delay",
                )
        runs.append((world.now, attempts))


def is_garbled(row: dict[str, Any]) -> bool:
    """Whether the stored event cannot be read."""
    return '"step"' not in row["payload"]


class Events:
    """The scenario."""

    extra = 0.0
    """Seconds more that a way with more in between may take."""

    def __init__(self, world: World) -> None:
        self.world, rng = world, world.rng
        self.delays, self.poll = rng.choice(DELAYS), rng.choice((1.0, 1.0, 3.0))
        self.consumers = [Consumer(world, name, self.delays) for name in ("shop.mail", "shop.stock")]
        self.subscriptions = [Subscription(each.name, Moved, each) for each in self.consumers]
        self.replicas = [Replica(world, f"replica {n}", self.replica) for n in range(rng.choice((1, 2, 3)))]
        self._parcels = [f"parcel-{n}" for n in range(rng.choice((1, 3, 6)))]
        self._gap, self._garbled = rng.choice((0.7, 2.0, 5.0)), rng.choice((0.0, 0.0, 0.05))

    async def replica(self, _: Replica, db: Db, tasks: Tasks) -> None:
        """What a process does: hand on, handle, and answer requests."""
        rng = self.world.rng
        bus = Bus(
            InboxRows(db), tasks, self.subscriptions, concurrency=rng.choice((1, 3)), poll=self.poll,
            delays=self.delays, timeout=3.0,
        )  # fmt: skip
        relay = Relay(self.carrier(db, bus, tasks), poll=self.poll, batch=rng.choice((1, 3, 200)))
        db.on_events = relay.poke
        tasks.forever("relay", relay.run)
        tasks.forever("bus", bus.run)
        await self.requests(db)

    def carrier(self, db: Db, bus: Bus, tasks: Tasks) -> Carrier:
        """Without a broker."""
        return Straight(OutboxRows(db), self.subscriptions, bus.poke)

    async def run(self) -> None:
        """Things go wrong, then they stop going wrong, then all must come out right."""
        faults = Faults(self.world, FAULTS)
        self.faults(faults)
        for replica in self.replicas:
            replica.start()
        await faults.over()
        limit = sum(self.delays) + SLACK + 3 * self.poll + self.extra
        await self.world.until(self.settled, limit, "every event is handled or dead")
        self.examine()

    def faults(self, faults: Faults) -> None:
        """What may go wrong."""
        faults.database()
        for replica in self.replicas:
            faults.replica(lambda r=replica: r.process, replica.start)  # type: ignore[misc]  # of this turn

    async def requests(self, db: Db) -> None:
        """What a replica's users do: each request announces one event or two, in one transaction."""
        rng = self.world.rng
        while (pause := rng.expovariate(1 / self._gap)) < FAULTS - self.world.now:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(4), db.transaction() as tx:
                    await self._announce(tx)
            except (Problem, TimeoutError, OSError) as error:
                self.world.note("request fails", type(error).__name__)

    async def _announce(self, tx: Tx) -> None:
        rng = self.world.rng
        for parcel in sorted(rng.sample(self._parcels, rng.choice((1, 1, min(2, len(self._parcels)))))):
            step = await tx.fetchval(NEXT_STEP, parcel)
            garbled = rng.random() < self._garbled
            tx.emit(Garbled(parcel=parcel) if garbled else Moved(parcel=parcel, step=step))
            self.world.say(f"announces {parcel} {step}")

    # -- the checks

    def settled(self) -> bool:
        """Whether nothing is left to do."""
        tables = self.world.server.tables
        return not tables["outbox"].live and not tables["inbox"].live

    def examine(self) -> None:
        """Every event that was committed, at every consumer."""
        tables, check = self.world.server.tables, self.world.check
        inbox, effects = tables["inbox"].records, tables["effects"].records
        for event in tables["outbox"].rows():
            self.world.count("events")
            for consumer in self.consumers:
                key = consumer.name, event["event_id"]
                check(key in inbox, f"event {event['seq']} reached {consumer.name}")
                row = inbox[key].committed
                assert row is not None
                effect = effects[key].committed if key in effects else {"times": 0}
                assert effect is not None
                times = effect["times"]
                check(
                    times == (row["state"] == "done"),
                    f"event {event['seq']} took effect once at {consumer.name}, not {times}",
                )
                self._counted(consumer, event, row)
        check(
            len(tables["outbox"].rows()) == sum(row["step"] for row in tables["parcels"].rows()),
            "no event without its change, no change without its event",
        )

    def _counted(self, consumer: Consumer, event: dict[str, Any], row: dict[str, Any]) -> None:
        check, runs = self.world.check, consumer.runs.get(event["event_id"], [])
        if is_garbled(event):
            check((row["state"], row["attempts"]) == ("dead", 1), "an event that cannot be read is dead at once")
            return
        check(row["attempts"] <= len(runs), "no attempt is counted without a run")
        if row["state"] == "dead":
            self.world.count("dead")
            check(row["attempts"] == len(self.delays) + 1, "an event is dead after the last attempt, not before")


async def events(world: World) -> None:
    """Without a broker: the relay's statement writes the inbox rows."""
    await Events(world).run()
