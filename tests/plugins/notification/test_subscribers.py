"""From events to words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.types import uuid7
from plugins.notification.subscribers import CONSUMER, SILENCER, TOLD, subscriptions, variables
from plugins.notification.templates import BUILT_IN
from plugins.order.ports import OrderCancelled, OrderConfirmed, OrderShipped, PaymentFailed
from plugins.user.ports import UserDeleted
from tests.plugins.notification.conftest import Room, built_in_texts, occurred

NOW = datetime(2026, 1, 31, 20, 0, tzinfo=UTC)


def common(**more: Any) -> dict[str, Any]:
    return {"order_id": uuid7(), "order_number": "VRK-2026-000007", "user_id": uuid7(), "amount": 123456.5, **more}


def test_every_told_event_has_its_text_and_its_consumer(room: Room) -> None:
    made = subscriptions(room.service, built_in_texts())
    assert {s.event for s in made if s.consumer == CONSUMER} == set(TOLD)
    assert set(TOLD.values()) == set(BUILT_IN)
    assert [s.event for s in made if s.consumer == SILENCER] == [UserDeleted]


def test_amounts_arrive_in_rupees_and_leave_as_indian_text() -> None:
    words = variables(PaymentFailed(**common(payment_id=uuid7(), reason="declined", failed_at=NOW)))
    assert words["amount"] == "₹1,23,456.50"
    assert words["orderNumber"] == "VRK-2026-000007"


def test_the_expected_day_is_the_shops_own() -> None:
    words = variables(OrderConfirmed(**common(confirmed_at=NOW, estimated_delivery=NOW)))
    assert words["expected"] == "on Sun 1 Feb", "20:00 UTC is the next day in India"


@pytest.mark.parametrize("refunded", [True, False])
def test_a_cancelled_order_says_what_happens_to_the_money(refunded: bool) -> None:
    event = OrderCancelled(**common(cancelled_at=NOW, reason="changed my mind", refund_initiated=refunded))
    body = BUILT_IN["ORDER_CANCELLED"].body.format_map(variables(event))
    assert ("money" in body) is refunded
    assert "changed my mind" not in body


async def test_an_event_becomes_an_entry_of_its_owner_and_a_closed_account_is_left_alone(room: Room) -> None:
    user = room.users.add()
    await room.register(user, f"token-{uuid7()}", "ios")
    handlers = {s.event: s.handler for s in subscriptions(room.service, built_in_texts())}
    shipped = OrderShipped(**{**common(shipped_at=NOW, tracking_id=None, delivery_partner_id=None), "user_id": user})
    async with room.db.transaction() as tx:
        await handlers[OrderShipped](tx, shipped, occurred(user))
    (entry,), _ = await room.service.page(user, 1, 20, unread=False)
    assert (entry.type, entry.action_type) == ("DELIVERY_UPDATE", "track_order")
    assert entry.action_data == {"orderId": str(shipped.order_id)}
    assert [state for _, state, _ in await room.states(user)] == ["PENDING", "PENDING"]
    async with room.db.transaction() as tx:
        deleted = UserDeleted(user_id=user, deleted_at=datetime.now(UTC))
        await handlers[UserDeleted](tx, deleted, occurred(user))
    assert await room.states(user) == []
    assert len((await room.service.page(user, 1, 20, unread=False))[0]) == 1
    await room.tell(user)  # the account was opened again
    async with room.db.transaction() as tx:
        await handlers[UserDeleted](tx, deleted, occurred(user))
    assert [state for _, state, _ in await room.states(user)] == ["PENDING", "PENDING"], "told late, or twice"
