"""Every route of the contract: method, aliases, who may, status, and each field of its answer (CONTRACT 0, A.2)."""

from typing import Any

import attrs
import pytest

from core.testing import Answer, TestApp
from tests.contracts import shapes
from tests.contracts.shapes import Reader, many
from tests.contracts.world import HOME, World
from tests.journeys.dart import fields, maybe, whole
from tests.people import Customer, code_for, new_phone

NOBODY, USER, ADMIN = "nobody", "user", "admin"
RUBBISH = ("Bearer rubbish", "Bearer", "")
"""What the app may still send along with a public route (A.1)."""


@attrs.frozen
class Row:
    """A row of section 0. `{name}` in a path is one of the world's own things, a callable body is asked for it."""

    number: int
    call: str
    who: str
    read: Reader
    body: Any = None
    status: int = 200
    listed: bool = False

    def __str__(self) -> str:
        return f"{self.number} {self.call}"


def line(world: World) -> dict[str, object]:
    return {
        "productId": str(world.product),
        "productName": "Hint",
        "productImage": "",
        "unitPrice": 0.01,
        "quantity": 1,
    }


def order(world: World) -> dict[str, object]:
    return {"items": [line(world)], "deliveryAddress": {"id": "1732262400000", **HOME}, "paymentMethod": "cod"}


USER_ANSWER, MESSAGE = fields(user=shapes.user), shapes.message
CART, ORDER, ADDRESS = fields(cart=shapes.cart), fields(order=shapes.order), fields(address=shapes.address)
PHONE = "/notifications/devices"

ROWS = (
    Row(7, "GET /users/profile", USER, USER_ANSWER),
    Row(8, "GET /users/me", USER, USER_ANSWER),
    Row(9, "PUT /users/me", USER, USER_ANSWER, {"name": "Asha Rao"}),
    Row(9, "PUT /users/profile", USER, USER_ANSWER, {"name": "Asha Rao"}),
    Row(10, "DELETE /users/me", USER, MESSAGE),
    Row(11, "GET /users/{user_id}", ADMIN, USER_ANSWER),
    Row(12, "GET /addresses", USER, fields(addresses=many(shapes.address)), listed=True),
    Row(13, "GET /addresses/{address_id}", USER, ADDRESS),
    Row(14, "POST /addresses", USER, ADDRESS, {**HOME, "addressLine1": "Elsewhere"}, 201),
    Row(15, "PUT /addresses/{address_id}", USER, ADDRESS, {**HOME, "city": "Nashik"}),
    Row(16, "DELETE /addresses/{address_id}", USER, MESSAGE),
    Row(17, "POST /addresses/{address_id}/default", USER, ADDRESS),
    Row(18, "GET /products", NOBODY, fields(products=many(shapes.product)), listed=True),
    Row(18, "GET /products?page=1&limit=20", NOBODY, fields(products=many(shapes.product)), listed=True),
    Row(19, "GET /products/featured", NOBODY, fields(products=many(shapes.product)), listed=True),
    Row(20, "GET /products/{product_id}", NOBODY, fields(product=shapes.product_detail)),
    Row(21, "GET /categories", NOBODY, shapes.categories, listed=True),
    Row(22, "GET /categories/{slug}", NOBODY, fields(category=shapes.category_detail)),
    Row(23, "GET /banners", NOBODY, fields(banners=many(shapes.banner)), listed=True),
    Row(24, "GET /cart", USER, CART),
    Row(25, "POST /cart/items", USER, CART, line),
    Row(26, "PUT /cart/items/{product_id}", USER, CART, {"quantity": 2}),
    Row(27, "DELETE /cart/items/{product_id}", USER, CART),
    Row(28, "DELETE /cart", USER, CART),
    Row(29, "POST /cart/validate", USER, shapes.validity),
    Row(30, "POST /orders", USER, ORDER, order, 201),
    Row(31, "GET /orders", USER, fields(orders=many(shapes.order)), listed=True),
    Row(31, "GET /orders?page=1&limit=20", USER, fields(orders=many(shapes.order)), listed=True),
    Row(32, "GET /orders/{order_id}", USER, ORDER),
    Row(33, "POST /orders/{order_id}/cancel", USER, ORDER, {"reason": "changed my mind"}),
    Row(33, "POST /orders/{order_id}/cancel", USER, ORDER),
    Row(34, "GET /notifications?page=1&limit=20", USER, fields(notifications=many(shapes.entry)), listed=True),
    Row(35, "GET /notifications/unread-count", USER, fields(count=whole)),
    Row(36, "POST /notifications/{id}/read", USER, MESSAGE),
    Row(37, "POST /notifications/read-all", USER, MESSAGE),
    Row(38, f"POST {PHONE}", USER, MESSAGE, {"token": "fcm:a-b_c", "platform": "android"}, 201),
    Row(39, f"DELETE {PHONE}/{{token}}", USER, MESSAGE),
    Row(40, "GET /notifications/preferences", USER, fields(preferences=shapes.preferences)),
    Row(41, "PUT /notifications/preferences", USER, fields(preferences=shapes.preferences), {"smsEnabled": True}),
)


async def send(app: TestApp, row: Row, world: World, as_: Customer | None, **headers: str) -> Answer:
    """What the app sends: always JSON by its headers, no bytes where there is nothing to say (A.1)."""
    method, path = row.call.format(**world.known).split()
    body = row.body(world) if callable(row.body) else row.body
    return await app.request(method, path, json=body, as_=as_, headers=headers)


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_route_answers_what_the_contract_says(app: TestApp, world: World, row: Row) -> None:
    who = {NOBODY: None, USER: world.customer, ADMIN: world.admin}[row.who]
    answer = await send(app, row, world, who)
    assert (answer.status, answer.headers["Content-Type"]) == (row.status, "application/json"), answer.body
    envelope = answer.json
    shapes.success(envelope)
    row.read(envelope["data"])
    assert envelope["success"] is True
    assert envelope["requestId"] == envelope["meta"]["requestId"] == answer.headers["X-Request-Id"]
    assert ("pagination" in envelope) == row.listed
    maybe(shapes.page)(envelope.get("pagination"))
    assert envelope.get("pagination", {"limit": 1})["limit"] >= 1


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_a_route_lets_in_who_the_contract_says(app: TestApp, world: World, row: Row) -> None:
    if row.who == NOBODY:
        answers = [await send(app, row, world, None, Authorization=old) for old in RUBBISH]
        assert {answer.status for answer in answers} == {200}
        return
    stranger = await send(app, row, world, None)
    assert (stranger.status, stranger.code) == (401, "AUTH_001")
    if row.who == ADMIN:
        customer = await send(app, row, world, world.customer)
        assert (customer.status, customer.code) == (403, "FORBIDDEN")


SENDS = [
    (path, body)
    for path in ("/auth/send-otp", "/auth/otp/send")
    for body in ({"phone": "{0}"}, {"phone": "+91{0}"}, {"phoneNumber": "+91{0}"}, {"phoneNumber": "{0}"})
]


@pytest.mark.parametrize(("path", "body"), SENDS)
async def test_rows_1_and_2_send_a_code(app: TestApp, path: str, body: dict[str, str]) -> None:
    phone = new_phone()
    sent = {name: value.format(phone) for name, value in body.items()}
    answer = await app.post(path, json=sent, headers={"Authorization": "Bearer rubbish"})
    assert (answer.status, answer.data["expiresIn"]) == (200, 300)
    shapes.code_sent(answer.data)
    code = (await app.message(f"+91{phone}"))["code"]
    assert len(code) == 6
    assert code.isdigit()
    assert code.encode() not in answer.body


@pytest.mark.parametrize("path", ["/auth/verify-otp", "/auth/otp/verify"])
@pytest.mark.parametrize("old", RUBBISH)
async def test_rows_3_to_6_sign_in_renew_and_leave(app: TestApp, path: str, old: str) -> None:
    phone, headers = new_phone(), {"Authorization": old}
    code = await code_for(app, phone)
    device = {"deviceId": "d-1", "deviceName": "Pixel", "deviceType": "android"}
    answer = await app.post(path, json={"phoneNumber": f"+91{phone}", "otp": code, **device}, headers=headers)
    assert answer.status == 200, answer.body
    shapes.pair(answer.data)
    shapes.user(answer.data["user"])
    assert (answer.data["user"]["isNew"], answer.data["user"]["isVerified"]) == (True, True)
    assert answer.data["tokens"]["expiresIn"] == 900

    refresh = {"refreshToken": answer.data["refreshToken"], "deviceId": "d-1"}
    renewed = await app.post("/auth/token/refresh", json=refresh, headers=headers)
    assert renewed.status == 200
    shapes.pair(renewed.data)
    assert renewed.data["tokens"]["accessToken"] == renewed.data["accessToken"]
    mine = {"Authorization": f"Bearer {renewed.data['accessToken']}"}
    assert (await app.get("/users/profile", headers=mine)).status == 200  # it works at once

    left = await app.post("/auth/logout", body=b"", headers=mine)
    assert left.status == 200
    shapes.message(left.data)
    after = await app.get("/users/profile", headers=mine)
    assert (after.status, after.code) == (401, "AUTH_004")


@pytest.mark.parametrize(
    ("path", "read"), [("/health", shapes.health), ("/health/live", shapes.live), ("/health/ready", shapes.ready)]
)
async def test_row_42_health_has_no_envelope(app: TestApp, path: str, read: Reader) -> None:
    answer = await app.get(path)
    assert answer.status == 200
    read(answer.json)
    assert "success" not in answer.json


async def test_every_row_of_section_0_is_here() -> None:
    elsewhere = {1, 2, 3, 4, 5, 6, 42}
    assert {row.number for row in ROWS} | elsewhere == set(range(1, 43))
