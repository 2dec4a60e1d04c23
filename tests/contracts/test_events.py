"""What is announced, and what its owner is told of it (CONTRACT A.7, B.7, B.8)."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from core.events.model import Event
from core.testing import TestApp
from core.types import UserId, uuid7
from plugins.order.ports import PaymentCompleted, PaymentFailed, PaymentRefunded
from tests.contracts import shapes
from tests.contracts.shapes import Reader, filled, key, many, word
from tests.contracts.world import HOME, World
from tests.journeys.dart import fields, flag, mapping, maybe, moment, number, text, whole
from tests.people import Customer, NewCustomer, sign_in
from tests.plugins.product.shelf import new_shelf

WAIT = 20.0
WRITTEN = """SELECT event_id, event_type, version, aggregate_type, aggregate_id, payload, metadata, occurred_at
    FROM kernel.outbox WHERE aggregate_id = ANY($1) OR payload ->> 'orderId' = ANY($1) ORDER BY seq"""


def of_order(**more: Reader) -> Reader:
    """What every order and payment event says beside its own payload."""
    return fields(orderId=key, orderNumber=filled, userId=key, amount=number, **more)


PAYLOADS: Mapping[str, Reader] = {
    "user.created": fields(userId=key, phoneNumber=filled, createdAt=moment),
    "user.updated": fields(userId=key, changes=mapping, updatedAt=moment),
    "user.deleted": fields(userId=key, deletedAt=moment),
    "user.restored": fields(userId=key, restoredAt=moment),
    "order.created": of_order(
        items=many(fields(productId=key, quantity=whole, price=number)), totalAmount=number, deliveryAddress=filled
    ),
    "order.confirmed": of_order(confirmedAt=moment, estimatedDelivery=moment),
    "order.shipped": of_order(shippedAt=moment, trackingId=maybe(filled), deliveryPartnerId=maybe(filled)),
    "order.delivered": of_order(deliveredAt=moment, deliveredTo=filled),
    "order.cancelled": of_order(cancelledAt=moment, reason=maybe(text), refundInitiated=flag),
    "order.refund_due": of_order(paymentId=key, reason=filled),
    "payment.initiated": of_order(paymentId=key, method=word(*shapes.METHODS)),
    "payment.completed": of_order(paymentId=key, transactionId=filled, completedAt=moment),
    "payment.failed": of_order(paymentId=key, reason=filled, failedAt=moment),
    "payment.refunded": of_order(paymentId=key),
    "inventory.stock_updated": fields(productId=key, previousStock=whole, newStock=whole, reason=filled),
    "inventory.low_stock": fields(productId=key, currentStock=whole, threshold=whole),
}
METADATA = fields(correlationId=filled, causationId=maybe(key), userId=maybe(key), source=filled)


async def events(app: TestApp, *ids: object) -> list[dict[str, Any]]:
    """What was announced of these, oldest first, each held to the table."""
    found: list[dict[str, Any]] = []
    for row in await app.db.fetch(WRITTEN, [str(one) for one in ids]):
        event = {
            **dict(row),
            "payload": orjson.loads(row["payload"]),
            "metadata": orjson.loads(row["metadata"]),
        }
        PAYLOADS[event["event_type"]](event["payload"])
        METADATA(event["metadata"])
        assert event["version"] == 1
        assert event["event_type"].partition(".")[0] in (event["aggregate_type"], "inventory")
        found.append(event)
    return found


def types(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return [event["event_type"] for event in found]


async def tell(app: TestApp, event: Event) -> None:
    async with app.db.transaction() as tx:
        tx.emit(event)
    await app.quiet()


async def place(app: TestApp, world: World, method: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    line = {"productId": str(world.product), "quantity": 2}
    body = {"items": [line], "deliveryAddress": HOME, "paymentMethod": method}
    answer = await app.post("/orders", json=body, as_=world.customer, headers=headers or {})
    assert answer.status == 201, answer.body
    order: dict[str, Any] = answer.data["order"]
    return order


def about(order: Mapping[str, Any], payment: str) -> dict[str, Any]:
    return {
        "payment_id": UUID(payment),
        "order_id": UUID(order["id"]),
        "order_number": order["orderNumber"],
        "user_id": UUID(order["userId"]),
        "amount": order["total"],
    }


async def entries(app: TestApp, who: Customer, count: int) -> list[dict[str, Any]]:
    """What somebody was told, once it is so much. On a busy machine an event may need its second attempt."""
    async with asyncio.timeout(WAIT):
        while len(listed := (await app.get("/notifications", as_=who)).data["notifications"]) < count:
            await asyncio.sleep(0.02)
    assert len(listed) == count
    return [shapes.entry(one) for one in listed]


async def becomes(app: TestApp, who: Customer, order: Mapping[str, Any], status: str) -> dict[str, Any]:
    """The order, once it has got so far."""
    async with asyncio.timeout(WAIT):
        while (found := (await app.get(f"/orders/{order['id']}", as_=who)).data["order"])["status"] != status:
            await asyncio.sleep(0.02)
    return dict(found)


async def test_a_user_is_created_updated_and_deleted(app: TestApp, customer: Customer) -> None:
    await app.put("/users/me", json={"name": "Asha Rao"}, as_=customer)
    await app.delete("/users/me", as_=customer)
    found = await events(app, customer.user_id)
    assert types(found) == ["user.created", "user.updated", "user.deleted"]
    await sign_in(app, customer.phone)
    assert types(await events(app, customer.user_id))[3:] == ["user.restored"]
    assert found[0]["payload"]["phoneNumber"] == customer.full_phone
    assert found[1]["payload"]["changes"] == {"name": "Asha Rao"}
    assert {event["metadata"]["userId"] for event in found} == {str(customer.user_id)}


async def test_an_orders_whole_way_is_announced(app: TestApp, world: World) -> None:
    ids = {"X-Request-ID": str(uuid4()), "X-Correlation-Id": f"checkout-{uuid4()}"}
    order = await place(app, world, "COD", ids)
    await becomes(app, world.customer, order, "CONFIRMED")
    for status in ("PROCESSING", "READY_FOR_PICKUP", "OUT_FOR_DELIVERY", "DELIVERED"):
        body = {"status": status, "trackingId": "T-1", "deliveryPartnerId": "P-1"}
        moved = await app.post(f"/admin/orders/{order['id']}/status", json=body, as_=world.admin)
        assert moved.status == 200, moved.body
    found = await events(app, order["id"])
    created, confirmed, shipped, delivered = found
    assert types(found) == ["order.created", "order.confirmed", "order.shipped", "order.delivered"]
    for event in found:
        assert (event["aggregate_type"], event["aggregate_id"]) == ("order", order["id"])
        assert (event["payload"]["orderNumber"], event["payload"]["amount"]) == (order["orderNumber"], order["total"])
        assert event["payload"]["userId"] == event["metadata"]["userId"] == order["userId"]
    assert created["payload"]["totalAmount"] == order["total"]
    assert created["payload"]["items"] == [{"productId": str(world.product), "quantity": 2, "price": 300}]
    assert isinstance(orjson.loads(created["payload"]["deliveryAddress"]), dict)
    assert created["metadata"]["correlationId"] == confirmed["metadata"]["correlationId"] == ids["X-Correlation-Id"]
    assert confirmed["metadata"]["causationId"] == str(created["event_id"])
    hours = datetime.fromisoformat(confirmed["payload"]["estimatedDelivery"]) - created["occurred_at"]
    assert hours.total_seconds() == pytest.approx(24 * 3600, abs=5)
    assert (shipped["payload"]["trackingId"], shipped["payload"]["deliveryPartnerId"]) == ("T-1", "P-1")
    assert delivered["payload"]["deliveredTo"] == "Pune"
    told = [
        entry["type"]
        for entry in await entries(app, world.customer, 6)
        if entry["actionData"]["orderId"] == order["id"]
    ]
    assert told == ["DELIVERY_UPDATE", "DELIVERY_UPDATE", "ORDER_UPDATE", "ORDER_UPDATE"]


async def test_a_payments_whole_way_is_announced(app: TestApp, world: World) -> None:
    order = await place(app, world, "upi")
    (_, initiated) = await events(app, order["id"])
    payment = initiated["payload"]["paymentId"]
    assert (initiated["aggregate_id"], initiated["payload"]["method"]) == (payment, "UPI")
    now = initiated["occurred_at"]
    ours = about(order, payment)
    await tell(app, PaymentFailed(**ours, reason="declined", failed_at=now))
    await tell(app, PaymentCompleted(**ours, transaction_id="tx-1", completed_at=now))
    assert (await becomes(app, world.customer, order, "CONFIRMED"))["paymentStatus"] == "COMPLETED"
    cancelled = await app.post(f"/orders/{order['id']}/cancel", json={"reason": "moved"}, as_=world.customer)
    assert cancelled.status == 200
    await tell(app, PaymentRefunded(**ours, refund_id="r-1", refunded_at=now))
    found = {event["event_type"]: event for event in await events(app, order["id"])}
    assert set(found) == {
        "order.created", "payment.initiated", "payment.failed", "payment.completed", "order.confirmed",
        "order.cancelled", "order.refund_due", "payment.refunded",
    }  # fmt: skip
    assert {event["metadata"]["userId"] for event in found.values()} == {order["userId"]}
    assert found["order.cancelled"]["payload"]["refundInitiated"] is True
    assert found["order.cancelled"]["payload"]["reason"] == "moved"
    ended = await becomes(app, world.customer, order, "REFUNDED")
    assert (ended["statusKey"], ended["paymentStatus"]) == ("cancelled", "REFUNDED")
    told = [entry["type"] for entry in await entries(app, world.customer, 8)]  # two of them of the first order
    assert told.count("PAYMENT_CONFIRMATION") == 3


async def test_what_is_cancelled_by_itself_still_says_whose_it_was(app: TestApp, world: World) -> None:
    order = await place(app, world, "CARD")
    due = "UPDATE orders.orders SET expires_at = now() - interval '1 minute' WHERE id = $1 RETURNING id"
    await app.db.fetchval(due, UUID(order["id"]))
    (job,) = [job for job in app.app.plugins.declared("jobs") if job.name == "order.expire"]
    await job.run()
    *_, last = await events(app, order["id"])
    assert (last["event_type"], last["metadata"]["userId"]) == ("order.cancelled", order["userId"])
    assert last["payload"]["refundInitiated"] is False


async def test_stock_is_announced(app: TestApp, world: World, admin: Customer) -> None:
    shelf = await new_shelf(app)
    product = await shelf.product("Gourd", price=30_000, stock=12)
    await shelf.shown()
    await app.patch(f"/admin/products/{product}", json={"stockDelta": -1}, as_=admin)
    line = {"productId": str(product), "quantity": 2}
    body = {"items": [line], "deliveryAddress": HOME, "paymentMethod": "COD"}
    assert (await app.post("/orders", json=body, as_=world.customer)).status == 201
    updated, low = await events(app, product)
    assert types([updated, low]) == ["inventory.stock_updated", "inventory.low_stock"]
    assert (updated["payload"]["previousStock"], updated["payload"]["newStock"]) == (12, 11)
    assert (low["payload"]["currentStock"], low["payload"]["threshold"]) == (9, 10)


async def test_entries_are_written_whatever_the_settings(app: TestApp, world: World) -> None:
    off = {"pushEnabled": False, "emailEnabled": False, "orderUpdates": False, "deliveryAlerts": False}
    changed = await app.put("/notifications/preferences", json=off, as_=world.customer)
    assert changed.data["preferences"] == {**off, "smsEnabled": False, "promotionalOffers": True}
    await entries(app, world.customer, 2)
    order = await place(app, world, "COD")
    told = await entries(app, world.customer, 4)
    assert [entry["actionData"] for entry in told[:2]] == [{"orderId": order["id"]}] * 2
    assert [entry["createdAt"] for entry in told] == sorted((e["createdAt"] for e in told), reverse=True)


async def test_preferences_begin_as_the_contract_says(app: TestApp, customer: Customer) -> None:
    given = (await app.get("/notifications/preferences", as_=customer)).data["preferences"]
    assert {name for name, value in given.items() if not value} == {"smsEnabled"}
    bad = await app.put("/notifications/preferences", json={"smsEnabled": "yes"}, as_=customer)
    assert (bad.status, bad.code) == (400, "VAL_001")


async def test_reading_one_twice_and_all_of_them(app: TestApp, world: World) -> None:
    async def count() -> int:
        return int((await app.get("/notifications/unread-count", as_=world.customer)).data["count"])

    total = len(await entries(app, world.customer, 2))
    assert await count() == total
    for _ in range(2):
        assert (await app.post(f"/notifications/{world.known['id']}/read", as_=world.customer)).status == 200
    assert await count() == total - 1
    assert (await app.post("/notifications/read-all", as_=world.customer)).status == 200
    assert await count() == 0
    assert {entry["isRead"] for entry in await entries(app, world.customer, total)} == {True}
    assert (await app.post(f"/notifications/{uuid7()}/read", as_=world.customer)).status == 404


async def test_a_device_is_whoevers_signed_in_last(app: TestApp, new_customer: NewCustomer) -> None:
    token = f"fcm:{uuid4()}"
    first, second = await new_customer(), await new_customer()
    for who in (first, first, second):
        assert (
            await app.post("/notifications/devices", json={"token": token, "platform": "ios"}, as_=who)
        ).status == 201
    owners = "SELECT user_id FROM notifications.devices WHERE token = $1 AND deactivated_at IS NULL"
    assert [row["user_id"] for row in await app.db.fetch(owners, token)] == [UserId(second.user_id)]
    assert (await app.delete(f"/notifications/devices/{token}", as_=second)).status == 200
    assert await app.db.fetch(owners, token) == []
    bad = await app.post("/notifications/devices", json={"token": token, "platform": "toaster"}, as_=first)
    assert (bad.status, bad.code) == (400, "VAL_001")
