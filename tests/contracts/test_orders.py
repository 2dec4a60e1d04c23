"""Orders: what a client may send, what it is billed, where an order stands (CONTRACT A.6, B.6)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.testing import Answer, TestApp
from core.types import INDIA
from tests.contracts import shapes
from tests.contracts.world import HOME, World
from tests.people import Customer
from tests.plugins.product.shelf import new_shelf

NUMBER = r"VRK-\d{4}-\d{6,}"


async def place(app: TestApp, world: World, **changes: Any) -> Answer:
    """A valid order, changed; what is changed to None is left out."""
    line = {"productId": str(world.product), "productName": "x", "unitPrice": 1, "quantity": 1, "unit": "kg"}
    body = {"items": [line], "deliveryAddress": HOME, "paymentMethod": "COD", **changes}
    body = {name: value for name, value in body.items() if value is not None}
    return await app.post("/orders", json=body, as_=world.customer)


METHODS = {
    "COD": "COD", "cod": "COD", "Cod": "COD", "UPI": "UPI", "upi": "UPI", "CARD": "CARD", "card": "CARD",
    "creditCard": "CARD", "debitCard": "CARD", "CREDITCARD": "CARD", "NET_BANKING": "NET_BANKING",
    "net_banking": "NET_BANKING", "netBanking": "NET_BANKING", "netbanking": "NET_BANKING", "WALLET": "WALLET",
    "wallet": "WALLET",
}  # fmt: skip


@pytest.mark.parametrize(("said", "meant"), METHODS.items())
async def test_a_payment_goes_by_any_of_its_names(app: TestApp, world: World, said: str, meant: str) -> None:
    answer = await place(app, world, paymentMethod=said)
    assert answer.status == 201, answer.body
    order = answer.data["order"]
    shapes.order(order)
    assert order["paymentMethod"] == meant
    assert order["paymentStatus"] == ("PENDING" if meant == "COD" else "PROCESSING")
    assert order["status"] == "PENDING"


@pytest.mark.parametrize(
    "changes",
    [
        {"paymentMethod": "barter"}, {"items": []}, {"items": [{"productId": "x", "quantity": 1}]},
        {"deliveryAddress": None}, {"paymentMethod": None}, {"customerNote": "x" * 501},
        {"deliveryAddress": {**HOME, "pinCode": "4110"}}, {"scheduledDeliveryDate": "soon"},
        {"scheduledDeliveryDate": "2020-01-01T00:00:00Z"}, {"items": [{"productId": str(uuid4()), "quantity": 1.5}]},
        {"items": [{"productId": str(uuid4()), "quantity": "1"}]},
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_400(app: TestApp, world: World, changes: dict[str, Any]) -> None:
    answer = await place(app, world, **changes)
    assert (answer.status, answer.code) == (400, "VAL_001"), answer.body


WITHOUT_PIN = {name: value for name, value in HOME.items() if name != "pinCode"}


@pytest.mark.parametrize(
    "address",
    [
        {**HOME, "id": "1732262400000"}, {**HOME, "id": str(uuid4())}, {**WITHOUT_PIN, "pincode": "411001"},
        {**HOME, "phoneNumber": "+91 98765-43210"}, {**HOME, "phoneNumber": "(022) 2345 6789"},
        {**HOME, "addressLine1": "1"},
        {**HOME, "addressLine2": None, "landmark": None, "country": "India", "type": "home", "label": "Home"},
        {**HOME, "latitude": 18, "longitude": None, "deliveryInstructions": {"specialNotes": None}, "isDefault": True},
    ],
)  # fmt: skip
async def test_an_address_of_either_client(app: TestApp, world: World, address: dict[str, Any]) -> None:
    answer = await place(app, world, deliveryAddress=address)
    assert answer.status == 201, answer.body
    order = answer.data["order"]
    details = order["deliveryAddressDetails"]
    assert (details["pinCode"], details["pincode"], details["fullName"]) == ("411001", "411001", "Asha Rao")
    assert address["addressLine1"] in order["deliveryAddress"]
    assert "\n" not in order["deliveryAddress"]


async def test_a_stored_address_goes_by_its_id(app: TestApp, world: World, customer: Customer) -> None:
    mine = world.known["address_id"]
    by_id = await place(app, world, deliveryAddress=None, addressId=mine)
    assert by_id.data["order"]["deliveryAddressDetails"]["addressLine1"] == HOME["addressLine1"]
    made_up = await place(app, world, addressId="1732262400000")
    assert made_up.status == 201, made_up.body
    theirs = (await app.post("/addresses", json=HOME, as_=customer)).data["address"]["id"]
    for key in (theirs, str(uuid4())):
        refused = await place(app, world, addressId=key)
        assert (refused.status, refused.code) == (404, "RES_001")
    assert (await place(app, world, deliveryAddress=None, addressId="1732262400000")).status == 404


@pytest.mark.parametrize(
    "form", ["%Y-%m-%dT%H:%M:%S.000", "%Y-%m-%d %H:%M:%S.123456", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]
)
async def test_a_day_may_be_said_as_dart_says_it(app: TestApp, world: World, form: str) -> None:
    day = (datetime.now(INDIA) + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    order = (await place(app, world, scheduledDeliveryDate=day.strftime(form), deliverySlot="9-11 AM")).data["order"]
    meant = datetime.fromisoformat(order["scheduledDeliveryDate"])
    zone = UTC if form.endswith("Z") else INDIA
    assert abs(meant - day.replace(tzinfo=zone)) < timedelta(seconds=1)
    assert order["deliverySlot"] == "9-11 AM"


async def test_the_bill(app: TestApp, world: World) -> None:
    shelf = await new_shelf(app)
    cheap = await shelf.product("Cheap", price=19_800, stock=50)
    fair = await shelf.product("Fair", price=49_999, stock=50)
    full = await shelf.product("Full", price=50_000, stock=50)
    await shelf.shown()

    async def bill(product: UUID) -> Answer:
        return await place(app, world, items=[{"productId": str(product), "quantity": 1, "unitPrice": 0.01}])

    below = await bill(cheap)
    assert (below.status, below.code) == (422, "BIZ_006")
    assert below.json["error"]["details"] == {"minimumAmount": 199, "currentAmount": 198}
    paid = (await bill(fair)).data["order"]
    assert (paid["subtotal"], paid["deliveryFee"], paid["discount"], paid["total"]) == (499.99, 40, 0, 539.99)
    free = (await bill(full)).data["order"]
    assert (free["subtotal"], free["deliveryFee"], free["total"]) == (500, 0, 500)
    coupon = await place(app, world, couponCode="WELCOME10")
    assert (coupon.status, coupon.code) == (422, "BIZ_007")


async def test_the_number_the_estimate_and_the_first_step(app: TestApp, world: World) -> None:
    order = (await place(app, world, customerNote="ring twice")).data["order"]
    assert re.fullmatch(NUMBER, order["orderNumber"])
    assert order["orderNumber"][4:8] == str(datetime.now(INDIA).year)
    wait = datetime.fromisoformat(order["scheduledDeliveryDate"]) - datetime.fromisoformat(order["createdAt"])
    assert wait == timedelta(hours=24)
    assert [step["event"] for step in order["timeline"]] == ["order_created"]
    assert order["customerNote"] == "ring twice"
    assert order["items"][0]["productImage"] == ""


WORDS = {
    "PENDING": ("processing", "Pending"), "CONFIRMED": ("processing", "Pending"),
    "PROCESSING": ("processing", "Processing"), "READY_FOR_PICKUP": ("processing", "Processing"),
    "OUT_FOR_DELIVERY": ("in_transit", "Shipped"), "DELIVERED": ("delivered", "Delivered"),
}  # fmt: skip


async def test_every_status_has_its_three_words_and_is_found_by_each(app: TestApp, world: World) -> None:
    order, staff = world.known["order_id"], world.admin
    for status in ("CONFIRMED", "PROCESSING", "READY_FOR_PICKUP", "OUT_FOR_DELIVERY", "DELIVERED"):
        moved = await app.post(f"/admin/orders/{order}/status", json={"status": status}, as_=staff)
        assert moved.status == 200, moved.body
        found = (await app.get(f"/orders/{order}", as_=world.customer)).data["order"]
        shapes.order(found)
        assert (found["status"], found["statusKey"], found["statusLabel"]) == (status, *WORDS[status])
        for word in (status, status.lower(), *WORDS[status]):
            listed = await app.get(f"/orders?status={word}", as_=world.customer)
            assert len(listed.data["orders"]) == 1, word
        assert (await app.get("/orders?status=CANCELLED", as_=world.customer)).data["orders"] == []
    found = (await app.get(f"/orders/{order}", as_=world.customer)).data["order"]
    steps = [step["timestamp"] for step in found["timeline"]]
    assert steps == sorted(steps, reverse=True)
    assert len(steps) <= 10
    assert found["confirmedAt"] <= found["shippedAt"] <= found["deliveredAt"]
    assert found["paymentStatus"] == "COMPLETED"
    late = await app.post(f"/orders/{order}/cancel", json={"reason": "too late"}, as_=world.customer)
    assert (late.status, late.code) == (422, "BIZ_002")


async def test_a_status_that_nobody_knows_is_400(app: TestApp, world: World) -> None:
    answer = await app.get("/orders?status=lost", as_=world.customer)
    assert (answer.status, answer.code) == (400, "VAL_001")


async def test_cancelling_twice_is_cancelling_once(app: TestApp, world: World) -> None:
    path = f"/orders/{world.known['order_id']}/cancel"
    answers = [await app.post(path, json={"reason": "not needed"}, as_=world.customer) for _ in range(2)]
    assert [(a.status, a.data["order"]["statusKey"]) for a in answers] == [(200, "cancelled")] * 2
    assert answers[0].data["order"]["timeline"] == answers[1].data["order"]["timeline"]


async def test_an_empty_cart_cannot_be_ordered(app: TestApp, world: World) -> None:
    await app.delete("/cart", as_=world.customer)
    answer = await place(app, world, items=None)
    assert (answer.status, answer.code) == (422, "BIZ_003")


async def test_too_much_names_each_line(app: TestApp, world: World) -> None:
    shelf = await new_shelf(app)
    short = await shelf.product("Short", price=50_000, stock=2)
    await shelf.shown()
    answer = await place(app, world, items=[{"productId": str(short), "quantity": 3}])
    assert (answer.status, answer.code) == (422, "BIZ_001")
    assert str(short) in answer.body.decode()


async def test_a_key_is_the_callers_own_and_a_repeat_says_so(app: TestApp, world: World, customer: Customer) -> None:
    body = {
        "items": [{"productId": str(world.product), "quantity": 1}],
        "deliveryAddress": HOME,
        "paymentMethod": "card",
    }
    headers = {"X-Idempotency-Key": "1732262400000"}
    first, again = [await app.post("/orders", json=body, as_=world.customer, headers=headers) for _ in range(2)]
    other = await app.post("/orders", json=body, as_=customer, headers=headers)
    assert (first.status, again.status, other.status) == (201, 201, 201)
    assert first.data == again.data != other.data
    assert "X-Idempotent-Replayed" not in first.headers
    assert again.headers["X-Idempotent-Replayed"] == "true"
    changed = await app.post("/orders", json={**body, "customerNote": "x"}, as_=customer, headers=headers)
    assert (changed.status, changed.code) == (422, "IDEMPOTENCY_KEY_REUSED")
