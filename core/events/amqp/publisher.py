"""Publishing: every message mandatory, persistent, confirmed (RELIABILITY 4.6). The relay's transport.

It has a connection of its own: a broker that runs out of memory or disk stops reading from those that publish, and
consumers must go on then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import aio_pika
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError

from core.errors import Problem
from core.events.amqp.link import Link, Live, race
from core.events.amqp.message import encode
from core.events.amqp.topology import Topology
from core.events.outbox import OutboxRow, Report
from core.observe import tracing, tracing_kinds
from core.tasks import no_stray

if TYPE_CHECKING:
    from core.settings import Secret

log = logging.getLogger("core.events")
Heard = Callable[[], Awaitable[Sequence[tuple[str, str]]]]
"""Asks what all replicas listen to, those of another release too: consumers and event types. Raises Problem."""

CONFIRM = 5.0
"""Seconds for the broker's confirm (RELIABILITY 3)."""
LOOK = 0.2
"""Seconds between looks at a broker that is away or blocked."""
TROUBLE = (AMQPError, OSError, TimeoutError, RuntimeError)
"""What says nothing of the message, but of the broker or the way to it."""


class Unsent(Exception):
    """The broker did not confirm a message."""


class Publisher:
    """One channel, on which a whole batch is under way at once."""

    def __init__(self, url: "Secret", topology: Topology, heard: Heard) -> None:
        self._topology, self._heard = topology, heard
        self._link = Link(url, "publisher", self._serve)
        self._wanted = topology.types
        self._channel: aio_pika.abc.AbstractChannel | None = None
        self._live: Live | None = None
        self._open, self._doubtful = asyncio.Event(), asyncio.Event()
        self.blocked = False
        """The broker took our connection, but is short of memory or disk."""
        self.published = self.returned = 0
        """Events that were confirmed; events that came back because no queue wants them."""
        self.run, self.closing = self._link.run, self._link.closing

    @property
    def connected(self) -> bool:
        """Whether messages can be published now."""
        return self._open.is_set() and not self.blocked

    async def _serve(self, live: Live) -> None:
        channel = await live.connection.channel(publisher_confirms=True, on_return_raises=True)
        everybody = self._topology
        with suppress(Problem):
            everybody = self._topology.joined(await self._heard())
        self._wanted = everybody.types
        await everybody.declare(channel)
        self._channel, self._live = channel, live
        self._doubtful.clear()
        self._open.set()
        try:
            await race(live.ended(), _happened(self._doubtful), _happened(self.closing))
        finally:
            self._open.clear()
            self.blocked = False

    async def ready(self) -> None:
        """Come back when the broker takes messages."""
        while not await self._takes():  # noqa: ASYNC110  blocked or not: nobody tells
            await asyncio.sleep(LOOK)

    async def _takes(self) -> bool:
        self.blocked = self._live is not None and await self._live.blocked()
        return self.connected

    async def deliver(self, batch: Sequence[OutboxRow]) -> Report:
        """Publish; every row is in the report, after 5 s at most.

        Raises Problem where the database cannot say whether anybody listens to what came back.
        """
        tasks: dict[asyncio.Task[None], OutboxRow] = {asyncio.ensure_future(self._event(row)): row for row in batch}
        try:
            _, late = await asyncio.wait(tasks, timeout=CONFIRM)
        finally:
            for task in tasks:
                task.cancel()
        if any(_came_back(task) and row.event_type not in self._wanted for task, row in tasks.items()):
            self._wanted = self._topology.joined(await self._heard()).types
        report = self._report(tasks)
        if report.refused or (report.unreached and (not late or await self._takes())):
            log.warning("%d events were refused and %d not confirmed", len(report.refused), len(report.unreached))
            self._doubtful.set()  # a new connection, which also declares again what may have been deleted
        return report

    def _report(self, tasks: "dict[asyncio.Task[None], OutboxRow]") -> Report:
        taken, refused, unreached = list[int](), dict[int, str](), list[int]()
        for task, row in tasks.items():
            error = task.exception() if task.done() and not task.cancelled() else TimeoutError()
            if error is None:
                taken.append(row.seq)
            elif _came_back(task) and row.event_type not in self._wanted:
                self.returned += 1
                taken.append(row.seq)  # nobody listens, which is no fault of the event
            elif isinstance(error, TROUBLE) and not isinstance(error, DeliveryError):
                unreached.append(row.seq)
            else:
                refused[row.seq] = type(error).__name__
        self.published += len(taken)
        return Report(taken=taken, refused=refused, unreached=unreached)

    async def send(self, exchange: str, key: str, message: aio_pika.Message) -> None:
        """One message of the bridge's own. Raises Unsent after 5 s at most."""
        try:
            with no_stray():
                async with asyncio.timeout(CONFIRM):
                    await self._open.wait()
                    await self._publish(exchange, key, message)
        except Exception as error:
            raise Unsent(f"to {exchange or key}: {type(error).__name__}") from error

    async def _event(self, row: OutboxRow) -> None:
        span = None if tracing.armed is None else tracing_kinds.publishing(tracing.armed, row, self._topology.events)
        with span or tracing.NOTHING:
            message = encode(row, None if span is None else span.traceparent)
            await self._publish(self._topology.events, row.event_type, message)

    async def _publish(self, exchange: str, key: str, message: aio_pika.Message) -> None:
        if self._channel is None:
            raise ConnectionError("never connected")
        channel = await self._channel.get_underlay_channel()
        await channel.basic_publish(
            message.body, exchange=exchange, routing_key=key, properties=message.properties, mandatory=True
        )


def _came_back(task: "asyncio.Task[None]") -> bool:
    """Whether no queue took the message."""
    return task.done() and not task.cancelled() and isinstance(task.exception(), PublishError)


async def _happened(event: asyncio.Event) -> None:
    await event.wait()
