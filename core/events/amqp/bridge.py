"""The bridge between outbox and inbox that goes through RabbitMQ."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from core.events.amqp.intake import Intake
from core.events.amqp.letters import DeadLetters
from core.events.amqp.publisher import Heard, Publisher
from core.events.amqp.topology import Topology
from core.events.inbox import InboxRows
from core.events.subscription import Subscription

if TYPE_CHECKING:
    from core.settings import Secret
    from core.store.db import Db
    from core.tasks import Tasks


class Bridge:
    """Two connections that last: one publishes, one consumes."""

    def __init__(
        self,
        url: "Secret",
        prefix: str,
        subscriptions: Iterable[Subscription],
        db: "Db",
        told: Callable[[], None],
        heard: Heard,
    ) -> None:
        """`told` is called when there are new inbox rows."""
        topology = Topology.of(prefix, subscriptions)
        self.publisher = Publisher(url, topology, heard)
        self.letters = DeadLetters(db)
        self.intake = Intake(url, topology, self.publisher, InboxRows(db), self.letters, told)

    def start(self, tasks: "Tasks") -> None:
        """Connect, now or whenever there is a broker."""
        tasks.forever("publisher", self.publisher.run)
        tasks.forever("intake", self.intake.run)

    def drain(self) -> None:
        """Consume no more. What was published but not confirmed yet still may be."""
        self.intake.closing.set()

    @property
    def state(self) -> str:
        """`connected`, `blocked` (the broker is short of memory or disk), `partial` (a queue rests) or `away`."""
        if self.publisher.blocked:
            return "blocked"
        if not self.publisher.connected:
            return "away"
        return "partial" if self.intake.resting else "connected"
