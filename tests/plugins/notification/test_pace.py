"""A lease that is too short for a send is a mistake, and told at once."""

from typing import Any

import attrs
import pytest

from core.extensions import Extends
from core.settings import BadSettings
from core.testing import NewKernel
from plugins.notification.channels.contributed import BUDGET, Contributed
from plugins.notification.channels.pace import SPARE, paces, unusable
from plugins.notification.ports import CHANNELS, ChannelOffer, Medium
from plugins.notification.settings import NotificationSettings
from tests.plugins.notification.conftest import FakeChannel, contributed

SETTINGS = NotificationSettings()


def offer(medium: Medium = Medium.SMS) -> Extends[ChannelOffer]:
    return Extends(CHANNELS, ChannelOffer(medium=medium, channel=FakeChannel()))


def test_a_send_may_take_as_long_as_all_providers_of_its_medium_and_one_call_more() -> None:
    own, others = [("notification", offer())] * 2, [(f"p{n}", offer()) for n in range(3)]
    sms = Contributed(Medium.SMS, *contributed(*own, *others, ("notification", offer(Medium.PUSH))))
    assert sms.slowest(1.0) == 3 * 1.0 + 3 * BUDGET


def test_the_lease_as_set_is_long_enough_for_the_built_in_providers() -> None:
    assert paces(SETTINGS, {Medium.SMS: 6.0})[Medium.SMS].slowest == 6.0


@pytest.mark.parametrize(("lease", "slowest"), [(5.0, 6.0), (6.0, 6.0), (20.0, 17.0)])
def test_a_lease_that_is_too_short_is_named_with_what_it_must_be(lease: float, slowest: float) -> None:
    with pytest.raises(BadSettings, match=rf"notification\.lease .* it must be {slowest + SPARE:g} at least"):
        paces(attrs.evolve(SETTINGS, lease=lease), {Medium.SMS: slowest})


@pytest.mark.parametrize("name", ["call_timeout", "lease", "poll", "concurrency"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_number_with_which_nothing_would_be_sent_is_named(name: str, value: Any) -> None:
    (mistake,) = unusable(attrs.evolve(SETTINGS, **{name: value}))
    assert f"notification.{name} must be" in mistake


@pytest.mark.parametrize("name", ["LEASE", "CALL_TIMEOUT"])
async def test_the_app_does_not_start_with_a_lease_that_is_too_short(
    kernel: NewKernel, plugins: list[type], name: str
) -> None:
    with pytest.raises(BadSettings, match=r"notification\.lease"):
        await kernel(plugins, None, **{f"VURKSHA_NOTIFICATION__{name}": "9"})
