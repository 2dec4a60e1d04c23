"""What is really broken of the shop and of its stores, and mended at the end of the block."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from tests.faults.proxy import Line, Mode
from tests.ops.watching.rehearsal.people import crowd, phone
from tests.ops.watching.rehearsal.scene import Scene


@asynccontextmanager
async def nothing(scene: Scene) -> AsyncIterator[None]:
    """All is well."""
    yield


@asynccontextmanager
async def nobody_orders(scene: Scene) -> AsyncIterator[None]:
    """Customers stay away, all of them."""
    scene.load.child.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        scene.load.child.signal(signal.SIGCONT)


@asynccontextmanager
async def declined(scene: Scene) -> AsyncIterator[None]:
    """Nobody's payment goes through."""
    for _ in range(8):
        await scene.person.decline(await scene.person.order("upi"))
    yield


@asynccontextmanager
async def gateway_refuses(scene: Scene) -> AsyncIterator[None]:
    """The provider of text messages answers 500."""
    scene.world.sms.fault = 500
    for _ in range(12):
        await scene.person.ask("POST", "/auth/send-otp", {"phone": phone()})
    for _ in range(8):
        await scene.person.order("cod")
    try:
        yield
    finally:
        scene.world.sms.fault = None


@asynccontextmanager
async def slow_database(scene: Scene) -> AsyncIterator[None]:
    """Each answer of PostgreSQL comes a third of a second late, and many ask."""
    for proxy in scene.world.proxies("postgres"):
        proxy.line = Line(latency=0.15)
    asking = asyncio.create_task(crowd(scene.person, "/orders?page=1&limit=20", 60))
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.wait({asking})
        for proxy in scene.world.proxies("postgres"):
            proxy.line = Line()


@asynccontextmanager
async def no_database(scene: Scene) -> AsyncIterator[None]:
    """No replica reaches PostgreSQL."""
    await scene.world.all_become("postgres", Mode.REFUSE)
    try:
        yield
    finally:
        await scene.world.all_become("postgres", Mode.PASS)
        await scene.world.ready()


@asynccontextmanager
async def cut_off(scene: Scene) -> AsyncIterator[None]:
    """One replica does not reach PostgreSQL; the other does."""
    await scene.two.proxies["postgres"].become(Mode.REFUSE)
    try:
        yield
    finally:
        await scene.two.proxies["postgres"].become(Mode.PASS)
        await scene.world.ready()


@asynccontextmanager
async def no_redis(scene: Scene) -> AsyncIterator[None]:
    """Redis is killed."""
    scene.world.redis.child.kill()
    try:
        yield
    finally:
        await scene.world.redis.start()


@asynccontextmanager
async def no_broker(scene: Scene) -> AsyncIterator[None]:
    """RabbitMQ is killed."""
    await scene.world.broker.kill()
    try:
        yield
    finally:
        await scene.world.broker.start()


@asynccontextmanager
async def locked(scene: Scene) -> AsyncIterator[None]:
    """Somebody's session holds the table that a consumer writes."""
    db = await asyncpg.connect(scene.shop())
    try:
        async with db.transaction():
            await db.execute("LOCK TABLE notifications.entries IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await db.close()


@asynccontextmanager
async def nonsense(scene: Scene) -> AsyncIterator[None]:
    """An event that no consumer can read."""
    db = await asyncpg.connect(scene.shop())
    try:
        await db.execute(
            "SELECT kernel.emit($1, 'order.created', 1, 'order', $2, '{\"not\": \"an order\"}', '{}')",
            uuid4(),
            str(uuid4()),
        )
    finally:
        await db.close()
    yield


@asynccontextmanager
async def wrong_table(scene: Scene) -> AsyncIterator[None]:
    """A column that the code asks for is not there."""
    db = await asyncpg.connect(scene.shop())
    try:
        await db.execute("ALTER TABLE users.addresses RENAME COLUMN city TO town")
        for _ in range(60):
            await scene.person.ask("GET", "/addresses")
        yield
    finally:
        await db.execute("ALTER TABLE users.addresses RENAME COLUMN town TO city")
        await db.close()
