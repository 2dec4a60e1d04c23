import asyncio

import aio_pika
import orjson
import pytest

from core.context import Cause, cause
from core.types import uuid7
from tests.core.events.amqp.strangers import QUEUE, connected, step
from tests.core.events.handling import Handler, moved
from tests.core.events.samples import ParcelArrived, ParcelMoved
from tests.transports import Stage, until


async def test_a_message_has_the_shape_of_the_contract(rabbit_stage: Stage) -> None:
    rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)
    parcel, user = uuid7(), uuid7()
    async with rabbit_stage.channel() as channel:
        eavesdropper = await channel.declare_queue(exclusive=True)
        await eavesdropper.bind(rabbit_stage.topology.events, "parcel.#")
        token = cause.set(Cause("request-1", user))
        await rabbit_stage.emit(ParcelMoved(parcel_id=parcel, step_number=3))
        cause.reset(token)
        await rabbit_stage.settled(1)
        message = await eavesdropper.get()
    row = await rabbit_stage.db.fetchrow("SELECT event_id, seq, occurred_at FROM kernel.outbox")
    assert message is not None
    assert row is not None
    assert orjson.loads(message.body) == {
        "eventId": str(row["event_id"]),
        "eventType": "parcel.moved",
        "aggregateId": str(parcel),
        "aggregateType": "parcel",
        "timestamp": row["occurred_at"].isoformat().replace("+00:00", "Z"),
        "version": 1,
        "payload": {"parcelId": str(parcel), "stepNumber": 3},
        "metadata": {"correlationId": "request-1", "userId": str(user), "source": "vurksha"},
    }
    assert message.routing_key == "parcel.moved"
    assert message.message_id == str(row["event_id"])
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.headers["x-correlation-id"] == "request-1"


async def test_an_event_that_nobody_wants_comes_back_and_counts(rabbit_stage: Stage) -> None:
    replica = rabbit_stage.replica([moved(Handler())])
    await rabbit_stage.emit(ParcelArrived(parcel_id=uuid7()))
    await rabbit_stage.settled(0)
    publisher = replica.bridge.publisher
    assert (publisher.published, publisher.returned) == (1, 1)


async def test_an_exchange_that_is_gone_is_made_again_and_is_no_attempt(rabbit_stage: Stage) -> None:
    handler = Handler()
    rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    async with rabbit_stage.channel() as channel:
        await channel.exchange_delete(rabbit_stage.topology.events)
    await rabbit_stage.emit(step(1))
    assert await rabbit_stage.settled(1) == [("done", 0, None)]
    assert await rabbit_stage.db.fetchval("SELECT max(attempts) FROM kernel.outbox") == 0


async def test_a_broker_that_refuses_an_event_has_refused_it(rabbit_stage: Stage) -> None:
    """A full queue that may not grow."""
    replica = rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)
    async with rabbit_stage.channel() as channel:
        full = await channel.declare_queue(
            f"{rabbit_stage.prefix}full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        await full.bind(rabbit_stage.topology.events, "parcel.moved")
        await rabbit_stage.emit(*(step(number) for number in range(6)))

        async def refused() -> bool:
            return bool(await rabbit_stage.db.fetchval("SELECT max(attempts) >= 1 FROM kernel.outbox"))

        await until(refused)
        assert await rabbit_stage.db.fetchval("SELECT max(last_error) FROM kernel.outbox") == "DeliveryError"
        await channel.queue_delete(full.name)
    assert await rabbit_stage.settled(6) == [("done", 0, None)] * 6
    assert replica.bridge.publisher.returned == 0


async def test_a_queue_of_another_kind_stops_the_bridge_and_nothing_is_lost(
    rabbit_stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"{rabbit_stage.prefix}{QUEUE}"
    async with rabbit_stage.channel() as channel:
        await channel.declare_queue(name, durable=True)
        rabbit_stage.replica([moved(Handler())])
        await rabbit_stage.emit(step(1))
        await until(lambda: asyncio.sleep(0, "PreconditionFailed" in caplog.text))
        assert await rabbit_stage.states() == []
        await channel.queue_delete(name)
    assert await rabbit_stage.settled(1) == [("done", 0, None)]
