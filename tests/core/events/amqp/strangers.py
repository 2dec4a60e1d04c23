"""What other programs put on the broker, and looks at what became of it."""

from typing import Any

import aio_pika
import orjson

from core.types import uuid7
from tests.core.events.samples import ParcelMoved
from tests.transports import Stage, until

QUEUE = "parcel.watch"


def step(number: int) -> ParcelMoved:
    return ParcelMoved(parcel_id=uuid7(), step_number=number)


def body(**changes: Any) -> bytes:
    """An event as another program may write it."""
    return orjson.dumps({
        "eventId": str(uuid7()), "eventType": "parcel.moved", "aggregateId": "p", "aggregateType": "parcel",
        "timestamp": "2026-11-22T10:00:00Z", "version": 1,
        "payload": {"parcelId": str(uuid7()), "stepNumber": 5}, "metadata": {"correlationId": "c"}, **changes,
    })  # fmt: skip


async def publish(stage: Stage, message: bytes, **properties: Any) -> None:
    """As another program does it."""
    async with stage.channel() as channel:
        await channel.default_exchange.publish(
            aio_pika.Message(message, **properties), stage.topology.queue(QUEUE), mandatory=True
        )


async def connected(stage: Stage) -> None:
    async def all_are() -> bool:
        return all(each.bridge.intake.busy and each.bridge.state == "connected" for each in stage.replicas)

    await until(all_are)


async def letters(stage: Stage, count: int) -> list[dict[str, Any]]:
    """What is in kernel.dead_letters, once there are so many."""

    async def there() -> bool:
        return bool(await stage.db.fetchval("SELECT count(*) >= $1 FROM kernel.dead_letters", count))

    await until(there)
    rows = await stage.db.fetch("SELECT * FROM kernel.dead_letters ORDER BY id")
    return [dict(row) for row in rows]
