"""A RabbitMQ in memory, in the place of `aio_pika.Connection`: what the bridge asks of a broker, and ways to fail.

Durable queues with one active consumer each, confirms, returns, unacknowledged messages that come back in their order.
The delay queues of the bridge are for messages that a healthy database refuses, of which there are none here.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from types import SimpleNamespace
from typing import Any

import aio_pika
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from tests.simulation.loop import OWNER, TICK, Process, VirtualLoop

Arrive = Callable[[Any], Awaitable[None]]
PREFETCH = 200
GREETING = 0.002


class Queue:
    """Messages in order, and the consumers in order of their arrival: the first of them is the active one."""

    def __init__(self) -> None:
        self.ready: deque[aio_pika.Message] = deque()
        self.consumers: list[Channel] = []

    def push(self) -> None:
        """Give the active consumer what it may have."""
        while self.ready and self.consumers and len(self.consumers[0].unsettled) < PREFETCH:
            self.consumers[0].deliver(self, self.ready.popleft())

    def leave(self, channel: "Channel") -> None:
        """A consumer goes: what it did not settle comes first again."""
        if channel in self.consumers:
            self.consumers.remove(channel)
        back = [message for queue, message in channel.unsettled.values() if queue is self]
        channel.unsettled = {tag: each for tag, each in channel.unsettled.items() if each[0] is not self}
        self.ready.extendleft(reversed(back))
        self.push()


class Broker:
    """The node."""

    def __init__(self, loop: VirtualLoop, rng: Random) -> None:
        self.loop, self._rng = loop, rng
        self.process = Process("rabbitmq", 0)
        self.queues: dict[str, Queue] = {}
        self.bindings: dict[tuple[str, str], list[str]] = {}
        self.connections: list[Connection] = []
        self.up, self.blocked = True, False
        self.refuses = self.loses = 0.0
        """How often a publish is answered by a nack, or not at all."""
        self.published = 0

    def delay(self) -> float:
        """Seconds for one way."""
        return self._rng.random() * 0.002

    def chance(self, share: float) -> bool:
        """Whether it happens now."""
        return bool(share) and self._rng.random() < share

    def route(self, exchange: str, key: str) -> list[Queue]:
        """Where a message goes."""
        names = [key] if not exchange else self.bindings.get((exchange, key), [])
        return [self.queues[name] for name in names if name in self.queues]

    def crash(self) -> None:
        """Connections break; what was stored stays."""
        self.up = False
        for connection in list(self.connections):
            connection.broken()

    def restart(self) -> None:
        """It takes connections again."""
        self.up = True

    def died(self, owner: Process) -> None:
        """A client process died: its sockets are closed."""
        for connection in list(self.connections):
            if connection.owner is owner:
                connection.to_broker(connection.gone)


class Connection:
    """As `aio_pika.Connection`."""

    def __init__(self, broker: Broker) -> None:
        self.broker, self.owner = broker, OWNER.get()
        self.kwargs: dict[str, Any] = {}
        self.close_callbacks: set[Callable[..., Any]] = set()
        self.transport = self
        self._channels: list[Channel] = []
        self._open = False
        self._last = [0.0, 0.0]

    async def connect(self) -> None:
        """Raises ConnectionError."""
        met = self.broker.loop.create_future()
        self.to_broker(lambda: self.to_client(lambda: met.done() or met.set_result(None)))
        await met
        if not self.broker.up:
            raise ConnectionRefusedError("no broker")
        self._open = True
        self.broker.connections.append(self)

    async def ready(self) -> None:
        """Waits while the broker reads nothing."""
        while self.broker.blocked:
            await asyncio.sleep(0.5)

    async def channel(self, **_: object) -> "Channel":
        """Raises ConnectionError."""
        if not self._open:
            raise ConnectionError("the connection is closed")
        self._channels.append(Channel(self))
        return self._channels[-1]

    async def close(self) -> None:
        """Close it."""
        self._open = False
        self.to_broker(self.gone)

    def gone(self) -> None:
        """The broker notices."""
        if self in self.broker.connections:
            self.broker.connections.remove(self)
        for channel in self._channels:
            channel.leave()

    def broken(self) -> None:
        """Both sides notice."""
        self.gone()
        self.to_client(self._broken)

    def _broken(self) -> None:
        self._open = False
        for channel in self._channels:
            channel.broken()
        for callback in self.close_callbacks:
            callback(self, ConnectionError("lost"))

    def to_broker(self, work: Callable[..., object], *args: Any) -> None:
        """A message, in order."""
        self._travel(0, self.broker.process, work, *args)

    def to_client(self, work: Callable[..., object], *args: Any) -> None:
        """As above."""
        self._travel(1, self.owner, work, *args)

    def _travel(self, way: int, to: Process, work: Callable[..., object], *args: Any) -> None:
        loop = self.broker.loop
        at = self._last[way] = max(loop.time() + self.broker.delay(), self._last[way] + TICK)
        loop.call_at(at, work, *args, context=to.context)


class Channel:
    """As aio_pika's channel, and as the aiormq channel below it."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.broker = connection, connection.broker
        self.close_callbacks: set[Callable[..., Any]] = set()
        self.on_consumer_cancel_callbacks: set[Callable[..., Any]] = set()
        self.unsettled: dict[int, tuple[Queue, aio_pika.Message]] = {}
        self._arrive: dict[Queue, Arrive] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._tags = 0

    async def set_qos(self, prefetch: int) -> None:
        """The same for all."""

    async def get_underlay_channel(self) -> "Channel":
        return self

    async def declare_exchange(self, name: str, *_: object, **__: object) -> str:
        return name

    async def declare_queue(self, name: str = "", **_: object) -> "Declared":
        name = name or f"answers-{self.broker.loop.steps}"
        self.broker.queues.setdefault(name, Queue())
        return Declared(self, name)

    async def get_queue(self, name: str, **_: object) -> "Declared":
        return Declared(self, name)

    async def basic_publish(
        self, body: bytes, *, exchange: str, routing_key: str, properties: Any, **_: object
    ) -> None:
        """Confirmed, or DeliveryError, PublishError, ConnectionError."""
        asked: asyncio.Future[None] = self.broker.loop.create_future()
        self._waiting.append(asked)
        message = aio_pika.Message(body, headers=properties.headers, type=properties.message_type,
                                   reply_to=properties.reply_to, correlation_id=properties.correlation_id)  # fmt: skip
        self.connection.to_broker(self._publish, asked, exchange, routing_key, message)
        await asked

    def _publish(self, asked: "asyncio.Future[None]", exchange: str, key: str, message: aio_pika.Message) -> None:
        broker, found = self.broker, self.broker.route(exchange, key)
        if broker.chance(broker.refuses):
            self.connection.to_client(_fail, asked, DeliveryError(None, Basic.Nack()))
            return
        for queue in found:
            queue.ready.append(message)
            queue.push()
        broker.published += bool(exchange)
        if broker.chance(broker.loses):
            self.connection.broken()
        elif found:
            self.connection.to_client(lambda: asked.done() or asked.set_result(None))
        else:
            back = Basic.Return(312, "NO_ROUTE", exchange, key)
            returned = DeliveredMessage(back, ContentHeader(), b"", self)  # type: ignore[arg-type]  # of this channel
            self.connection.to_client(_fail, asked, PublishError(returned, back))

    def consume(self, queue: Queue, arrive: Arrive) -> None:
        """At the broker: it wants messages."""
        self._arrive[queue] = arrive
        queue.consumers.append(self)
        queue.push()

    def deliver(self, queue: Queue, message: aio_pika.Message) -> None:
        """At the broker: send one."""
        self._tags += 1
        tag, arrive = self._tags, self._arrive[queue]
        self.unsettled[tag] = queue, message
        given = SimpleNamespace(
            body=message.body, headers=message.headers, type=message.type, reply_to=message.reply_to,
            correlation_id=message.correlation_id, message_id=None, content_type=None,
            ack=lambda *, multiple=False: self._ack(tag, multiple=multiple),
        )  # fmt: skip
        self.connection.to_client(lambda: asyncio.ensure_future(arrive(given)))

    async def _ack(self, tag: int, *, multiple: bool) -> None:
        self.connection.to_broker(self._settle, tag, multiple)

    def _settle(self, tag: int, multiple: bool) -> None:
        settled = [each for each in self.unsettled if each == tag or (multiple and each < tag)]
        queues = {id(queue): queue for queue in (self.unsettled.pop(each)[0] for each in settled)}
        for queue in queues.values():
            queue.push()

    def leave(self) -> None:
        """At the broker: the channel is gone."""
        for queue in list(self._arrive):
            queue.leave(self)
        self._arrive.clear()

    def broken(self) -> None:
        """At the client."""
        for asked in self._waiting:
            _fail(asked, ConnectionError("lost"))
        for callback in self.close_callbacks:
            callback(self, ConnectionError("lost"))


class Declared:
    """As aio_pika's queue."""

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel, self.name = channel, name

    async def bind(self, exchange: str, key: str = "") -> None:
        """So that what goes there with this key comes here."""
        bound = self._channel.broker.bindings.setdefault((exchange, key), [])
        if self.name not in bound:
            bound.append(self.name)

    async def consume(self, arrive: Arrive, **_: object) -> None:
        """Messages arrive, one call for each."""
        queue = self._channel.broker.queues[self.name]
        self._channel.connection.to_broker(self._channel.consume, queue, arrive)


def _fail(asked: "asyncio.Future[None]", error: Exception) -> None:
    if not asked.done():
        asked.set_exception(error)
