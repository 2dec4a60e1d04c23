"""Couriers: never lost, at most one repeat per crash, never late, never to the wrong phone."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import attrs
import pytest

from plugins.notification.models import RETRY_AFTER
from plugins.notification.ports import Medium, Message, Permanent, Sent, Temporary
from plugins.notification.sending import Courier
from plugins.notification.templates import BUILT_IN
from tests.plugins.notification.conftest import PACE, FakeChannel, Room


async def test_a_push_carries_what_the_app_needs(clean: Room) -> None:
    user, token = await clean.with_push()
    channel = FakeChannel()
    assert await clean.courier(Medium.PUSH, channel).round() == 1
    (message,) = channel.sent
    (entry,), _ = await clean.service.page(user, 1, 20, unread=False)
    assert message.to == token
    assert message.text == entry.body
    assert message.data["notificationId"] == str(entry.id)
    assert message.data["actionType"] == "order_details"
    assert message.data["actionData"] == '{"orderId":"' + (entry.action_data or {})["orderId"] + '"}'
    assert 86_000 < message.expires_in <= 86_400
    assert await clean.states(user) == [("push", "SENT", None)]
    assert await clean.courier(Medium.PUSH, channel).round() == 0


async def test_an_sms_goes_to_the_phone_as_it_is_now_without_a_rupee_sign(clean: Room) -> None:
    user = clean.users.add(email=None)
    await clean.service.change_preferences(user, {"sms_enabled": True})
    await clean.tell(user)
    clean.users.known[user] = attrs.evolve(clean.users.known[user], phone="+919000000001")
    channel = FakeChannel()
    await clean.courier(Medium.SMS, channel).round()
    assert channel.sent[0].to == "+919000000001"
    assert "Rs. 1,234.50" in channel.sent[0].text
    assert channel.sent[0].text.isascii()
    assert "orderId" not in channel.sent[0].variables


async def test_a_mail_goes_to_the_mailbox(clean: Room) -> None:
    user = clean.users.add()
    await clean.tell(user)
    channel = FakeChannel()
    await clean.courier(Medium.EMAIL, channel).round()
    assert channel.sent[0].to == "asha@example.com"
    assert channel.sent[0].title == "We have your order"


async def test_two_replicas_racing_send_each_message_once(clean: Room) -> None:
    for _ in range(60):
        await clean.with_push()
    channel = FakeChannel()
    pace = attrs.evolve(PACE, concurrency=7)
    couriers = [clean.courier(Medium.PUSH, channel, pace) for _ in range(3)]

    async def drain(courier: Courier) -> None:
        while await courier.round():
            pass

    await asyncio.gather(*map(drain, couriers))
    assert len(channel.sent) == 60
    assert len({message.key for message in channel.sent}) == 60


async def test_no_more_are_under_way_than_allowed(clean: Room) -> None:
    for _ in range(10):
        await clean.with_push()
    channel, now, most = FakeChannel(), 0, 0

    async def slowly(_: Message) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1

    channel.before = slowly
    courier = clean.courier(Medium.PUSH, channel, attrs.evolve(PACE, concurrency=4))
    assert [await courier.round() for _ in range(4)] == [4, 4, 2, 0]
    assert most == 4


async def test_a_crash_between_send_and_mark_costs_one_repeat_under_the_same_key(clean: Room) -> None:
    user, _ = await clean.with_push()
    channel = FakeChannel()

    async def crash(_: Message) -> None:
        raise asyncio.CancelledError

    channel.after = crash
    with suppress(asyncio.CancelledError):
        await clean.courier(Medium.PUSH, channel).round()
    assert await clean.states(user) == [("push", "PENDING", None)]
    channel.after = None
    survivor = clean.courier(Medium.PUSH, channel)
    assert await survivor.round() == 0, "the lease of the dead one still holds"
    await clean.run_out(user)
    assert [await survivor.round(), await survivor.round()] == [1, 0]
    assert len(channel.sent) == 2
    assert channel.sent[0].key == channel.sent[1].key
    assert await clean.states(user) == [("push", "SENT", None)]


@pytest.mark.parametrize(
    "odd",
    [Sent("whisper", 12345), Sent("\0", "ref\0\ud800"), Sent("w" * 10_000, "r" * 10_000)],  # type: ignore[arg-type]  # odd on purpose
    ids=["number", "nul", "long"],
)
async def test_whatever_a_channel_says_of_what_it_took_is_marked(clean: Room, odd: Sent) -> None:
    user, _ = await clean.with_push()

    class Odd:
        async def send(self, _: Message) -> Sent:
            return odd

    await clean.courier(Medium.PUSH, Odd()).round()
    assert await clean.states(user) == [("push", "SENT", None)]


async def test_whatever_a_channel_says_of_what_it_refused_is_marked(clean: Room) -> None:
    user, _ = await clean.with_push()
    channel = FakeChannel()
    channel.failures = [Temporary("whisper", "\0busy", retry_after="soon"), Permanent("whisper", 9)]  # type: ignore[arg-type]  # odd on purpose
    courier = clean.courier(Medium.PUSH, channel)
    await courier.round()
    assert await clean.states(user) == [("push", "PENDING", "busy")]
    await clean.run_out(user)
    await courier.round()
    assert await clean.states(user) == [("push", "FAILED", "9")]


async def test_a_text_that_cannot_be_filled_costs_only_its_own_delivery(
    clean: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = attrs.evolve(BUILT_IN["ORDER_PLACED"], email="We come {} {when}")
    monkeypatch.setitem(clean.texts, "BAD", bad)
    innocent, hit = [clean.users.add() for _ in range(3)], clean.users.add()
    await clean.tell(innocent[0])
    await clean.tell(hit, "BAD")
    await clean.tell(innocent[1])
    await clean.tell(innocent[2])
    channel = FakeChannel()
    await clean.courier(Medium.EMAIL, channel).round()
    assert await clean.states(hit) == [("email", "FAILED", "bad_text")]
    assert [await clean.states(user) for user in innocent] == [[("email", "SENT", None)]] * 3


async def test_a_delivery_that_cannot_be_marked_leaves_those_beside_it_alone(
    clean: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    users = [(await clean.with_push())[0] for _ in range(4)]
    courier = clean.courier(Medium.PUSH, FakeChannel())
    real, calls = courier._deliveries.sent, 0

    async def once_broken(*args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("somebody's name")
        await asyncio.sleep(0.01)  # so that those beside it are still under way
        await real(*args)

    monkeypatch.setattr(courier._deliveries, "sent", once_broken)
    assert await courier.round() == 4
    assert sorted([(await clean.states(user))[0][1] for user in users]) == ["PENDING", "SENT", "SENT", "SENT"]
    assert "failed with ValueError" in caplog.text
    assert "somebody" not in caplog.text


async def test_a_process_that_slept_through_its_lease_sends_nothing(clean: Room) -> None:
    user, _ = await clean.with_push()
    channel = FakeChannel()
    asleep = clean.courier(Medium.PUSH, channel, attrs.evolve(PACE, lease=5, slowest=6))
    assert await asleep.round() == 1
    assert channel.sent == []
    assert await clean.states(user) == [("push", "PENDING", None)]


async def test_a_send_that_would_outlast_its_lease_is_given_up(clean: Room) -> None:
    user, _ = await clean.with_push()
    channel = FakeChannel()

    async def hang(_: Message) -> None:
        await asyncio.Event().wait()

    channel.before = hang
    async with asyncio.timeout(10):
        await clean.courier(Medium.PUSH, channel, attrs.evolve(PACE, slowest=0.5)).round()
    assert await clean.states(user) == [("push", "PENDING", "timeout")]


async def test_a_temporary_failure_is_tried_again_after_the_agreed_waits_and_then_given_up(clean: Room) -> None:
    user, _ = await clean.with_push()
    channel = FakeChannel()
    channel.failures = [Temporary("fcm", "unavailable") for _ in range(9)]
    courier, waits = clean.courier(Medium.PUSH, channel), []
    while await courier.round():
        waits.append(
            await clean.db.fetchval(
                "SELECT round(extract(epoch FROM next_attempt_at - now()))::int FROM notifications.deliveries"
                " WHERE user_id = $1 AND state = 'PENDING'",
                user,
            )
        )
        await clean.run_out(user)
    assert waits[:5] == pytest.approx(RETRY_AFTER, abs=1)
    assert waits[5:] == [None]
    assert await clean.states(user) == [("push", "FAILED", "unavailable")]


async def test_what_fails_first_and_then_works_was_sent_once(clean: Room) -> None:
    user, _ = await clean.with_push()
    channel = FakeChannel()
    channel.failures = [Temporary("fcm", "timeout")]
    courier = clean.courier(Medium.PUSH, channel)
    await courier.round()
    assert await clean.states(user) == [("push", "PENDING", "timeout")]
    await clean.run_out(user)
    await courier.round()
    assert len(channel.sent) == 1
    assert await clean.states(user) == [("push", "SENT", None)]


async def test_a_dead_device_is_switched_off_at_once(clean: Room) -> None:
    user, token = await clean.with_push()
    channel = FakeChannel()
    channel.failures = [Permanent("fcm", "unregistered", dead_address=True)]
    await clean.courier(Medium.PUSH, channel).round()
    assert await clean.states(user) == [("push", "FAILED", "unregistered")]
    await clean.tell(user)
    assert len(await clean.states(user)) == 1
    await clean.register(user, token, "android")
    await clean.tell(user)
    assert len(await clean.states(user)) == 2


async def test_another_permanent_refusal_leaves_the_device(clean: Room) -> None:
    user, _ = await clean.with_push()
    channel = FakeChannel()
    channel.failures = [Permanent("fcm", "invalid_argument")]
    await clean.courier(Medium.PUSH, channel).round()
    await clean.tell(user)
    assert [state for _, state, _ in await clean.states(user)] == ["FAILED", "PENDING"]


async def test_a_phone_that_changed_hands_gets_nothing_of_its_former_owner(clean: Room) -> None:
    user, token = await clean.with_push()
    await clean.register(clean.users.add(), token, "android")
    channel = FakeChannel()
    await clean.courier(Medium.PUSH, channel).round()
    assert channel.sent == []
    assert await clean.states(user) == [("push", "FAILED", "no_address")]


async def test_a_customer_who_left_gets_no_mail(clean: Room) -> None:
    user = clean.users.add()
    await clean.tell(user)
    del clean.users.known[user]
    channel = FakeChannel()
    await clean.courier(Medium.EMAIL, channel).round()
    assert channel.sent == []
    assert await clean.states(user) == [("email", "FAILED", "no_address")]


async def test_old_news_is_dropped_not_sent_late(clean: Room) -> None:
    user, _ = await clean.with_push()
    await clean.db.command("UPDATE notifications.deliveries SET expires_at = now() WHERE user_id = $1", user)
    channel = FakeChannel()
    await clean.courier(Medium.PUSH, channel).round()
    assert channel.sent == []
    assert await clean.states(user) == [("push", "FAILED", "expired")]


async def test_a_channel_that_breaks_is_a_temporary_failure_and_nothing_personal_is_logged(
    clean: Room, caplog: pytest.LogCaptureFixture
) -> None:
    user, token = await clean.with_push()
    channel = FakeChannel()

    async def broken(message: Message) -> None:
        raise ValueError(message.to)

    channel.before = broken
    with caplog.at_level(logging.DEBUG):
        await clean.courier(Medium.PUSH, channel).round()
    assert await clean.states(user) == [("push", "PENDING", "internal")]
    assert token not in caplog.text
    assert "ValueError" in caplog.text
