"""Providers behind their breakers."""

import asyncio
from pathlib import Path

import attrs
import pytest

from core.resilience.breaker import Breaker, Breakers, State
from plugins.notification.channels.build import build
from plugins.notification.channels.guarded import Guarded
from plugins.notification.channels.in_turn import InTurn
from plugins.notification.ports import Message, NotSent, Permanent, Sent, Temporary
from tests.core.resilience.hand import Hand
from tests.plugins.notification.world import SMS, World


@attrs.define
class Provider:
    """Does what it is told."""

    name: str
    failure: BaseException | None = None
    calls: int = 0

    async def send(self, message: Message) -> Sent:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return Sent(self.name)


def guarded(provider: Provider, clock: Hand) -> Guarded:
    return Guarded(provider, Breaker(provider.name, slow=2.4, clock=clock, uniform=lambda _, high: high))


async def test_a_provider_that_fails_five_times_is_left_alone_and_the_second_takes_over() -> None:
    clock = Hand()
    first, second = Provider("first", Temporary("first", "unreachable")), Provider("second")
    guard = guarded(first, clock)
    both = InTurn([guard, guarded(second, clock)])
    for _ in range(5):
        with pytest.raises(Temporary):
            await guard.send(SMS)
    assert (await both.send(SMS)).provider == "second"
    with pytest.raises(Temporary) as resting:
        await guard.send(SMS)
    assert (resting.value.reason, resting.value.retry_after) == ("resting", 1.0)
    assert first.calls == 5
    first.failure = None
    clock.now += 1
    assert (await guard.send(SMS)).provider == "first"


@pytest.mark.parametrize("failure", [Permanent("first", "refused"), None], ids=["refusal", "success"])
async def test_an_answer_of_any_kind_is_no_failure(failure: NotSent | None) -> None:
    provider = Provider("first", failure)
    guard = guarded(provider, Hand())
    for _ in range(20):
        try:
            await guard.send(SMS)
        except Permanent:
            assert failure is not None
    assert provider.calls == 20


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["refused last", "refused first"])
async def test_a_private_refusal_of_one_leaves_the_message_to_the_other_that_is_away_for_now(
    order: tuple[int, int],
) -> None:
    both = [Provider("away", Temporary("away", "unavailable")), Provider("broke", Permanent("broke", "refused"))]
    with pytest.raises(Temporary, match="away: unavailable"):
        await InTurn([both[n] for n in order]).send(SMS)
    dead = [Provider("away", Temporary("away", "unavailable")), Provider("b", Permanent("b", "x", dead_address=True))]
    with pytest.raises(Permanent, match="b: x"):
        await InTurn([dead[n] for n in order]).send(SMS)
    with pytest.raises(Permanent, match="broke: refused"):
        await InTurn([both[1]]).send(SMS)


async def test_a_send_that_was_cancelled_says_nothing_of_the_provider() -> None:
    provider = Provider("first", asyncio.CancelledError())
    guard = guarded(provider, Hand())
    for _ in range(20):
        with pytest.raises(asyncio.CancelledError):
            await guard.send(SMS)
    assert provider.calls == 20


async def test_each_provider_has_a_breaker_that_operators_see(world: World, tmp_path: Path) -> None:
    breakers = Breakers()
    build(world.settings, development=False, data_dir=tmp_path, breakers=breakers)
    assert dict(breakers.states) == dict.fromkeys(("fcm", "msg91", "sms_gateway", "smtp"), State.CLOSED)
