"""A broker that dies, hangs, refuses or blocks: nothing is lost, and nobody else waits (RELIABILITY 2)."""

import asyncio
import time

import pytest

from core.types import uuid7
from tests.core.events.handling import Handler, moved
from tests.core.events.samples import ParcelMoved
from tests.rabbit import Rabbit
from tests.transports import Stage, until

BACK = 5.0
"""Seconds from a broker's return to the first publish."""
BUSY = 3
"""How much longer a busy machine may take."""


def parcels(count: int, step: int = 0) -> list[ParcelMoved]:
    return [ParcelMoved(parcel_id=uuid7(), step_number=step) for _ in range(count)]


def published(stage: Stage) -> int:
    return sum(replica.bridge.publisher.published for replica in stage.replicas)


async def goes_on(stage: Stage, before: int) -> None:
    """An event is published soon."""

    async def more() -> bool:
        return published(stage) > before

    await until(more, BACK * BUSY)


async def committing(stage: Stage, count: int) -> None:
    """Commits go on at their own pace, whatever the broker does."""
    for event in parcels(count):
        async with asyncio.timeout(1 * BUSY):
            await stage.emit(event)


async def test_a_broker_that_is_killed_and_comes_back(broken: Stage, rabbit: Rabbit) -> None:
    handler = Handler()
    replicas = [broken.replica([moved(handler)]) for _ in range(2)]
    await committing(broken, 20)
    await broken.settled(20)
    await asyncio.sleep(2)  # a queue made within the last second is one that RabbitMQ 3.10 does not recover
    await asyncio.to_thread(rabbit.kill)
    await committing(broken, 20)
    await asyncio.sleep(1)
    assert replicas[0].bridge.state == "away"
    assert await broken.db.fetchval("SELECT max(attempts) FROM kernel.outbox") == 0
    before = published(broken)
    await asyncio.to_thread(rabbit.start)
    await goes_on(broken, before)
    assert await broken.settled(40) == [("done", 0, None)] * 40
    assert len(handler.seen) == 40


async def test_a_broker_that_hangs_holds_nobody(broken: Stage, rabbit: Rabbit) -> None:
    handler = Handler()
    replica = broken.replica([moved(handler)])
    await committing(broken, 5)
    await broken.settled(5)
    rabbit.freeze()
    try:
        await committing(broken, 20)
        began = time.monotonic()

        async def given_up() -> bool:
            return replica.bridge.state == "away"

        await until(given_up)
        assert time.monotonic() - began < 5 * BUSY
        before = published(broken)
    finally:
        rabbit.thaw()
    await goes_on(broken, before)
    assert await broken.settled(25) == [("done", 0, None)] * 25
    assert len(handler.seen) == 25


async def test_a_broker_short_of_memory_blocks_publishing_only(broken: Stage, rabbit: Rabbit) -> None:
    handler = Handler()
    replica = broken.replica([moved(handler)])
    await committing(broken, 5)
    await broken.settled(5)
    await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "0.00001")
    try:
        await committing(broken, 20)

        async def blocked() -> bool:
            return replica.bridge.state == "blocked"

        await until(blocked)
        await asyncio.sleep(1)
        assert replica.bridge.intake.busy, "consumers stay"
        assert await broken.db.fetchval("SELECT max(attempts) FROM kernel.outbox") == 0
        before = published(broken)
    finally:
        await asyncio.to_thread(rabbit.control, "set_vm_memory_high_watermark", "absolute", "512MiB")
    await goes_on(broken, before)
    assert await broken.settled(25) == [("done", 0, None)] * 25
    assert len(handler.seen) == 25


async def test_stopping_while_the_broker_hangs_takes_no_longer_than_allowed(broken: Stage, rabbit: Rabbit) -> None:
    replica = broken.replica([moved(Handler())])
    await committing(broken, 5)
    await broken.settled(5)
    rabbit.freeze()
    try:
        await committing(broken, 5)
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await replica.stop()
        assert time.monotonic() - began < 5 * BUSY
    finally:
        rabbit.thaw()
    broken.replicas.remove(replica)
    async with broken.db.transaction() as tx:
        await tx.execute("UPDATE kernel.outbox SET next_attempt_at = now() WHERE published_at IS NULL")
    broken.replica([moved(Handler())])
    assert await broken.settled(10) == [("done", 0, None)] * 10


@pytest.mark.slow
async def test_what_waited_while_the_broker_was_away_is_soon_through(broken: Stage, rabbit: Rabbit) -> None:
    """12,000 events of 4,000 orders in 60 s, by a replica that began without a broker."""
    await asyncio.to_thread(rabbit.kill)
    fill = """INSERT INTO kernel.outbox (event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata)
        SELECT gen_random_uuid(), 'parcel.moved', 1, 'parcel', (n % 4000)::text,
            jsonb_build_object('parcelId', '01890000-0000-7000-8000-000000000000', 'stepNumber', n),
            '{"correlationId": "c"}' FROM generate_series(1, 12000) n"""
    async with broken.db.transaction() as tx:
        await tx.execute(fill)
    handler = Handler()
    replica = broken.replica([moved(handler)])
    await asyncio.sleep(1)
    assert replica.bridge.state == "away"
    await asyncio.to_thread(rabbit.start)

    async def arrived() -> bool:
        left = await broken.db.fetchval("SELECT count(*) FROM kernel.outbox WHERE published_at IS NULL")
        return not left and replica.bridge.intake.received >= 12_000

    await until(arrived, 60 * BUSY)
    await broken.settled(12_000, 60 * BUSY)
    assert len(handler.seen) == 12_000
