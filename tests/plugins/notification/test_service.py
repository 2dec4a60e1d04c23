"""The list, the devices, the preferences, and what an event turns into."""

from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta

import attrs
import pytest

from core.errors import Problem
from core.types import uuid7
from plugins.notification.models import Preferences
from plugins.notification.ports import Medium
from plugins.notification.queries import MAX_DEVICES
from plugins.notification.templates import BUILT_IN, VARIABLES
from tests.plugins.notification.conftest import Room, occurred

ALL_OFF = dict.fromkeys(attrs.asdict(Preferences()), False)


@pytest.mark.parametrize("template", BUILT_IN)
async def test_every_step_writes_an_entry_whatever_the_settings(room: Room, template: str) -> None:
    user = room.users.add()
    await room.service.change_preferences(user, ALL_OFF)
    await room.register(user, f"token-{uuid7()}", "ios")
    await room.tell(user, template)
    entries, pagination = await room.service.page(user, 1, 20, unread=False)
    assert pagination.total == 1
    assert entries[0].type == BUILT_IN[template].type
    assert "VRK-2026-000001" in entries[0].body
    assert list(entries[0].action_data or ()) == ["orderId"]
    assert await room.states(user) == []


@pytest.mark.parametrize("template", BUILT_IN)
def test_every_text_can_be_filled_in(template: str) -> None:
    words = dict.fromkeys(VARIABLES, "word")
    texts = BUILT_IN[template]
    for text in (texts.title, texts.body, texts.sms, texts.email):
        assert "{" not in text.format_map(words)


async def test_the_same_event_twice_writes_one_entry_and_one_set_of_deliveries(room: Room) -> None:
    user = room.users.add()
    meta = await room.tell(user)
    await room.tell(user, meta=meta)
    assert await room.service.unread(user) == 1
    assert await room.states(user) == [("email", "PENDING", None)]


async def test_what_rolls_back_leaves_neither_entry_nor_delivery(room: Room) -> None:
    user = room.users.add()
    words = {"orderId": "o", "orderNumber": "n", "amount": "a", "expected": "", "refund": ""}
    with suppress(ZeroDivisionError):
        async with room.db.transaction() as tx:
            await room.service.announce(tx, user, "ORDER_PLACED", words, occurred(user))
            raise ZeroDivisionError
    assert await room.service.unread(user) == 0
    assert await room.states(user) == []


async def test_an_account_that_is_gone_is_told_nothing(room: Room) -> None:
    user = room.users.add()
    del room.users.known[user]
    await room.tell(user)
    assert await room.service.unread(user) == 0


async def test_defaults_reach_every_device_and_the_mailbox_but_no_sms(room: Room) -> None:
    user = room.users.add()
    await room.register(user, f"one-{user}", "ios")
    await room.register(user, f"two-{user}", "android")
    await room.tell(user)
    assert [medium for medium, _, _ in await room.states(user)] == ["email", "push", "push"]


async def test_preferences_decide_about_media_by_kind(room: Room) -> None:
    user = room.users.add()
    await room.service.change_preferences(user, {"sms_enabled": True, "email_enabled": False, "order_updates": False})
    await room.tell(user, "ORDER_CONFIRMED")
    assert await room.states(user) == []
    await room.tell(user, "ORDER_SHIPPED")
    assert await room.states(user) == [("sms", "PENDING", None)]


async def test_without_an_address_there_is_no_mail(room: Room) -> None:
    user = room.users.add(email=None)
    await room.tell(user)
    assert await room.states(user) == []


async def test_the_couriers_are_woken_once_their_deliveries_are_there_to_be_claimed(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[tuple[Collection[Medium], int]] = []
    user = room.users.add()

    async def wake(media: Collection[Medium]) -> None:
        woken.append((media, len(await room.states(user))))

    monkeypatch.setattr(room.service, "on_deliveries", wake)
    meta = await room.tell(user)
    assert woken == [({Medium.EMAIL}, 1)], "seen by another connection: it is committed"
    await room.tell(user, meta=meta)
    await room.service.change_preferences(user, ALL_OFF)
    await room.tell(user)
    assert len(woken) == 1, "nothing new to carry wakes nobody"


async def test_reading_preferences_answers_the_defaults_and_writes_nothing(room: Room) -> None:
    user = room.users.add()
    assert await room.service.preferences(user) == Preferences()
    assert await room.db.fetchval("SELECT count(*) FROM notifications.preferences WHERE user_id = $1", user) == 0


async def test_a_change_of_preferences_leaves_the_others(room: Room) -> None:
    user = room.users.add()
    assert await room.service.change_preferences(user, {"sms_enabled": True}) == Preferences(sms_enabled=True)
    changed = await room.service.change_preferences(user, {"push_enabled": False})
    assert changed == Preferences(sms_enabled=True, push_enabled=False)
    assert await room.service.change_preferences(user, {}) == changed == await room.service.preferences(user)


async def test_the_list_is_newest_first_in_pages_with_its_total(room: Room) -> None:
    user = room.users.add()
    first = occurred(user)
    for age in (3, 1, 2):  # as they may arrive, not as they happened
        meta = attrs.evolve(first, event_id=uuid7(), occurred_at=first.occurred_at - timedelta(hours=age))
        await room.tell(user, meta=meta)
    entries, pagination = await room.service.page(user, 1, 2, unread=False)
    last, _ = await room.service.page(user, 2, 2, unread=False)
    times = [entry.created_at for entry in (*entries, *last)]
    assert times == sorted(times, reverse=True)
    assert (len(entries), len(last), pagination.total) == (2, 1, 3)
    assert (await room.service.page(user, 9, 2, unread=False)) == ([], attrs.evolve(pagination, page=9))


async def test_the_unread_filter_lists_and_counts_the_unread(room: Room) -> None:
    user = room.users.add()
    await room.tell(user)
    await room.tell(user)
    entries, _ = await room.service.page(user, 1, 20, unread=True)
    await room.service.read(user, entries[0].id)
    left, pagination = await room.service.page(user, 1, 20, unread=True)
    assert [entry.id for entry in left] == [entries[1].id]
    assert pagination.total == 1 == await room.service.unread(user)


async def test_reading_twice_is_fine_and_anothers_is_not_found(room: Room) -> None:
    user, other = room.users.add(), room.users.add()
    await room.tell(user)
    (entry,), _ = await room.service.page(user, 1, 20, unread=False)
    await room.service.read(user, entry.id)
    await room.service.read(user, entry.id)
    for stranger, which in ((other, entry.id), (user, uuid7())):
        with pytest.raises(Problem) as refused:
            await room.service.read(stranger, which)
        assert refused.value.code.status == 404


async def test_reading_all_counts_what_was_unread_and_touches_nobody_else(room: Room) -> None:
    user, other = room.users.add(), room.users.add()
    for owner in (user, user, other):
        await room.tell(owner)
    assert await room.service.read_all(user) == 2
    assert await room.service.read_all(user) == 0
    assert await room.service.unread(other) == 1


async def test_deleting_one_or_all_touches_nobody_else(room: Room) -> None:
    user, other = room.users.add(), room.users.add()
    for owner in (user, user, user, other):
        await room.tell(owner)
    entries, _ = await room.service.page(user, 1, 20, unread=False)
    with pytest.raises(Problem):
        await room.service.delete(other, entries[0].id)
    await room.service.delete(user, entries[0].id)
    with pytest.raises(Problem):
        await room.service.delete(user, entries[0].id)
    assert await room.service.clear(user) == 2
    assert await room.service.unread(other) == 1


async def test_a_token_goes_with_whoever_signed_in_last(room: Room) -> None:
    first, second = room.users.add(email=None), room.users.add(email=None)
    token = f"shared-{uuid7()}"
    await room.register(first, token, "android")
    await room.register(second, token, "android")
    await room.tell(first)
    await room.tell(second)
    assert await room.states(first) == []
    assert await room.states(second) == [("push", "PENDING", None)]
    await room.service.unregister(first, token)  # no longer theirs to switch off
    await room.tell(second)
    assert len(await room.states(second)) == 2


async def test_a_device_switched_off_gets_nothing_until_it_registers_again(room: Room) -> None:
    user, token = room.users.add(email=None), "t" * 4096
    await room.register(user, token, "web")
    await room.service.unregister(user, token)
    await room.service.unregister(user, token)
    await room.tell(user)
    assert await room.states(user) == []
    await room.register(user, token, "web")
    await room.tell(user)
    assert len(await room.states(user)) == 1


async def test_a_customer_keeps_the_devices_seen_last(room: Room) -> None:
    user = room.users.add(email=None)
    for n in range(MAX_DEVICES + 3):
        await room.register(user, f"{n}-{user}", "ios")
    await room.register(user, f"{MAX_DEVICES + 2}-{user}", "ios")
    kept = await room.db.fetch("SELECT token FROM notifications.devices WHERE user_id = $1 ORDER BY seen_at", user)
    assert [row["token"] for row in kept] == [f"{n}-{user}" for n in range(3, MAX_DEVICES + 3)]


async def test_housekeeping_takes_what_is_old_and_leaves_what_is_not(
    clean: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, old, new = clean, clean.users.add(), clean.users.add()
    for user in (old, new):
        await room.register(user, f"token-{user}", "ios")
        await room.tell(user)
    await room.service.unregister(old, f"token-{old}")
    for sql in (
        "UPDATE notifications.entries SET created_at = now() - interval '91 days' WHERE user_id = $1",
        "UPDATE notifications.devices SET deactivated_at = now() - interval '91 days' WHERE user_id = $1",
        (
            "UPDATE notifications.deliveries SET state = 'SENT', finished_at = now() - interval '31 days'"
            " WHERE user_id = $1"
        ),
    ):
        await room.db.command(sql, old)
    monkeypatch.setattr("plugins.notification.service.BATCH", 1)  # so that it takes several
    await room.service.housekeep(90, 30)
    for table in ("entries", "devices", "deliveries"):
        for owner, there in ((old, False), (new, True)):
            sql = f"SELECT count(*) > 0 FROM notifications.{table} WHERE user_id = $1"
            assert await room.db.fetchval(sql, owner) is there


async def test_a_medium_that_is_switched_off_for_the_shop_gets_no_deliveries(room: Room) -> None:
    service = type(room.service)(room.db, room.users, (Medium.PUSH,))
    user = room.users.add()
    words = {"orderId": "o", "orderNumber": "n", "amount": "a", "expected": "", "refund": ""}
    async with room.db.transaction() as tx:
        await service.announce(tx, user, "ORDER_PLACED", words, occurred(user))
    assert await room.states(user) == []
