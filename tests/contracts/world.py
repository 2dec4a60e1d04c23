"""Somebody who has one of everything, so that requests reach past the first 404."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import attrs

from core.testing import TestApp
from tests.people import Customer
from tests.plugins.product.shelf import new_shelf

HOME = {
    "fullName": "Asha Rao", "phoneNumber": "9876543210", "addressLine1": "12 Orchard Road", "city": "Pune",
    "state": "Maharashtra", "pinCode": "411001",
}  # fmt: skip
PLENTY = 900_000
WAIT = 20.0


@attrs.frozen(kw_only=True)
class World:
    """A customer, an administrator, and what the customer has."""

    customer: Customer
    admin: Customer
    product: UUID
    known: dict[str, str]
    """By the name of the path value that would hold it."""

    def aim(self, sent: dict[str, Any]) -> dict[str, Any]:
        """The same values, those that name a thing naming one that is there."""
        return {name: self.known.get(name, value) for name, value in sent.items()}

    def aim_body(self, body: Any) -> Any:
        """The same body, wherever it names a product or a saved method naming one that is there."""
        there = {"productId": str(self.product), "methodId": self.known["method_id"]}
        if isinstance(body, dict):
            return {k: there.get(k) or self.aim_body(v) for k, v in body.items()}
        return [self.aim_body(item) for item in body] if isinstance(body, list) else body


async def first_notification(app: TestApp, customer: Customer) -> str:
    """Its id. On a busy machine an event may need its second attempt."""
    async with asyncio.timeout(WAIT):
        while not (entries := (await app.get("/notifications", as_=customer)).data["notifications"]):
            await asyncio.sleep(0.02)
    found: str = entries[0]["id"]
    return found


async def page_of(app: TestApp, customer: Customer, order_id: str) -> str:
    """The token of the page at which the order can be paid, once it can be."""
    async with asyncio.timeout(WAIT):
        while True:
            answer = await app.get(f"/payments/{order_id}", as_=customer)
            if answer.status == 200 and answer.data["payment"]["ready"]:
                page: str = answer.data["payment"]["toPay"]["page"]
                return page.partition("#")[2]
            await asyncio.sleep(0.02)


async def settled(app: TestApp, customer: Customer, admin: Customer, way: str) -> World:
    """One of everything, made over HTTP but for the product. `way` is how the order is paid."""
    shelf, device = await new_shelf(app), uuid4().hex
    product = await shelf.product(price=30_000, stock=PLENTY)
    await shelf.shown()

    async def post(path: str, body: object) -> Any:
        answer = await app.post(path, json=body, as_=customer)
        assert answer.status < 300, answer.body
        return answer.data

    line = {"productId": str(product), "quantity": 1}
    address = (await post("/addresses", HOME))["address"]
    order = (await post("/orders", {"items": [line], "addressId": address["id"], "paymentMethod": way}))["order"]
    method = (await post("/payment-methods", {"type": "upi", "upiId": "asha@okbank"}))["paymentMethod"]
    page = "" if way == "COD" else await page_of(app, customer, order["id"])
    await post("/cart/items", line)
    await post("/notifications/devices", {"token": device, "platform": "web"})
    export = (await post("/users/me/export", {}))["export"]
    entry = await first_notification(app, customer)
    known = {
        "user_id": str(customer.user_id),
        "address_id": address["id"],
        "order_id": order["id"],
        "product_id": str(product),
        "slug": f"c-{shelf.id}",
        "id": entry,
        "token": device,
        "export_id": export["id"],
        "method_id": method["id"],
        "provider": "sandbox",
        "page": page,
    }
    return World(customer=customer, admin=admin, product=product, known=known)
