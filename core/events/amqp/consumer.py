"""One queue's messages, taken in batches, in order."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import aio_pika
import asyncpg

from core.errors import Problem
from core.events.amqp.message import ERROR, FAILURES, PING, Undecodable, answer
from core.events.amqp.publisher import Publisher, Unsent
from core.events.amqp.topology import DELAYS, Topology

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

log = logging.getLogger("core.events")

PREFETCH = 200
AGAIN = 0.2
"""Seconds between attempts to write while the database is away."""

Take = Callable[[str, "Sequence[AbstractIncomingMessage]"], Awaitable[None]]
"""Writes messages of a queue down, all or none. Raises Problem when the database is away, Undecodable, or another."""


class Consumer:
    """Takes messages as long as `run` runs; settles each only when it is written down, here or in another queue."""

    def __init__(self, queue: str, take: Take, publisher: Publisher, topology: Topology) -> None:
        self.queue = queue
        self._take, self._publisher, self._topology = take, publisher, topology
        self._last = queue == topology.dead_queue
        self._waiting: deque[AbstractIncomingMessage] = deque()
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._cancelled = self._closing = False
        self.asked: float | None = None
        """When a ping was sent since the last sign of life."""

    async def start(self, connection: "AbstractConnection", answer_to: str) -> None:
        """Begin to consume. Pings that come from `answer_to` are our own."""
        self._mine = answer_to
        self._channel = await connection.channel(publisher_confirms=False)
        await self._channel.set_qos(PREFETCH)
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._cancel)
        self._channel.close_callbacks.add(self._cancel)
        self._queue = await self._channel.get_queue(self.queue, ensure=False)
        await self._queue.consume(self._arrive)

    def close(self) -> None:
        """Take no more. Not cancelled: the broker would let the next consumer begin while this one still writes.

        What was not settled goes to that one, in its order, when the connection ends.
        """
        self._closing = True

    async def idle(self) -> None:
        """Come back when the batch under way is settled."""
        await self._idle.wait()

    def _cancel(self, *_: object) -> None:
        self._cancelled = True
        self._wake.set()

    async def _arrive(self, message: "AbstractIncomingMessage") -> None:
        self.asked = None
        self._waiting.append(message)
        self._wake.set()

    async def run(self) -> None:
        """Until the broker ends the channel or the subscription: raises ConnectionError then."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._cancelled and not self._closing:
                raise ConnectionError(f"{self.queue} is no longer ours")
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if batch and not self._closing:
                self._idle.clear()
                await self._batch(batch)
                self._idle.set()

    async def _batch(self, batch: "list[AbstractIncomingMessage]") -> None:
        events = [message for message in batch if message.type != PING]
        try:
            if events:
                await self._written(events)
        except Exception:  # noqa: BLE001  one of them is at fault: which?
            for message in events:
                await self._one(message)
            events = []
        pings = [message for message in batch if message.type == PING]
        for message in pings:
            await self._answer(message)
        for message in [batch[-1]] if events else pings:
            await message.ack(multiple=bool(events))

    async def _written(self, messages: "list[AbstractIncomingMessage]") -> None:
        """Hold them while the database is away: there is no order to keep in a delay queue."""
        while True:
            try:
                await self._take(self.queue, messages)
            except Problem:
                await asyncio.sleep(AGAIN)
            else:
                return

    async def _one(self, message: "AbstractIncomingMessage") -> None:
        try:
            await self._written([message])
        except (Undecodable, asyncpg.DataError) as error:
            await self._failed(message, error, for_ever=True)
        except Exception as error:  # noqa: BLE001  whatever it is, the queue goes on
            await self._failed(message, error, for_ever=False)
        else:
            await message.ack()

    async def _failed(self, message: "AbstractIncomingMessage", error: Exception, *, for_ever: bool) -> None:
        before = message.headers.get(FAILURES)
        failures = max(0, before) if isinstance(before, int) else 0
        if self._last:  # nothing falls out of the last queue
            failures, for_ever = min(failures, len(DELAYS) - 1), False
        exchange = None if for_ever else self._topology.delay(failures)
        log.error("a message for %s cannot be written: %s", self.queue, type(error).__name__)
        if exchange is None:
            await message.reject(requeue=False)
            return
        later = aio_pika.Message(
            message.body,
            headers={**_plain(message), FAILURES: failures + 1, ERROR: type(error).__name__},
            content_type=message.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=message.message_id,
            type=message.type,
        )
        await self._publisher.send(exchange, self.queue, later)
        await message.ack()

    async def _answer(self, message: "AbstractIncomingMessage") -> None:
        """Tell another replica that its ping was read."""
        to = message.reply_to
        if to and to != self._mine and self._publisher.connected:
            try:
                await self._publisher.send("", to, answer(self.queue))
            except Unsent:
                log.info("a ping of %s has no answer", self.queue)


def _plain(message: "AbstractIncomingMessage") -> "dict[str, Any]":
    """Its plain headers, without the broker's account of deaths: it would conclude that the message goes in circles."""
    return {
        name: value for name, value in message.headers.items() if isinstance(value, str | int) and "death" not in name
    }
