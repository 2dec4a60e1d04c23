"""A queue that gives no consumer, such as one without a leader: the others go on, and it is asked again."""

import asyncio
from typing import Any

import pytest

from core.events.amqp import intake as module
from core.events.subscription import Subscription
from core.store.db import Tx
from core.types import uuid7
from tests.core.events.amqp.strangers import QUEUE, connected, step
from tests.core.events.handling import Handler, moved
from tests.core.events.samples import ParcelArrived
from tests.rabbit import Rabbit
from tests.transports import Stage, until

SICK = "parcel.first"
"""Asked before the other."""


def _both(handler: Handler, arrivals: list[Any]) -> list[Subscription]:
    async def arrived(_: Tx, event: ParcelArrived, __: object) -> None:
        arrivals.append(event.parcel_id)

    return [Subscription(SICK, ParcelArrived, arrived), moved(handler)]


def _leader(stage: Stage, rabbit: Rabbit, act: str) -> None:
    """Do something to the process that leads the sick queue: it is the only one."""
    rabbit.control("eval", f"sys:{act}(whereis('%2F_{stage.prefix}{SICK}')).")


async def test_one_queue_without_a_leader_holds_up_no_other(
    broken: Stage, rabbit: Rabbit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "BEGIN", 1.0)
    monkeypatch.setattr(module, "REST", (4.0, 4.0))
    handler, arrivals = Handler(), list[Any]()
    first = broken.replica(_both(handler, arrivals))
    await connected(broken)
    await first.stop()
    broken.replicas.remove(first)
    await asyncio.to_thread(_leader, broken, rabbit, "suspend")
    try:
        second = broken.replica(_both(handler, arrivals))

        async def resting() -> bool:
            return second.bridge.state == "partial"

        await until(resting)
        assert second.bridge.intake.resting == [broken.topology.queue(SICK)]
        await broken.emit(*(step(number) for number in range(5)))
        await broken.settled(5)
        assert len(handler.seen) == 5
        assert f"{broken.prefix}{SICK} gives no consumer" in caplog.text
        assert QUEUE not in second.bridge.intake.resting
    finally:
        await asyncio.to_thread(_leader, broken, rabbit, "resume")
    await connected(broken)
    await broken.emit(ParcelArrived(parcel_id=uuid7()))
    await broken.settled(6)
    assert len(arrivals) == 1


async def test_once_may_be_an_accident(broken: Stage) -> None:
    intake = broken.replica([moved(Handler())]).bridge.intake
    await connected(broken)
    intake._rest("a queue")
    assert intake.resting == []
    for seconds in (30, 60, 120, 240, 480, 600, 600):
        intake._rest("a queue")
        left = intake._resting["a queue"] - asyncio.get_running_loop().time()
        assert seconds - 5 < left <= seconds
    assert intake.resting == ["a queue"]
