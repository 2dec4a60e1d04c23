import asyncio
from typing import Any

import pytest

from core.errors import UNAVAILABLE, Problem
from core.events.amqp import intake as module
from core.events.amqp.topology import DELAYS
from core.types import uuid7
from tests.core.events.amqp.strangers import QUEUE, connected, step
from tests.core.events.handling import Handler, moved
from tests.core.events.samples import ParcelMoved
from tests.transports import PATIENCE, Stage, until


async def test_a_consumer_without_a_sign_of_life_gets_a_new_connection(
    rabbit_stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The queue's one active consumer is a stranger that reads nothing."""

    async def ignore(message: object) -> None:
        """And settles nothing."""

    replica = rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)
    intake = replica.bridge.intake
    intake._every, intake._silence = 0.1, 0.5
    await asyncio.sleep(1)
    assert "silent" not in caplog.text
    await replica.stop()
    rabbit_stage.replicas.remove(replica)
    async with rabbit_stage.channel() as channel:
        await channel.set_qos(1)
        queue = await channel.get_queue(rabbit_stage.topology.queue(QUEUE))
        await queue.consume(ignore)
        second = rabbit_stage.replica([moved(Handler())])
        second.bridge.intake._every, second.bridge.intake._silence = 0.1, 0.5

        async def said() -> bool:
            return f"{QUEUE} is silent" in caplog.text

        await until(said)


async def test_replicas_answer_each_others_pings(rabbit_stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        intake = rabbit_stage.replica([moved(Handler())]).bridge.intake
        intake._every, intake._silence = 0.1, 0.6
    await connected(rabbit_stage)
    await asyncio.sleep(2)
    assert "silent" not in caplog.text
    assert await rabbit_stage.states() == []


async def test_a_replica_without_a_database_gives_its_messages_to_another_in_order(
    rabbit_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOLD", 0.5)
    monkeypatch.setattr(module, "LOOK", 0.1)
    first = rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)
    first.delivery.bus.close()
    first.delivery.relay.close()
    rows = first.bridge.intake._rows

    async def away(*_: Any) -> bool:
        raise Problem(UNAVAILABLE)

    async def unreachable() -> bool:
        return False

    monkeypatch.setattr(rows, "receive", away)
    handler, parcel, arrived = Handler(), uuid7(), list[int]()
    others = rabbit_stage.replica([moved(handler)]).bridge.intake._rows
    real = others.receive

    async def receive(consumer: str, arrivals: Any) -> None:
        arrived.extend(arrival.seq for arrival in arrivals)
        await real(consumer, arrivals)

    monkeypatch.setattr(others, "receive", receive)
    await rabbit_stage.emit(*(ParcelMoved(parcel_id=parcel, step_number=number) for number in range(10)))

    async def all_published() -> bool:
        return not await rabbit_stage.db.fetchval("SELECT count(*) FROM kernel.outbox WHERE published_at IS NULL")

    await until(all_published)
    assert await rabbit_stage.states() == []
    monkeypatch.setattr(rows, "reachable", unreachable)
    assert await rabbit_stage.settled(10) == [("done", 0, None)] * 10
    assert [number for _, number in handler.seen] == list(range(10))
    assert arrived == sorted(arrived)


async def test_a_draining_replica_leaves_its_queues_to_others(rabbit_stage: Stage) -> None:
    first, handler = rabbit_stage.replica([moved(Handler())]), Handler()
    await connected(rabbit_stage)
    rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    first.delivery.drain()
    await rabbit_stage.emit(*(step(number) for number in range(5)))
    assert await rabbit_stage.settled(5) == [("done", 0, None)] * 5
    assert len(handler.seen) == 5
    assert not first.bridge.intake.busy
    assert first.bridge.intake.received == 0


async def test_what_a_draining_replica_still_writes_comes_before_what_others_get(
    rabbit_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, parcel, goes_on, writing = Handler(), uuid7(), asyncio.Event(), asyncio.Event()
    first = rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)  # whoever comes first is the one to consume
    rows = first.bridge.intake._rows
    real = rows.receive

    async def receive(consumer: str, arrivals: Any) -> None:
        writing.set()
        await goes_on.wait()
        await real(consumer, arrivals)

    monkeypatch.setattr(rows, "receive", receive)
    second = rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    await rabbit_stage.emit(ParcelMoved(parcel_id=parcel, step_number=1))
    await asyncio.wait_for(writing.wait(), PATIENCE)
    first.delivery.drain()
    await rabbit_stage.emit(*(ParcelMoved(parcel_id=parcel, step_number=number) for number in range(2, 6)))
    await until(lambda: asyncio.sleep(0, second.bridge.publisher.published >= 4))
    await asyncio.sleep(0.5)
    assert handler.seen == []
    goes_on.set()
    assert await rabbit_stage.settled(5) == [("done", 0, None)] * 5
    assert [number for _, number in handler.seen] == [1, 2, 3, 4, 5]
    assert (first.bridge.intake.received, first.bridge.intake.busy) == (1, False)


async def test_the_delays_are_the_promised_ones(rabbit_stage: Stage) -> None:
    rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)
    assert list(DELAYS.values()) == [5, 30, 120, 600, 3600]
    queues, exchanges = rabbit_stage.topology.names()
    async with rabbit_stage.channel() as channel:
        for name in queues:
            await channel.get_queue(name)
        for name in exchanges:
            await channel.get_exchange(name)
