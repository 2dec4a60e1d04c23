"""The intake: messages become inbox rows, and dead ones rows of kernel.dead_letters (RELIABILITY 4.7).

Handlers, their retries and their order are the bus's business, as without a broker. Every replica consumes every queue;
the broker gives each queue to one of them at a time. A queue that gives no consumer, such as one without a leader,
rests for a while, so that the others go on.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core.events.amqp.consumer import Consumer, Take
from core.events.amqp.letters import DeadLetters
from core.events.amqp.link import Link, Live, race
from core.events.amqp.message import decode, ping
from core.events.amqp.publisher import Publisher, Unsent
from core.events.amqp.topology import Topology
from core.events.inbox import InboxRows

if TYPE_CHECKING:
    from aio_pika.abc import AbstractIncomingMessage

    from core.settings import Secret

log = logging.getLogger("core.events")

PING = 10.0
SILENCE = 30.0
"""Seconds between pings through each consumer, and without an answer until the connection is made anew."""
HOLD = 5.0
"""Seconds that a replica without a database keeps its messages. Then another replica may have them."""
LOOK = 1.0
BEGIN = 5.0
"""Seconds that a queue has to give us a consumer. A broker may think for a minute, then end the whole connection."""
REST = 30.0, 600.0
"""Seconds for which a queue is left alone that gave none twice in a row: doubled each time, up to the second."""


class Intake:
    """The consuming side of the bridge, on a connection of its own."""

    def __init__(
        self,
        url: "Secret",
        topology: Topology,
        publisher: Publisher,
        rows: InboxRows,
        letters: DeadLetters,
        told: Callable[[], None],
        *,
        every: float = PING,
        silence: float = SILENCE,
    ) -> None:
        """`told` is called when there are new inbox rows. In seconds: pings `every` so often, at most `silence`."""
        self._topology, self._publisher, self._rows, self._letters = topology, publisher, rows, letters
        self._told, self._every, self._silence = told, every, silence
        self._link = Link(url, "intake", self._serve)
        self._consumers: list[Consumer] = []
        self._asking = ""
        """The queue that is asked for a consumer right now."""
        self._refused: Counter[str] = Counter()
        """How many times in a row a queue gave none."""
        self._resting: dict[str, float] = {}
        """Until when a queue is left alone, by the loop's clock."""
        self.received = 0
        """Messages that became inbox rows."""
        self.run, self.closing = self._link.run, self._link.closing

    @property
    def busy(self) -> bool:
        """Whether there are consumers."""
        return bool(self._consumers)

    @property
    def resting(self) -> list[str]:
        """Queues that gave no consumer and are left alone."""
        return sorted(self._resting)

    async def _serve(self, live: Live) -> None:
        try:
            await race(live.ended(), self._consume(live), self._leave())
        finally:
            self._consumers = []
            if self._asking and not self.closing.is_set():
                self._rest(self._asking)

    async def _consume(self, live: Live) -> None:
        channel = await live.connection.channel(publisher_confirms=False)
        await self._topology.declare(channel)
        while not await self._rows.reachable():  # noqa: ASYNC110  the database is asked
            await asyncio.sleep(LOOK)
        answers = await channel.declare_queue(exclusive=True, auto_delete=True)
        await answers.consume(self._answered, no_ack=True)
        takes: dict[str, Take] = {self._topology.queue(name): self._take for name in self._topology.bindings}
        takes[self._topology.dead_queue] = self._bury
        now = asyncio.get_running_loop().time()
        given = {queue: take for queue, take in takes.items() if self._resting.get(queue, now) <= now}
        consumers = [Consumer(queue, take, self._publisher, self._topology) for queue, take in given.items()]
        for consumer in consumers:
            self._asking = consumer.queue
            async with asyncio.timeout(BEGIN):
                await consumer.start(live.connection, answers.name)
            self._asking = ""
            self._refused.pop(consumer.queue, None)
            self._resting.pop(consumer.queue, None)
        self._consumers = consumers
        rested = (self._rested(until) for until in self._resting.values())
        await race(self._keep_asking(answers.name), self._watch(), *rested, *(consumer.run() for consumer in consumers))

    def _rest(self, queue: str) -> None:
        """The connection ended before the queue gave a consumer. Once may be an accident."""
        self._asking = ""
        self._refused[queue] += 1
        if (times := self._refused[queue]) > 1:
            seconds = min(REST[0] * 2 ** (times - 2), REST[1])
            self._resting[queue] = asyncio.get_running_loop().time() + seconds
            log.error("%s gives no consumer and is left alone for %.0f s: see BrokerAway", queue, seconds)

    @staticmethod
    async def _rested(until: float) -> None:
        """Come back when a queue may be asked again, which takes a connection that nobody else needs meanwhile."""
        await asyncio.sleep(until - asyncio.get_running_loop().time())

    async def _leave(self) -> None:
        await self.closing.wait()
        for consumer in self._consumers:
            consumer.close()
        for consumer in self._consumers:
            await consumer.idle()

    async def _take(self, queue: str, messages: "Sequence[AbstractIncomingMessage]") -> None:
        await self._rows.receive(
            self._topology.consumer(queue), [decode(message.body, message.headers) for message in messages]
        )
        self.received += len(messages)
        self._told()

    async def _bury(self, _: str, messages: "Sequence[AbstractIncomingMessage]") -> None:
        await self._letters.keep(self._topology, messages)

    async def _watch(self) -> None:
        """Raises when the database was away for a while: whoever has one should have the messages."""
        clock = asyncio.get_running_loop().time
        seen = clock()
        while True:
            if await self._rows.reachable():
                seen = clock()
            elif clock() - seen > HOLD:
                raise ConnectionError("the inbox cannot be written")
            await asyncio.sleep(LOOK)

    async def _keep_asking(self, answer_to: str) -> None:
        """Raises when a consumer gives no sign of life, wherever it is: this connection may be the reason."""
        clock = asyncio.get_running_loop().time
        while True:
            for consumer in self._consumers:
                try:
                    await self._publisher.send("", consumer.queue, ping(consumer.queue, answer_to))
                except Unsent:
                    continue  # nothing is known of the consumer
                consumer.asked = consumer.asked or clock()
            await asyncio.sleep(self._every)
            for consumer in self._consumers:
                if consumer.asked is not None and clock() - consumer.asked > self._silence:
                    raise ConnectionError(f"{consumer.queue} is silent")

    async def _answered(self, message: "AbstractIncomingMessage") -> None:
        for consumer in self._consumers:
            if consumer.queue == message.correlation_id:
                consumer.asked = None
