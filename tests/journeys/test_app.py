"""The app's whole journey, from login to logout, through its own rules and parsers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from core.auth import TokenIssuer
from core.testing import TestApp
from tests.journeys import dart
from tests.journeys.phone import Failed, Phone, order_key
from tests.people import code_for, new_phone

HOME = {
    "id": "1732262400000",
    "fullName": "Asha Rao",
    "phoneNumber": "9876543210",
    "addressLine1": "12 Orchard Road",
    "addressLine2": "",
    "city": "Pune",
    "state": "Maharashtra",
    "pinCode": "411001",
    "country": "India",
    "type": "home",
    "isDefault": True,
    "deliveryInstructions": {"specialNotes": "ring twice"},
}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def phone(app: TestApp, http: aiohttp.ClientSession) -> Phone:
    """A phone whose owner has just signed in."""
    return await signed_in(app, http)


async def signed_in(app: TestApp, http: aiohttp.ClientSession) -> Phone:
    phone, number = Phone(app.url, http), new_phone()
    code = await code_for(app, number)
    await phone.sign_in(number, code)
    return phone


async def products(phone: Phone, query: str = "page=1&limit=20") -> list[dict[str, Any]]:
    body = await phone.call("GET", f"/products?{query}")
    return dart.listing(body["data"].get("products"), dart.product)


async def place(phone: Phone, key: str | None = None, quantity: int = 3) -> dict[str, Any]:
    chosen = [p for p in await products(phone, "page=1&limit=20&category=Vegetables") if p["stock"] > 100][:2]
    lines = [
        {"productId": p["id"], "productName": p["name"], "unitPrice": p["price"], "quantity": quantity} for p in chosen
    ]
    body = {"items": lines, "deliveryAddress": HOME, "paymentMethod": "cod", "customerNote": "thank you"}
    return dart.order((await phone.data("POST", "/orders", body, key or order_key())).get("order"))


async def test_from_login_to_logout(app: TestApp, http: aiohttp.ClientSession) -> None:
    phone, number = Phone(app.url, http), new_phone()
    phone.storage["access"] = "an old and worthless token"  # the app sends it along with these two routes
    await phone.call("POST", "/auth/send-otp", {"phone": number})
    user = await phone.sign_in(number, str((await app.message(f"+91{number}"))["code"]))
    assert dart.user((await phone.data("GET", "/users/profile")).get("user"))["id"] == user["id"]

    assert dart.listing((await phone.data("GET", "/categories")).get("categories"), dart.text)
    shelf = await products(phone)
    assert len(shelf) == 20
    assert await products(phone, "page=1&limit=20&category=leafy%20greens")
    assert await products(phone, "page=1&limit=20&category=Nonsense") == []
    assert (await products(phone, "page=1&limit=20&search=tamato"))[0]["name"] == "Tomato"
    first = dart.product((await phone.data("GET", f"/products/{shelf[0]['id']}")).get("product"))
    assert first["id"] == shelf[0]["id"]

    for chosen in shelf[:3]:
        hint = {
            "productId": chosen["id"],
            "productName": chosen["name"],
            "productImage": "",
            "unitPrice": 0.01,
            "quantity": 2,
        }
        await phone.call("POST", "/cart/items", hint)
    await phone.call("PUT", f"/cart/items/{shelf[0]['id']}", {"quantity": 5})
    await phone.call("DELETE", f"/cart/items/{shelf[2]['id']}")
    cart = dart.cart((await phone.data("GET", "/cart")).get("cart"))
    assert [line["quantity"] for line in cart["items"]] == [5, 2]
    assert cart["subtotal"] == pytest.approx(sum(line["unitPrice"] * line["quantity"] for line in cart["items"]))

    order = await place(phone)
    assert order["total"] == pytest.approx(order["subtotal"] + order["deliveryFee"])
    await app.quiet()
    orders = dart.listing((await phone.data("GET", "/orders?page=1&limit=20")).get("orders"), dart.order)
    assert [o["id"] for o in orders] == [order["id"]]
    assert dart.order((await phone.data("GET", f"/orders/{order['id']}")).get("order"))["status"] == "CONFIRMED"
    await phone.call("POST", f"/orders/{order['id']}/cancel", {"reason": "changed my mind"})
    assert dart.order((await phone.data("GET", f"/orders/{order['id']}")).get("order"))["status"] == "CANCELLED"

    await app.quiet()
    listed, unread = await asyncio.gather(  # on every resume the app asks both at once
        phone.data("GET", "/notifications?page=1&limit=20"), phone.data("GET", "/notifications/unread-count")
    )
    entries = dart.listing(listed.get("notifications"), dart.notification)
    assert dart.whole(unread.get("count")) == len(entries) == 3
    await phone.call("POST", f"/notifications/{entries[0]['id']}/read")
    await phone.call("POST", f"/notifications/{entries[0]['id']}/read")
    await phone.call("POST", "/notifications/read-all")
    assert (await phone.data("GET", "/notifications/unread-count"))["count"] == 0
    await phone.call("POST", "/notifications/devices", {"token": uuid4().hex, "platform": "android"})
    await phone.call("DELETE", "/cart")
    assert dart.cart((await phone.data("GET", "/cart")).get("cart"))["items"] == []

    kept = dict(phone.storage)
    await phone.sign_out()
    phone.storage = kept
    with pytest.raises(Failed) as caught:
        await phone.call("GET", "/users/profile")
    assert (caught.value.status, phone.signed_in) == (401, False)


async def test_an_expired_token_is_renewed_and_the_request_replayed(app: TestApp, phone: Phone) -> None:
    auth = app.app.settings.auth
    profile = (await phone.data("GET", "/users/profile"))["user"]
    expired = TokenIssuer(auth.secret.reveal(), [], issuer=auth.issuer, audience=auth.audience, minutes=-1)
    sid = app.kernel.tokens.principal(f"Bearer {phone.storage['access']}").session_id
    phone.storage["access"] = expired.issue(profile["id"], sid, "CUSTOMER")
    before = dict(phone.storage)
    assert (await phone.data("GET", "/users/profile"))["user"]["id"] == profile["id"]
    assert phone.storage["access"] != before["access"]
    assert phone.storage["refresh"] != before["refresh"]


async def test_a_refresh_whose_answer_was_lost_may_be_asked_again(phone: Phone) -> None:
    body = {"refreshToken": phone.storage["refresh"]}
    lost = await phone.data("POST", "/auth/token/refresh", body)
    again = await phone.data("POST", "/auth/token/refresh", body)
    assert again["refreshToken"] == lost["refreshToken"]
    assert again["tokens"]["refreshToken"] == again["refreshToken"]


async def test_a_wrong_code_does_not_sign_anybody_out(app: TestApp, phone: Phone) -> None:
    number = new_phone()
    await code_for(app, number)
    with pytest.raises(Failed) as caught:
        await phone.call("POST", "/auth/verify-otp", {"phone": number, "otp": "000000"})
    assert (caught.value.status, phone.signed_in) == (400, True)


async def test_an_order_sent_again_with_its_key_is_one_order(phone: Phone) -> None:
    key = order_key()
    first, again = await place(phone, key), await place(phone, key)
    assert first == again
    assert len((await phone.data("GET", "/orders?page=1&limit=20"))["orders"]) == 1


async def test_two_users_do_not_see_each_other(app: TestApp, http: aiohttp.ClientSession, phone: Phone) -> None:
    other = await signed_in(app, http)
    order = await place(phone)
    address = (await phone.data("POST", "/addresses", HOME))["address"]
    assert dart.address(address)["addressLine2"] == ""
    await app.quiet()
    entry = (await phone.data("GET", "/notifications?page=1&limit=20"))["notifications"][0]
    for method, path, body in (
        ("GET", f"/orders/{order['id']}", None),
        ("POST", f"/orders/{order['id']}/cancel", {"reason": "not mine"}),
        ("GET", f"/addresses/{address['id']}", None),
        ("PUT", f"/addresses/{address['id']}", HOME),
        ("DELETE", f"/addresses/{address['id']}", None),
        ("POST", f"/addresses/{address['id']}/default", None),
        ("POST", f"/notifications/{entry['id']}/read", None),
    ):
        with pytest.raises(Failed) as caught:
            await other.call(method, path, body)
        assert caught.value.status == 404, path
    assert (await other.data("GET", "/orders?page=1&limit=20"))["orders"] == []
    assert (await other.data("GET", "/addresses"))["addresses"] == []
    assert (await other.data("GET", "/notifications/unread-count"))["count"] == 0
    assert dart.cart((await other.data("GET", "/cart"))["cart"])["items"] == []
    assert other.signed_in


async def test_two_users_with_one_key_have_two_orders(app: TestApp, http: aiohttp.ClientSession, phone: Phone) -> None:
    other, key = await signed_in(app, http), order_key()
    first, second = await asyncio.gather(place(phone, key), place(other, key))
    assert first["id"] != second["id"]
