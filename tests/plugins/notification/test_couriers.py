"""Couriers at work beside a database that comes and goes."""

import asyncio
import time
from typing import Any

import attrs
import pytest

from core.errors import UNAVAILABLE, Problem
from core.tasks import Tasks
from plugins.notification.ports import Medium, Message
from tests.plugins.notification.conftest import PACE, FakeChannel, Room


async def test_a_mark_is_tried_again_when_the_database_was_away_for_a_moment(
    clean: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, _ = await clean.with_push()
    courier = clean.courier(Medium.PUSH, FakeChannel())
    real, calls = courier._deliveries.sent, 0

    async def once_away(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Problem(UNAVAILABLE)
        await real(*args)

    monkeypatch.setattr(courier._deliveries, "sent", once_away)
    await courier.round()
    assert await clean.states(user) == [("push", "SENT", None)]


async def test_a_mark_that_never_succeeds_leaves_the_delivery_to_its_lease(
    clean: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, _ = await clean.with_push()
    courier = clean.courier(Medium.PUSH, FakeChannel())

    async def away(*_: object) -> None:
        raise Problem(UNAVAILABLE)

    monkeypatch.setattr("plugins.notification.sending.MARK_PAUSE", 0)
    monkeypatch.setattr(courier._deliveries, "sent", away)
    await courier.round()
    assert await clean.states(user) == [("push", "PENDING", None)]


async def test_a_running_courier_wakes_at_a_poke_and_stops_after_what_is_under_way(clean: Room) -> None:
    channel, tasks, begun = FakeChannel(), Tasks(), asyncio.Event()

    async def slowly(_: Message) -> None:
        begun.set()
        await asyncio.sleep(0.2)

    channel.before = slowly
    courier = clean.courier(Medium.PUSH, channel, attrs.evolve(PACE, poll=60))
    tasks.forever("courier", courier.run)
    await asyncio.sleep(0.05)
    user, _ = await clean.with_push()
    began = time.monotonic()
    courier.poke()
    await asyncio.wait_for(begun.wait(), 2)
    await courier.stop(5)
    assert await tasks.stop(1) == []
    assert time.monotonic() - began < 2
    assert await clean.states(user) == [("push", "SENT", None)]


async def test_a_running_courier_outlives_a_database_that_is_away(clean: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    channel, tasks, failed = FakeChannel(), Tasks(), asyncio.Event()
    courier = clean.courier(Medium.PUSH, channel, attrs.evolve(PACE, poll=0.02))
    real = courier._deliveries.claim

    async def away_once(*args: Any) -> object:
        if not failed.is_set():
            failed.set()
            raise Problem(UNAVAILABLE)
        return await real(*args)

    monkeypatch.setattr(courier._deliveries, "claim", away_once)
    user, _ = await clean.with_push()
    tasks.forever("courier", courier.run)
    async with asyncio.timeout(5):
        while await clean.states(user) != [("push", "SENT", None)]:
            await asyncio.sleep(0.02)
    await courier.stop(5)
    await tasks.stop(1)


async def test_the_oldest_due_delivery_tells_how_late_the_couriers_are(clean: Room) -> None:
    courier = clean.courier(Medium.PUSH, FakeChannel())
    assert await courier._deliveries.oldest_due(tuple(Medium)) == 0
    user, _ = await clean.with_push()
    await clean.db.command(
        "UPDATE notifications.deliveries SET next_attempt_at = now() - interval '400 seconds' WHERE user_id = $1", user
    )
    assert await courier._deliveries.oldest_due(tuple(Medium)) == pytest.approx(400, abs=5)
