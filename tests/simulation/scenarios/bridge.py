"""Outbox and inbox with RabbitMQ between them: the events scenario once more, by way of a broker that has its moods.

Beyond its promises: what the broker is to blame for never counts against an event, and however many replicas there are,
an event goes to a broker that does not answer no more often than its lease or its pause allows.
"""

from core.events.amqp.bridge import Bridge
from core.events.bus import Bus
from core.events.outbox import OutboxRows
from core.events.relay import Leased
from core.settings import Secret
from core.store.db import Db
from core.tasks import Tasks
from tests.simulation.broker import Broker, Connection
from tests.simulation.faults import Faults
from tests.simulation.loop import Process
from tests.simulation.scenarios.events import Events
from tests.simulation.world import World

LEASE = 16.0
"""Seconds: the lease, and what a relay with a slow clock may add."""
SILENCE = 45.0
"""Seconds until a dead consumer is noticed by its silence, and replaced."""


class Bridged(Events):
    """The same with a bridge."""

    extra = LEASE + SILENCE

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.broker = Broker(world.loop, world.rng)
        world.dial = lambda: Connection(self.broker)
        world.on_death.append(self.broker.died)

    def carrier(self, db: Db, bus: Bus, tasks: Tasks) -> Leased:
        """By way of the broker."""
        bridge = Bridge(Secret("amqp://memory/"), "", self.subscriptions, db, bus.poke, nobody_else)
        bridge.start(tasks)
        return Leased(OutboxRows(db), bridge.publisher)

    def faults(self, faults: Faults) -> None:
        """Those of the broker too."""
        super().faults(faults)
        broker, rng = self.broker, self.world.rng
        faults.maybe("broker crash", 8, 3, broker.crash, broker.restart)
        faults.maybe(
            "broker hang", 10, 4, lambda: _pause(broker.process, on=True), lambda: _pause(broker.process, on=False)
        )
        faults.maybe(
            "broker blocked", 10, 3, lambda: setattr(broker, "blocked", True), lambda: setattr(broker, "blocked", False)
        )
        broker.loses = rng.choice((0.0, 0.0, 0.05))

    def settled(self) -> bool:
        """Nor is anything on its way through the broker."""
        tables = self.world.server.tables
        keys = [(each.name, event["event_id"]) for event in tables["outbox"].rows() for each in self.consumers]
        return super().settled() and all(key in tables["inbox"].records for key in keys)

    def examine(self) -> None:
        """Also: the broker's trouble is no attempt, and nothing died on the way."""
        super().examine()
        tables = self.world.server.tables
        self.world.check(not tables["outbox_dead"].rows(), "no event dies of a broker that is away")
        attempts = [row["attempts"] for row in tables["outbox"].rows()]
        self.world.check(not any(attempts), "a broker that is away never counts as an attempt")
        self.world.seen["published"] = self.broker.published


async def nobody_else() -> list[tuple[str, str]]:
    """All replicas are of one release."""
    return []


def _pause(process: Process, *, on: bool) -> None:
    process.paused = on


async def bridge(world: World) -> None:
    """With RabbitMQ."""
    await Bridged(world).run()
