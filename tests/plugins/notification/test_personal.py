"""What the domain forgets and copies, and consent that is withdrawn (RELIABILITY 4.15)."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from core.privacy.model import BATCH, Step, Subject
from core.types import UserId, uuid7
from plugins.notification.channels.journal import Journal
from plugins.notification.personal import PersonalNotifications
from plugins.notification.ports import Action, EntryType, Medium, Message, Template, Temporary
from tests.plugins.notification.conftest import FakeChannel, Room

PROMOTION = Template(
    type=EntryType.PROMOTIONAL,
    action=Action.ORDER_DETAILS,
    title="Mangoes",
    body="Mangoes are here.",
    sms="Mangoes are here.",
    email="Mangoes are here.",
)
MANY = """
INSERT INTO notifications.entries (id, user_id, event_id, type, title, body, created_at)
SELECT gen_random_uuid(), $1, gen_random_uuid(), 'ORDER_UPDATE', 't', 'b', now()
FROM generate_series(1, $2) RETURNING id
"""


def note(to: str, text: str = "hello") -> Message:
    return Message(
        key="k", medium=Medium.SMS, to=to, template="ORDER_PLACED", title="", text=text, variables={}, expires_in=60
    )


@pytest.fixture
def promotions(clean: Room, monkeypatch: pytest.MonkeyPatch) -> str:
    """A template of a promotion, for as long as the test takes."""
    monkeypatch.setitem(clean.texts, "MANGOES", PROMOTION)
    return "MANGOES"


async def test_a_promotion_that_was_queued_before_consent_was_withdrawn_is_not_sent_after_it(
    clean: Room, promotions: str
) -> None:
    user, channel = clean.users.add(email=None), FakeChannel()
    await clean.register(user, f"token-{uuid7()}", "ios")
    await clean.tell(user, promotions)
    await clean.tell(user, "ORDER_SHIPPED")
    assert [state for _, state, _ in await clean.states(user)] == ["PENDING", "PENDING"]
    await clean.service.change_preferences(user, {"promotional_offers": False})
    await clean.courier(Medium.PUSH, channel).round()
    assert [one.template for one in channel.sent] == ["ORDER_SHIPPED"]
    assert sorted(await clean.states(user)) == [("push", "FAILED", "not_wanted"), ("push", "SENT", None)]


async def test_a_promotion_that_waits_for_its_next_attempt_is_not_sent_either(clean: Room, promotions: str) -> None:
    user, channel = clean.users.add(email=None), FakeChannel()
    await clean.register(user, f"token-{uuid7()}", "ios")
    await clean.tell(user, promotions)
    channel.failures = [Temporary("fake", "busy")]
    courier = clean.courier(Medium.PUSH, channel)
    await courier.round()
    await clean.service.change_preferences(user, {"promotional_offers": False})
    await clean.run_out(user)
    await courier.round()
    assert channel.sent == []
    assert await clean.states(user) == [("push", "FAILED", "not_wanted")]


async def test_who_wants_promotions_gets_them_and_who_does_not_has_none_queued(clean: Room, promotions: str) -> None:
    keen, tired, channel = clean.users.add(email=None), clean.users.add(email=None), FakeChannel()
    for user in (keen, tired):
        await clean.register(user, f"token-{uuid7()}", "ios")
    await clean.service.change_preferences(tired, {"promotional_offers": False})
    for user in (keen, tired):
        await clean.tell(user, promotions)
    assert await clean.states(tired) == []
    await clean.courier(Medium.PUSH, channel).round()
    assert len(channel.sent) == 1


async def test_a_medium_that_is_switched_off_takes_nothing_that_was_queued(clean: Room) -> None:
    user, channel = clean.users.add(email=None), FakeChannel()
    await clean.register(user, f"token-{uuid7()}", "ios")
    await clean.tell(user)
    await clean.service.change_preferences(user, {"push_enabled": False})
    await clean.courier(Medium.PUSH, channel).round()
    assert channel.sent == []


async def test_everything_of_a_person_goes_in_batches_and_nothing_of_another(clean: Room) -> None:
    user, other = clean.users.add(), clean.users.add()
    for who in (user, other):
        await clean.register(who, f"token-{uuid7()}", "ios")
        await clean.service.change_preferences(who, {"sms_enabled": True})
        await clean.tell(who)
    await clean.db.fetch(MANY, user, 2 * BATCH)
    data, steps = PersonalNotifications(clean.db, clean.users, None).declared(), []
    while Step.DONE not in steps:
        async with clean.db.transaction() as tx:
            steps.append(await data.erase(tx, Subject(user, final=False)))
    assert steps == [Step.MORE, Step.MORE, Step.DONE]
    for table in ("entries", "devices", "preferences", "deliveries"):
        count = f"SELECT count(*) FROM notifications.{table} WHERE user_id = $1"
        assert await clean.db.fetchval(count, user) == 0
        assert await clean.db.fetchval(count, other) > 0


async def test_a_copy_names_choices_and_messages_but_no_token(clean: Room) -> None:
    user, token = clean.users.add(), f"token-{uuid7()}"
    await clean.register(user, token, "android")
    await clean.service.change_preferences(user, {"promotional_offers": False})
    await clean.tell(user)
    data = PersonalNotifications(clean.db, clean.users, None).declared()
    async with clean.db.transaction() as tx:
        copied = {name: orjson.loads(text) for name, text in (await data.export(tx, user)).items()}
        nobody = await data.export(tx, UserId(uuid7()))
    assert copied["preferences"]["promotionalOffers"] is False
    assert [one["platform"] for one in copied["devices"]] == ["android"]
    assert [one["type"] for one in copied["entries"]] == ["ORDER_UPDATE"]
    assert {one["medium"] for one in copied["messages"]} == {"push", "email"}
    assert token not in orjson.dumps(copied).decode()
    assert nobody == {"entries": "[]", "devices": "[]", "preferences": "null", "messages": "[]"}


async def test_the_journal_forgets_one_persons_messages_while_others_are_written(room: Room, tmp_path: Path) -> None:
    path, user = tmp_path / "messages.jsonl", room.users.add(email="asha@example.com")
    journal, token = Journal(path, lambda: datetime.now(UTC)), f"token-{uuid7()}"
    await room.register(user, token, "ios")
    phone = room.users.known[user].phone
    for to in (phone, "asha@example.com", token, "+919999999999"):
        await journal.note(note(to, f"words for {to}"))
    with path.open("ab") as file:
        file.write(b'{"to":"+91999')  # a crash
        file.write(b"\n")
    before = path.stat().st_size

    async def write() -> None:
        for _ in range(50):
            await journal.note(note("+918888888888"))

    await asyncio.gather(PersonalNotifications(room.db, room.users, journal).forget(user), write())
    text = path.read_text()
    for needle in (phone, "asha@example.com", token):
        assert needle not in text
    assert "words for +919999999999" in text
    assert text.count("+918888888888") == 50
    assert len(path.read_bytes()[:before].splitlines()) == 5
    await PersonalNotifications(room.db, room.users, journal).forget(user)


async def test_there_may_be_no_journal_and_no_such_account(room: Room, tmp_path: Path) -> None:
    nobody = UserId(uuid7())
    await PersonalNotifications(room.db, room.users, None).forget(nobody)
    await PersonalNotifications(room.db, room.users, Journal(tmp_path / "none", lambda: datetime.now(UTC))).forget(
        nobody
    )
