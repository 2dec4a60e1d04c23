"""Channels and texts of other plugins."""

import asyncio
from typing import Any, ClassVar
from uuid import UUID

import attrs
import pytest

from core.events.model import Event
from core.extensions import Extends
from core.plugins import PluginError
from core.testing import TestApp
from core.types import UserId, uuid7
from plugins.notification.channels.contributed import Contributed
from plugins.notification.ports import (
    CHANNELS,
    TEMPLATES,
    ChannelOffer,
    EntryType,
    Medium,
    Message,
    Permanent,
    Telling,
    Template,
    Temporary,
    Told,
)
from plugins.notification.subscribers import subscriptions
from plugins.notification.texts import Nonsense, Texts
from plugins.order.ports import OrderShipped
from tests.plugins.notification.conftest import FakeChannel, Room, built_in_texts, contributed, occurred
from tests.plugins.notification.world import SMS

MOVED = Template(
    type=EntryType.DELIVERY_UPDATE,
    title="Your slot has moved",
    body="We come {when}{nowhere}.",
    sms="We come {when}.",
    email="We come {when}.",
)


@attrs.frozen(kw_only=True)
class SlotMoved(Event):
    """An event of another plugin."""

    event_type: ClassVar[str] = "slots.moved"
    aggregate_type: ClassVar[str] = "slot"
    aggregate_key: ClassVar[str] = "slot_id"

    slot_id: UUID
    user_id: UUID


def tells(
    tell: Any, name: str = "SLOT_MOVED", event: type[Event] = SlotMoved, template: Template = MOVED
) -> Extends[Telling[Any]]:
    return Extends(TEMPLATES, Telling(name=name, event=event, template=template, tell=tell))


def at_nine(event: SlotMoved) -> Told:
    return Told(user_id=UserId(event.user_id), words={"when": "at nine"})


def offers(channel: Any) -> Extends[ChannelOffer]:
    return Extends(CHANNELS, ChannelOffer(medium=Medium.SMS, channel=channel))


async def test_an_event_of_another_plugin_is_told_in_its_own_words(
    clean: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = built_in_texts(("slots", tells(at_nine)))
    (made,) = [one for one in subscriptions(clean.service, texts) if one.event is SlotMoved]
    assert made.consumer == "notification.slots"
    template = texts.find("SLOT_MOVED")
    assert template is MOVED
    monkeypatch.setitem(clean.texts, "SLOT_MOVED", template)
    user, channel = clean.users.add(email=None), FakeChannel()
    await clean.register(user, f"token-{uuid7()}", "ios")
    async with clean.db.transaction() as tx:
        await made.handler(tx, SlotMoved(slot_id=uuid7(), user_id=user), occurred(user))
    (entry,), _ = await clean.service.page(user, 1, 20, unread=False)
    assert (entry.body, entry.action_type, entry.action_data) == ("We come at nine.", None, {})
    await clean.courier(Medium.PUSH, channel).round()
    (push,) = channel.sent
    assert (push.text, push.data["actionType"], push.data["actionData"]) == ("We come at nine.", "", "{}")


async def test_what_waits_for_a_text_that_is_gone_waits_and_is_given_up(
    clean: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, token = clean.users.add(email=None), f"token-{uuid7()}"
    await clean.register(user, token, "ios")
    with monkeypatch.context() as there:
        there.setitem(clean.texts, "SLOT_MOVED", MOVED)
        await clean.tell(user, "SLOT_MOVED")
    channel = FakeChannel()
    await clean.courier(Medium.PUSH, channel).round()
    assert await clean.states(user) == [("push", "PENDING", "no_template")]
    await clean.tell(user, "SLOT_MOVED")
    assert (await clean.service.page(user, 1, 20, unread=False))[1].total == 1, "without a text nothing is told"


async def test_nobody_is_told_where_nobody_is_named(room: Room) -> None:
    texts = built_in_texts(("slots", tells(lambda _: None)))
    (made,) = [one for one in subscriptions(room.service, texts) if one.event is SlotMoved]
    user = room.users.add()
    async with room.db.transaction() as tx:
        await made.handler(tx, SlotMoved(slot_id=uuid7(), user_id=user), occurred(user))
    assert await room.service.unread(user) == 0


@pytest.mark.parametrize(
    ("second", "line"),
    [
        (tells(at_nine, "ORDER_SHIPPED"), "the text ORDER_SHIPPED"),
        (tells(at_nine, event=OrderShipped), "texts for order.shipped"),
    ],
    ids=["name", "event"],
)
def test_what_is_told_already_is_not_told_twice(second: Extends[Any], line: str, room: Room) -> None:
    texts = built_in_texts(("slots", second))
    told = texts.read()
    assert {one.plugin for one in told} == {"notification"}
    assert texts.find("SLOT_MOVED") is None
    with pytest.raises(PluginError, match=f"notification contributes {line}, which is there already"):
        built_in_texts(("notification", second)).read()


@pytest.mark.parametrize("text", ["title", "body", "sms", "email"])
@pytest.mark.parametrize("wrong", ["We come {} {when}", "{when.year}", "{when:d}", "{when!r}", "{when", 9, None])
def test_a_text_that_cannot_be_filled_puts_its_plugin_aside_before_anybody_is_told(text: str, wrong: Any) -> None:
    bad = tells(at_nine, template=attrs.evolve(MOVED, **{text: wrong}))
    extensions, guards = contributed(("slots", bad))
    texts = Texts(extensions, guards)
    assert texts.read() == []
    assert texts.find("SLOT_MOVED") is None
    assert guards.aside["slots"].reason == f"slots contributes SLOT_MOVED, whose {text} cannot be filled"
    with pytest.raises(PluginError, match=f"whose {text} cannot be filled"):
        built_in_texts(("notification", bad)).read()


SOMEBODY = UserId(UUID(int=1))
NO_WORDS: dict[str, Any] = {
    "no": "text",
    "number": Told(user_id=SOMEBODY, words={"when": 9}),  # type: ignore[dict-item]  # as untyped plugins may
    "nul": Told(user_id=SOMEBODY, words={"when": "\0"}),
}


@pytest.mark.parametrize("wrong", NO_WORDS.values(), ids=NO_WORDS)
def test_words_that_are_none_are_refused_and_counted(wrong: Any) -> None:
    texts = built_in_texts(("slots", tells(lambda _: wrong)))
    one = texts.read()[-1]
    with pytest.raises(Nonsense):
        texts.told(one, SlotMoved(slot_id=uuid7(), user_id=uuid7()))


async def test_providers_of_a_medium_are_asked_in_turn() -> None:
    first, second = FakeChannel(), FakeChannel()
    sms = Contributed(Medium.SMS, *contributed(("notification", offers(first)), ("whisper", offers(second))))
    await sms.send(SMS)
    first.failures = [Temporary("first", "busy")]
    await sms.send(SMS)
    assert (len(first.sent), len(second.sent)) == (1, 1)
    first.failures = [Permanent("first", "bad_number", dead_address=True)]
    first_again = Contributed(Medium.SMS, *contributed(("notification", offers(first)), ("whisper", offers(second))))
    with pytest.raises(Permanent):
        await first_again.send(SMS)
    with pytest.raises(Temporary, match="no_provider"):
        await Contributed(Medium.EMAIL, *contributed(("whisper", offers(second)))).send(SMS)


class Hangs:
    async def send(self, _: Message) -> None:
        await asyncio.sleep(60)


class Raises:
    async def send(self, message: Message) -> None:
        raise ZeroDivisionError(message.to)


class Mute:
    async def send(self, _: Message) -> None:
        """Says nothing of what became of it."""


@pytest.mark.parametrize("wrong", [Hangs(), Raises(), Mute()], ids=lambda one: type(one).__name__)
async def test_a_channel_that_misbehaves_is_counted_and_the_next_one_asked(
    wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.notification.channels.contributed.BUDGET", 0.02)
    monkeypatch.setattr("plugins.notification.channels.in_turn.RESTS", 0.0)
    good = FakeChannel()
    extensions, guards = contributed(("whisper", offers(wrong)), ("notification", offers(good)))
    sms = Contributed(Medium.SMS, extensions, guards)
    for _ in range(guards.settings.failures):
        await sms.send(SMS)
    assert len(good.sent) == guards.settings.failures
    assert not guards.available("whisper")
    await sms.send(SMS)


async def test_a_provider_that_is_down_is_no_fault_of_its_plugin() -> None:
    down = FakeChannel()
    extensions, guards = contributed(("whisper", offers(down)))
    sms = Contributed(Medium.SMS, extensions, guards)
    for _ in range(2 * guards.settings.failures):
        down.failures = [Temporary("whisper", "unreachable")]
        with pytest.raises(Temporary):
            await sms.send(SMS)
    assert guards.available("whisper")


async def test_the_apps_own_channels_and_texts_are_contributions(app: TestApp) -> None:
    extensions = app.kernel.extensions
    assert {one.item.medium for one in extensions.of(CHANNELS) if one.plugin == "notification"} == {*Medium}
    assert {one.item.name for one in extensions.of(TEMPLATES) if one.plugin == "notification"} >= {"ORDER_SHIPPED"}
