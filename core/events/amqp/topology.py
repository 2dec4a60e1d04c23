"""What stands on the broker: names, arguments, bindings (CONTRACT B.8, RELIABILITY 4.7)."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from aio_pika import ExchangeType

from core.events.subscription import Subscription

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel

DELAYS = {"5s": 5, "30s": 30, "2min": 120, "10min": 600, "1h": 3600}
"""Seconds that a message waits which the inbox could not take, by the name of its queue."""
DELIVERY_LIMIT = 10
NEVER = 1_000_000
"""A delivery limit for the last queue, from which nothing may fall."""
SAFE: Mapping[str, Any] = {
    "x-queue-type": "quorum",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",  # at-least-once wants it
}


@attrs.frozen(kw_only=True)
class Topology:
    """The names, each with the prefix that keeps apps on one broker apart."""

    prefix: str
    bindings: Mapping[str, frozenset[str]]
    """Event types by consumer."""

    @classmethod
    def of(cls, prefix: str, subscriptions: Iterable[Subscription]) -> "Topology":
        """One queue for each consumer, bound to all its event types."""
        pairs = ((each.consumer, each.event.event_type) for each in subscriptions)
        return cls(prefix=prefix, bindings={}).joined(pairs)

    def joined(self, pairs: Iterable[tuple[str, str]]) -> "Topology":
        """The same with these consumers and their event types."""
        bindings = dict(self.bindings)
        for consumer, event_type in pairs:
            bindings[consumer] = bindings.get(consumer, frozenset()) | {event_type}
        return attrs.evolve(self, bindings=bindings)

    @property
    def types(self) -> frozenset[str]:
        """Of events that somebody listens to."""
        return frozenset().union(*self.bindings.values())

    @property
    def events(self) -> str:
        """The topic exchange that every event goes to."""
        return f"{self.prefix}vurksha.events"

    @property
    def dead_letters(self) -> str:
        """The topic exchange that dead messages go to, by the name of their queue."""
        return f"{self.prefix}vurksha.dlx"

    @property
    def dead_queue(self) -> str:
        """Where they wait for the drain."""
        return f"{self.prefix}vurksha.dead"

    def queue(self, consumer: str) -> str:
        """A consumer's queue."""
        return self.prefix + consumer

    def consumer(self, queue: str) -> str:
        """The consumer of a queue."""
        return queue.removeprefix(self.prefix)

    def delay(self, attempt: int) -> str | None:
        """The exchange, and its queue, in which a message waits after so many failures before. None: no more."""
        return f"{self.prefix}vurksha.delay.{list(DELAYS)[attempt]}" if attempt < len(DELAYS) else None

    def names(self) -> tuple[list[str], list[str]]:
        """Every queue and every exchange."""
        delays = [name for attempt in range(len(DELAYS)) if (name := self.delay(attempt))]
        queues = [*map(self.queue, self.bindings), self.dead_queue, *delays]
        return queues, [self.events, self.dead_letters, *delays]

    async def declare(self, channel: "AbstractChannel") -> None:
        """Make what is not there yet. Raises when something is there that differs."""
        events = await channel.declare_exchange(self.events, ExchangeType.TOPIC, durable=True)
        dead = await channel.declare_exchange(self.dead_letters, ExchangeType.TOPIC, durable=True)
        last: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": NEVER}
        await (await channel.declare_queue(self.dead_queue, durable=True, arguments=last)).bind(dead, "#")
        for attempt, seconds in enumerate(DELAYS.values()):
            name = self.delay(attempt) or ""
            # Comes back by the default exchange: its routing key is still the name of the queue that it left.
            back: dict[str, Any] = {**SAFE, "x-message-ttl": seconds * 1000, "x-dead-letter-exchange": ""}
            exchange = await channel.declare_exchange(name, ExchangeType.FANOUT, durable=True)
            await (await channel.declare_queue(name, durable=True, arguments=back)).bind(exchange)
        for consumer, types in self.bindings.items():
            queue = await channel.declare_queue(self.queue(consumer), durable=True, arguments=self._arguments(consumer))
            for event_type in sorted(types):
                await queue.bind(events, event_type)

    def _arguments(self, consumer: str) -> dict[str, Any]:
        return {
            **SAFE,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-single-active-consumer": True,  # two replicas would write one aggregate's events in either order
            "x-dead-letter-exchange": self.dead_letters,
            "x-dead-letter-routing-key": self.queue(consumer),
        }
