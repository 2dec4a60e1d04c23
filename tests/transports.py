"""Replicas of the event machinery on a database of the kernel's own, over either transport. A pytest plugin."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import attrs
import pytest

from core.events.amqp.bridge import Bridge
from core.events.amqp.topology import Topology
from core.events.delivery import Delivery
from core.events.model import Event
from core.events.subscription import Subscription
from core.settings import EventSettings, RabbitmqSettings, Secret
from core.store import migrate
from core.store.db import Db
from core.store.pool import Pool
from core.tasks import Tasks
from tests.conftest import NewDatabase

MIGRATIONS = Path("core/store/migrations")
EMPTY = """TRUNCATE kernel.outbox, kernel.outbox_dead, kernel.inbox, kernel.dead_letters, kernel.operations,
    kernel.plugin_consumers"""
PATIENCE = 20.0
"""Seconds that anything may take on a busy machine."""


@pytest.fixture(scope="session")
async def kernel_url(new_database: NewDatabase) -> str:
    """A database that holds the kernel's schema only."""
    url = await new_database()
    await migrate.apply(url, migrate.read({"kernel": MIGRATIONS}))
    return url


@pytest.fixture
async def kernel_db(kernel_url: str) -> AsyncIterator[Db]:
    """Empty tables, and a pool of twelve."""
    pool = Pool(kernel_url, size=12, warm=1, connect=2, server={"lock_timeout": "800ms"})
    await pool.open()
    db = Db(pool)
    async with db.connection() as connection:
        await connection.execute("SET lock_timeout = '20s'")  # a transaction of the last test may be on its way out
        await connection.execute(EMPTY)
        await connection.execute("RESET lock_timeout")
    yield db
    assert pool.free == pool.opened, "a connection was not given back"
    await pool.close()
    assert pool.opened == 0


@attrs.define
class Replica:
    """One replica's delivery, and the tasks that it runs in."""

    delivery: Delivery
    tasks: Tasks

    @property
    def bridge(self) -> Bridge:
        assert self.delivery.bridge is not None
        return self.delivery.bridge

    async def stop(self) -> None:
        """As the app does it."""
        await self.delivery.stop(3)
        assert await self.tasks.stop(5) == []

    async def crash(self) -> None:
        """Nothing comes to its end."""
        assert await self.tasks.stop(5) == []


class Stage:
    """Replicas that share a database and, if `url` is given, a broker under a prefix of their own."""

    def __init__(self, db: Db, url: str | None) -> None:
        self.db, self.url = db, url
        self.prefix = f"test-{secrets.token_hex(4)}."
        self.replicas: list[Replica] = []

    def replica(
        self, subscriptions: Sequence[Subscription], *, delays: Sequence[float] = (0.05, 0.05), **events: Any
    ) -> Replica:
        """Start one."""
        tasks = Tasks()
        rabbitmq = RabbitmqSettings(url=Secret(self.url) if self.url else None, prefix=self.prefix)
        delivery = Delivery(self.db, tasks, subscriptions, EventSettings(**{"poll": 0.05, **events}), rabbitmq)
        delivery.bus._delays = tuple(delays)
        self.topology = Topology.of(self.prefix, subscriptions)
        made = Replica(delivery, tasks)
        self.replicas.append(made)
        delivery.start()
        return made

    async def emit(self, *events: Event) -> None:
        """Commit them."""
        async with self.db.transaction() as tx:
            for event in events:
                tx.emit(event)

    async def states(self) -> list[tuple[str, int, str | None]]:
        """State, attempts and last error of every delivery, in the order of events and consumers."""
        rows = await self.db.fetch("SELECT state, attempts, last_error FROM kernel.inbox ORDER BY seq, consumer")
        return [(row["state"], row["attempts"], row["last_error"]) for row in rows]

    async def settled(self, deliveries: int, budget: float = PATIENCE) -> list[tuple[str, int, str | None]]:
        """The states, once so many deliveries are done or dead and the outbox is empty."""

        async def all_settled() -> bool:
            counted = await self.db.fetchrow(
                """SELECT (SELECT count(*) FROM kernel.inbox WHERE state <> 'waiting') AS settled,
                   (SELECT count(*) FROM kernel.outbox WHERE published_at IS NULL) AS unpublished"""
            )
            return counted is not None and counted["settled"] >= deliveries and not counted["unpublished"]

        await until(all_settled, budget)
        return await self.states()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
        """A stranger's, on the same broker."""
        assert self.url
        async with await aio_pika.connect(self.url) as connection, connection.channel() as channel:
            yield channel

    async def clear(self) -> None:
        """Stop every replica and leave nothing on the broker."""
        for replica in self.replicas:
            await replica.stop()
        if self.url and self.replicas:
            async with self.channel() as channel:
                queues, exchanges = self.topology.names()
                for queue in queues:
                    await channel.queue_delete(queue)
                for exchange in exchanges:
                    await channel.exchange_delete(exchange)


async def until(true: Callable[[], Awaitable[object]], budget: float = PATIENCE) -> None:
    """Wait. Raises TimeoutError."""
    async with asyncio.timeout(budget):
        while not await true():
            await asyncio.sleep(0.02)


@pytest.fixture(params=["in-process", "rabbitmq"])
async def stage(request: pytest.FixtureRequest, kernel_db: Db) -> AsyncIterator[Stage]:
    """Each test once over either transport."""
    made = Stage(kernel_db, request.getfixturevalue("rabbit_url") if request.param == "rabbitmq" else None)
    yield made
    await made.clear()


@pytest.fixture
async def rabbit_stage(kernel_db: Db, rabbit_url: str) -> AsyncIterator[Stage]:
    """Over RabbitMQ only."""
    made = Stage(kernel_db, rabbit_url)
    yield made
    await made.clear()
