from typing import Any

import pytest
from aiormq.abc import ChannelFrame
from pamqp import commands as spec
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from tests.core.events.amqp.strangers import QUEUE, body, connected, letters, publish, step
from tests.core.events.handling import Handler, moved
from tests.transports import Stage, until


async def test_an_event_of_another_program_is_handled_too(rabbit_stage: Stage) -> None:
    handler = Handler()
    rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    await publish(rabbit_stage, body(metadata={}, extra=1), headers={"x-correlation-id": "theirs"})
    assert await rabbit_stage.settled(1) == [("done", 0, None)]
    assert [meta.correlation_id for meta in handler.metas] == ["theirs"]


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
