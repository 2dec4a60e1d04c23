"""The bridge and a broker that is well: what is published, what comes in, and what is done with strange messages."""

import asyncio
import logging
from typing import Any

import aio_pika
import orjson
import pytest
from aiormq.abc import ChannelFrame
from pamqp import commands as spec
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from core.context import Cause, cause
from core.errors import UNAVAILABLE, Problem
from core.events.amqp import consumer as consumer_module
from core.events.amqp import intake as intake_module
from core.types import uuid7
from tests.core.events.handling import Handler, moved
from tests.core.events.samples import ParcelArrived, ParcelMoved
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


async def test_an_event_of_another_program_is_handled_too(rabbit_stage: Stage) -> None:
    handler = Handler()
    rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    await publish(rabbit_stage, body(metadata={}, extra=1), headers={"x-correlation-id": "theirs"})
    assert await rabbit_stage.settled(1) == [("done", 0, None)]
    assert [meta.correlation_id for meta in handler.metas] == ["theirs"]


async def test_an_event_that_nobody_wants_comes_back_and_counts(rabbit_stage: Stage) -> None:
    replica = rabbit_stage.replica([moved(Handler())])
    await rabbit_stage.emit(ParcelArrived(parcel_id=uuid7()))
    await rabbit_stage.settled(0)
    publisher = replica.bridge.publisher
    assert (publisher.published, publisher.returned) == (1, 1)


POISON = (
    (b"\xff\x00not json", "is no JSON"),
    (b"", "is no JSON"),
    (b"[]", "must be an object"),
    (b"{}", "eventId is required"),
    (body(eventId="x"), "eventId must be a uuid"),
    (body(version=70_000), "version is out of range"),
    (body(timestamp="yesterday"), "timestamp"),
    (body(payload=[1]), "payload must be an object"),
    (b" " * 1_100_000, "larger than"),
    (body(payload={"text": "a\0b"}), "rejected"),
    (body(aggregateId="a\0b"), "rejected"),
)


async def test_poison_reaches_the_operators_table_and_holds_up_nothing(
    rabbit_stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler()
    rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    for message, _ in POISON:
        await publish(rabbit_stage, message, headers={"note": "x\0y", "list": [1, {"a": None}]})
    await publish(rabbit_stage, body())
    assert await rabbit_stage.settled(1) == [("done", 0, None)]
    found = await letters(rabbit_stage, len(POISON))
    assert {letter["consumer"] for letter in found} == {QUEUE}
    assert {letter["state"] for letter in found} == {"dead"}
    for message, reason in POISON:
        letter = next(one for one in found if one["body"] == message[:65_536] and one["size"] == len(message))
        assert reason in letter["reason"], letter["reason"]
        assert orjson.loads(letter["headers"])["list"] == [1, {"a": None}]
    assert sum(letter["event_type"] == "parcel.moved" for letter in found) == 2
    alarms = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert len(alarms) == len(POISON)


async def test_properties_that_cannot_be_decoded_end_no_connection(rabbit_stage: Stage) -> None:
    handler = Handler()
    replica = rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    async with rabbit_stage.channel() as channel:
        underlay, good = await channel.get_underlay_channel(), body()
        frames = [
            spec.Basic.Publish(exchange="", routing_key=rabbit_stage.topology.queue(QUEUE)),
            ContentHeader(body_size=len(good), properties=spec.Basic.Properties(message_type="POISON")),
            ContentBody(good),
        ]
        raw = b"".join(frame.marshal(each, underlay.number) for each in frames)
        await underlay.write_queue.put(
            ChannelFrame(raw.replace(b"POISON", b"\xff\xfe\xff\xfe\xff\xfe"), should_close=False)
        )
        assert await rabbit_stage.settled(1) == [("done", 0, None)]
    assert replica.bridge.intake.busy


async def test_a_dead_message_that_comes_again_is_the_same_letter(rabbit_stage: Stage) -> None:
    rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)
    for message in (b"1", b"1", b"2"):
        await publish(rabbit_stage, message, message_id="m")
    assert [letter["body"] for letter in await letters(rabbit_stage, 2)] == [b"1", b"2"]


async def test_a_message_that_cannot_be_written_takes_the_delay_queue_and_comes_back(
    rabbit_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Handler()
    replica = rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    rows, broken = replica.bridge.intake._rows, [1]
    real = rows.receive

    async def receive(consumer: str, arrivals: Any) -> None:
        if broken and any(arrival.aggregate_id == "bad" for arrival in arrivals):
            raise RuntimeError("a mistake of ours")
        await real(consumer, arrivals)

    monkeypatch.setattr(rows, "receive", receive)
    await publish(rabbit_stage, body(aggregateId="bad"))
    await publish(rabbit_stage, body(aggregateId="good"))
    assert await rabbit_stage.settled(1) == [("done", 0, None)]
    broken.clear()
    assert await rabbit_stage.settled(2) == [("done", 0, None)] * 2
    waited = await rabbit_stage.db.fetchval(
        "SELECT extract(epoch FROM max(received_at) - min(received_at))::float8 FROM kernel.inbox"
    )
    assert waited > 4
    assert handler.metas[1].aggregate_id == "bad"


async def test_after_the_last_delay_it_is_a_dead_letter(rabbit_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)

    async def receive(consumer: str, arrivals: Any) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(replica.bridge.intake._rows, "receive", receive)
    await publish(rabbit_stage, body(), headers={"x-failures": 5, "x-error": "RuntimeError"})
    letter = (await letters(rabbit_stage, 1))[0]
    assert (letter["reason"], letter["event_type"]) == ("RuntimeError", "parcel.moved")


async def test_the_last_queue_loses_nothing(rabbit_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)
    keep, failures = replica.bridge.letters.keep, [1]

    async def failing(*args: Any) -> None:
        if failures:
            raise RuntimeError("a mistake of ours")
        await keep(*args)

    monkeypatch.setattr(replica.bridge.letters, "keep", failing)
    await publish(rabbit_stage, b"poison")
    await asyncio.sleep(0.5)
    failures.clear()
    assert (await letters(rabbit_stage, 1))[0]["body"] == b"poison"


async def test_a_deleted_queue_is_noticed_and_made_again(rabbit_stage: Stage) -> None:
    handler = Handler()
    replica = rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    async with rabbit_stage.channel() as channel:
        await channel.queue_delete(rabbit_stage.topology.queue(QUEUE))

    async def noticed() -> bool:
        return not replica.bridge.intake.busy

    await until(noticed)
    await rabbit_stage.emit(step(1))
    assert await rabbit_stage.settled(1) == [("done", 0, None)]


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
    monkeypatch.setattr(intake_module, "HOLD", 0.5)
    monkeypatch.setattr(intake_module, "LOOK", 0.1)
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
    handler, parcel = Handler(), uuid7()
    rabbit_stage.replica([moved(handler)])
    await rabbit_stage.emit(*(ParcelMoved(parcel_id=parcel, step_number=number) for number in range(10)))

    async def all_published() -> bool:
        return not await rabbit_stage.db.fetchval("SELECT count(*) FROM kernel.outbox WHERE published_at IS NULL")

    await until(all_published)
    assert await rabbit_stage.states() == []
    monkeypatch.setattr(rows, "reachable", unreachable)
    assert await rabbit_stage.settled(10) == [("done", 0, None)] * 10
    assert [number for _, number in handler.seen] == list(range(10))


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


async def test_the_delays_are_the_promised_ones(rabbit_stage: Stage) -> None:
    rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)
    assert list(consumer_module.DELAYS.values()) == [5, 30, 120, 600, 3600]
    queues, exchanges = rabbit_stage.topology.names()
    async with rabbit_stage.channel() as channel:
        for name in queues:
            await channel.get_queue(name)
        for name in exchanges:
            await channel.get_exchange(name)
