"""FCM against a server that speaks its protocol."""

import asyncio

import attrs
import pytest

from plugins.notification.channels.build import Channels
from plugins.notification.ports import Medium, Permanent, Sent, Temporary
from tests.plugins.notification.world import PUSH, World
from tests.providers import server
from tests.providers.google import Google


async def test_a_push_reaches_the_device_with_one_access_token_for_many(world: World, channels: Channels) -> None:
    push = channels.by_medium[Medium.PUSH]
    first, _ = await push.send(PUSH), await push.send(PUSH)
    assert first == Sent("fcm", "projects/farm-shop/messages/1")
    assert world.google.token_calls == 1
    got = world.google.delivered[0]
    assert got["token"] == "device-1"
    assert got["notification"] == {"title": PUSH.title, "body": PUSH.text}
    assert got["data"] == PUSH.data
    assert got["android"]["notification"]["tag"] == got["apns"]["headers"]["apns-collapse-id"] == PUSH.key


async def test_an_access_token_is_replaced_before_it_ends_or_when_it_is_refused(
    world: World, channels: Channels
) -> None:
    push = channels.by_medium[Medium.PUSH]
    world.google.lifetime = 100  # below the margin: never kept
    await push.send(PUSH)
    world.google.lifetime = 3599
    await push.send(PUSH)
    assert world.google.token_calls == 2
    world.google.access.clear()
    with pytest.raises(Temporary):
        await push.send(PUSH)
    await push.send(PUSH)
    assert world.google.token_calls == 3


async def test_those_who_wait_for_an_access_token_share_what_comes_of_it(world: World, channels: Channels) -> None:
    push = channels.by_medium[Medium.PUSH]
    world.google.fault = server.HANG
    said = await asyncio.gather(*(push.send(PUSH) for _ in range(4)), return_exceptions=True)
    assert [getattr(one, "reason", one) for one in said] == ["timeout"] * 4
    assert world.google.calls == 1, "else the fourth would wait for four time-outs"
    world.google.fault, world.google.lifetime = None, 100  # below the margin: never kept, but good for those who wait
    assert all([await push.send(PUSH)])
    await asyncio.gather(*(push.send(PUSH) for _ in range(4)))
    assert world.google.token_calls == 2


@pytest.mark.parametrize(
    ("where", "reason"), [("gone", "unregistered"), ("foreign", "sender_id_mismatch"), ("odd", "invalid_argument")]
)
async def test_a_dead_token_is_refused_for_good(world: World, channels: Channels, where: str, reason: str) -> None:
    getattr(world.google, where).add("device-1")
    with pytest.raises(Permanent) as refused:
        await channels.by_medium[Medium.PUSH].send(PUSH)
    assert (refused.value.reason, refused.value.dead_address) == (reason, True)


async def test_a_message_of_ours_that_is_wrong_leaves_the_device_alone(channels: Channels) -> None:
    wrong = attrs.evolve(PUSH, expires_in=10**9)
    with pytest.raises(Permanent) as refused:
        await channels.by_medium[Medium.PUSH].send(wrong)
    assert (refused.value.reason, refused.value.dead_address) == ("invalid_argument", False)


async def test_an_unknown_account_gets_no_access_token(world: World, channels: Channels) -> None:
    world.google._key = Google()._key
    with pytest.raises(Temporary) as refused:
        await channels.by_medium[Medium.PUSH].send(PUSH)
    assert refused.value.reason == "no_access_token"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (429, "throttled"),
        (500, "unavailable"),
        (503, "unavailable"),
        (404, "misconfigured"),
        (server.DROP, "unreachable"),
    ],
)
async def test_googles_trouble_is_temporary(world: World, channels: Channels, fault: int | str, reason: str) -> None:
    push = channels.by_medium[Medium.PUSH]
    await push.send(PUSH)  # so that the access token is there
    world.google.fault, world.google.retry_after = fault, "77"
    with pytest.raises(Temporary) as refused:
        await push.send(PUSH)
    assert refused.value.reason == reason
    assert refused.value.retry_after == (77 if fault in (429, 500, 503) else 0)


async def test_retry_after_may_be_a_date_or_nonsense(world: World, channels: Channels) -> None:
    world.google.fault = 503
    for said, low, high in (
        ("Wed, 21 Oct 2099 07:28:00 GMT", 10**6, 10**10),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("soon", 0, 0),
    ):
        world.google.retry_after = said
        with pytest.raises(Temporary) as refused:
            await channels.by_medium[Medium.PUSH].send(PUSH)
        assert low <= refused.value.retry_after <= high
