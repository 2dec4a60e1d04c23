"""The routes as the app calls them, over HTTP, with every domain running."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

import attrs
import pytest

from core.events.model import Event
from core.testing import TestApp
from core.types import UserId, uuid7
from plugins.notification.ports import Medium
from plugins.order.ports import OrderCreated, OrderShipped
from plugins.user.ports import UserDeleted

WAIT = 10


@attrs.frozen
class Customer:
    """A user with an access token."""

    user_id: UserId
    token: str
    phone: str
    email: str
    refresh_token: str


NewCustomer = Callable[[], Awaitable[Customer]]


@pytest.fixture(scope="session")
def new_customer(app: TestApp) -> NewCustomer:
    """Signs people up as the app does."""

    async def make() -> Customer:
        phone = f"+917{uuid7().int % 10**9:09d}"
        assert (await app.post("/auth/send-otp", json={"phone": phone[3:]})).status == 200
        code = (await app.message(phone))["code"]
        answer = await app.post("/auth/verify-otp", json={"phone": phone[3:], "otp": code})
        user, token = answer.data["user"], answer.data["accessToken"]
        customer = Customer(
            UserId(UUID(user["id"])), token, phone, f"{user['id']}@example.com", answer.data["refreshToken"]
        )
        await app.put("/users/me", as_=customer, json={"name": "Asha", "email": customer.email})
        return customer

    return make


@pytest.fixture
async def customer(new_customer: NewCustomer) -> Customer:
    return await new_customer()


async def emit(app: TestApp, event: Event) -> None:
    """Something happened; returns when every consumer has dealt with it."""
    async with app.db.transaction() as tx:
        tx.emit(event)
    await app.quiet()


def placed(user: UserId) -> OrderCreated:
    return OrderCreated(
        order_id=uuid7(),
        order_number="VRK-2026-000042",
        user_id=user,
        amount=1234.5,
        items=[],
        total_amount=1234.5,
        payment_method="COD",
        delivery_address="{}",
    )


def shipped(user: UserId) -> OrderShipped:
    return OrderShipped(
        order_id=uuid7(),
        order_number="VRK-2026-000042",
        user_id=user,
        amount=1234.5,
        shipped_at=datetime.now(UTC),
        tracking_id=None,
        delivery_partner_id=None,
    )


async def unread(app: TestApp, customer: Customer) -> int:
    return int((await app.get("/notifications/unread-count", as_=customer)).data["count"])


async def test_an_order_becomes_an_entry_with_every_key_that_the_app_parses(app: TestApp, customer: Customer) -> None:
    event = placed(customer.user_id)
    await emit(app, event)
    answer = await app.get("/notifications?page=1&limit=20", as_=customer)
    (entry,) = answer.data["notifications"]
    assert entry["type"] == "ORDER_UPDATE"
    assert "VRK-2026-000042 for ₹1,234.50" in entry["body"]
    assert entry["actionType"] == "order_details"
    assert entry["actionData"] == {"orderId": str(event.order_id)}
    assert entry["isRead"] is False
    assert entry["imageUrl"] is None
    assert entry["createdAt"].endswith("Z")
    assert answer.json["pagination"] == {"page": 1, "limit": 20, "total": 1, "totalPages": 1, "hasMore": False}


async def test_the_same_news_leaves_by_mail(app: TestApp, customer: Customer) -> None:
    await emit(app, placed(customer.user_id))
    message = await app.message(customer.email)
    assert (message["channel"], message["template"]) == ("email", "ORDER_PLACED")


async def test_a_push_goes_to_the_phone_that_registered(app: TestApp, customer: Customer) -> None:
    token = f"fcm:{uuid7()}/with+signs"
    answer = await app.post("/notifications/devices", as_=customer, json={"token": token, "platform": "android"})
    assert answer.status == 201
    await emit(app, shipped(customer.user_id))
    assert (await app.message(token))["template"] == "ORDER_SHIPPED"
    gone = await app.delete(f"/notifications/devices/{quote(token, safe='')}", as_=customer)
    assert gone.status == 200
    await emit(app, shipped(customer.user_id))
    assert len(app.messages(token)) == 1


async def test_a_phone_gets_pushes_through_every_refresh_and_none_once_its_owner_has_left(
    app: TestApp, customer: Customer
) -> None:
    token, session = f"fcm-{uuid7()}", "SELECT session_id FROM notifications.devices WHERE token = $1"
    await app.post("/notifications/devices", as_=customer, json={"token": token, "platform": "ios"})
    registered = await app.db.fetchval(session, token)
    pair = (await app.post("/auth/token/refresh", json={"refreshToken": customer.refresh_token})).data
    customer = attrs.evolve(customer, token=pair["accessToken"])
    await app.post("/notifications/devices", as_=customer, json={"token": token, "platform": "ios"})
    assert await app.db.fetchval(session, token) == registered
    await emit(app, shipped(customer.user_id))
    await app.message(token)
    assert (await app.post("/auth/logout", as_=customer)).status == 200
    await emit(app, shipped(customer.user_id))
    pushes = "SELECT state FROM notifications.deliveries WHERE user_id = $1 AND medium = 'push'"
    assert [row["state"] for row in await app.db.fetch(pushes, customer.user_id)] == ["SENT"]


async def test_unread_entries_are_counted_filtered_and_read(app: TestApp, customer: Customer) -> None:
    await emit(app, placed(customer.user_id))
    await emit(app, shipped(customer.user_id))
    newest, oldest = (await app.get("/notifications", as_=customer)).data["notifications"]
    assert newest["type"] == "DELIVERY_UPDATE"
    assert await unread(app, customer) == 2
    for _ in range(2):
        assert (await app.post(f"/notifications/{newest['id']}/read", as_=customer)).status == 200
    assert await unread(app, customer) == 1
    left = (await app.get("/notifications?unread=true", as_=customer)).data["notifications"]
    assert [entry["id"] for entry in left] == [oldest["id"]]
    assert (await app.post("/notifications/read-all", as_=customer)).data["count"] == 1
    assert await unread(app, customer) == 0


async def test_anothers_entry_is_not_found_whatever_is_asked(
    app: TestApp, customer: Customer, new_customer: NewCustomer
) -> None:
    stranger = await new_customer()
    await emit(app, placed(customer.user_id))
    (entry,) = (await app.get("/notifications", as_=customer)).data["notifications"]
    assert (await app.get("/notifications", as_=stranger)).data["notifications"] == []
    assert (await app.post(f"/notifications/{entry['id']}/read", as_=stranger)).status == 404
    assert (await app.delete(f"/notifications/{entry['id']}", as_=stranger)).status == 404
    assert (await app.post("/notifications/nonsense/read", as_=stranger)).status in (400, 404)
    assert await unread(app, customer) == 1


async def test_entries_can_be_deleted_one_by_one_or_all(app: TestApp, customer: Customer) -> None:
    for _ in range(3):
        await emit(app, placed(customer.user_id))
    (first, *_) = (await app.get("/notifications", as_=customer)).data["notifications"]
    assert (await app.delete(f"/notifications/{first['id']}", as_=customer)).status == 200
    assert (await app.delete("/notifications", as_=customer)).data["count"] == 2
    assert (await app.get("/notifications", as_=customer)).json["pagination"]["total"] == 0


async def test_preferences_start_with_the_defaults_and_change_in_part(app: TestApp, customer: Customer) -> None:
    defaults = {
        "pushEnabled": True,
        "emailEnabled": True,
        "smsEnabled": False,
        "orderUpdates": True,
        "promotionalOffers": True,
        "deliveryAlerts": True,
    }
    assert (await app.get("/notifications/preferences", as_=customer)).data == {"preferences": defaults}
    changed = await app.put("/notifications/preferences", as_=customer, json={"smsEnabled": True, "soundEnabled": True})
    assert changed.data == {"preferences": {**defaults, "smsEnabled": True}}
    assert (await app.get("/notifications/preferences", as_=customer)).data == changed.data


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/notifications/devices", {}),
        ("POST", "/notifications/devices", {"token": "", "platform": "ios"}),
        ("POST", "/notifications/devices", {"token": "t" * 4097, "platform": "ios"}),
        ("POST", "/notifications/devices", {"token": "a b", "platform": "ios"}),
        ("POST", "/notifications/devices", {"token": "t", "platform": "windows"}),
        ("PUT", "/notifications/preferences", {"pushEnabled": "yes"}),
        ("GET", "/notifications?page=0", None),
        ("GET", "/notifications?limit=101", None),
        ("GET", "/notifications?limit=1.5", None),
        ("GET", "/notifications?unread=maybe", None),
    ],
)
async def test_bad_input_is_named(app: TestApp, customer: Customer, method: str, path: str, body: object) -> None:
    answer = await app.request(method, path, as_=customer, json=body)
    assert answer.status == 400
    assert answer.code == "VAL_001"


@pytest.mark.parametrize("path", ["/notifications", "/notifications/unread-count", "/notifications/preferences"])
async def test_nobody_sees_anything_without_signing_in(app: TestApp, path: str) -> None:
    assert (await app.get(path)).status == 401


async def test_a_token_of_four_thousand_characters_is_kept(app: TestApp, customer: Customer) -> None:
    answer = await app.post("/notifications/devices", as_=customer, json={"token": "t" * 4096, "platform": "web"})
    assert answer.status == 201


async def test_nothing_more_is_sent_for_a_closed_account_and_the_rest_waits_for_its_erasure(
    app: TestApp, customer: Customer
) -> None:
    await emit(app, placed(customer.user_id))
    await app.post("/notifications/devices", as_=customer, json={"token": f"t-{uuid7()}", "platform": "ios"})
    later = "UPDATE notifications.deliveries SET state = 'PENDING', next_attempt_at = now() + interval '1 hour'"
    await app.db.command(later + " WHERE user_id = $1", customer.user_id)
    await emit(app, UserDeleted(user_id=customer.user_id, deleted_at=datetime.now(UTC)))
    for table, kept in (("entries", 1), ("devices", 1), ("deliveries", 0)):
        pending = " AND state = 'PENDING'" if table == "deliveries" else ""
        sql = f"SELECT count(*) FROM notifications.{table} WHERE user_id = $1{pending}"
        assert await app.db.fetchval(sql, customer.user_id) == kept, table


async def test_housekeeping_is_a_job_of_one_replica(app: TestApp) -> None:
    (job,) = [job for job in app.app.jobs.jobs if job.name == "notification.housekeeping"]
    assert job.single
    await job.run()


async def test_couriers_that_keep_failing_end_the_process_as_any_required_work_does(app: TestApp) -> None:
    assert {f"notification {medium}" for medium in Medium} <= set(app.app.wiring.tasks["notification"].names)


async def test_the_health_page_watches_the_deliveries(app: TestApp) -> None:
    async with asyncio.timeout(WAIT):
        while (await app.get("/health")).json["dependencies"]["deliveries"]["status"] != "up":
            await asyncio.sleep(0.1)
