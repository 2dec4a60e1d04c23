import asyncio
import logging
from typing import Any

import orjson
import pytest

from tests.core.events.amqp.strangers import QUEUE, body, connected, letters, publish
from tests.core.events.handling import Handler, moved
from tests.transports import Stage

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
    (body(payload={"text": "a\0b"}), "e\\u0000"),
    (body(aggregateId="a\0b"), "e\\u0000"),
)


async def test_poison_reaches_the_operators_table_and_holds_up_nothing(
    rabbit_stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler()
    rabbit_stage.replica([moved(handler)])
    await connected(rabbit_stage)
    for message, _ in POISON:
        await publish(
            rabbit_stage, message, headers={"note": "x\0y", "list": [1, {"a": None}], "x-error": "e\0\\u0000"}
        )
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


async def test_a_dead_message_that_comes_again_is_the_same_letter(rabbit_stage: Stage) -> None:
    rabbit_stage.replica([moved(Handler())])
    await connected(rabbit_stage)
    for message in (b"1", b"1", b"2"):
        await publish(rabbit_stage, message, message_id="m")
    assert [letter["body"] for letter in await letters(rabbit_stage, 2)] == [b"1", b"2"]


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
