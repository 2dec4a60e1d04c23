"""Asking a colour as a customer would, before customers do. May be run against production.

Reads and refusals need nobody. With a test customer it also places an order, marked in its note, and cancels it; that
customer's messages are switched off first, and no order is placed before that is read back.
"""

import json
import math
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from ops.deploying.customer import TestCustomer
from ops.deploying.model import Refused, Release
from ops.deploying.web import Answer, ask

ENOUGH = 250
"""Rupees: above the shop's minimum."""
MOST = 6
"""Pieces of one product."""
MEDIA = ("pushEnabled", "emailEnabled", "smsEnabled")
ADDRESS = {
    "fullName": "Smoke Test",
    "phoneNumber": "9000000000",
    "addressLine1": "Nobody lives here",
    "city": "Pune",
    "state": "Maharashtra",
    "pinCode": "411001",
}


@attrs.frozen(kw_only=True)
class SmokeSettings:
    """`customer` is a file with a refresh token, as `ops/deploy sign-in` leaves it; without it nothing is written."""

    customer: Path | None = None
    slowest: float = 2.0
    """Seconds for one answer: the longest deadline of a read (RELIABILITY 3)."""


@attrs.define
class Journey:
    """One walk through one replica."""

    url: str
    release: Release
    slowest: float
    token: str = ""
    tell: Callable[[str], None] = print

    def _step(self, name: str, method: str, path: str, status: int, **more: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = ask(method, self.url + path, headers={**headers, **more.pop("headers", {})}, **more)
        if answer.status != status:
            raise Refused(f"{name}: {method} {path} answered {answer.status or answer.said}, not {status}")
        if answer.seconds > self.slowest:
            raise Refused(f"{name}: {method} {path} took {answer.seconds:.1f} s")
        return answer

    def reads(self) -> None:
        """What needs nobody, and what must be refused to nobody."""
        began = time.monotonic()
        self._step("ready", "GET", "/health/ready", 200)
        listed = self._step("list", "GET", "/api/v1/products?page=1&limit=20", 200).data["products"]
        self._step("categories", "GET", "/api/v1/categories", 200)
        if listed:
            self._step("product", "GET", f"/api/v1/products/{listed[0]['id']}", 200)
        self._step("search", "GET", "/api/v1/products?search=tamato&page=1&limit=20", 200)
        self._step("document", "GET", "/openapi.json", 200)
        self._step("own orders of nobody", "GET", "/api/v1/orders?page=1&limit=1", 401)
        self._step("an order of nobody", "POST", "/api/v1/orders", 401, body={"paymentMethod": "cod"})
        self._step("a page that is not there", "GET", "/api/v1/smoke", 404)
        self.tell(f"reads and refusals: {(time.monotonic() - began) * 1000:.0f} ms")

    def order(self, customer: TestCustomer) -> None:
        """Place an order that is marked, and take it back. Nobody is told."""
        began = time.monotonic()
        self.token = customer.renew(self.url)
        self._step("profile", "GET", "/api/v1/users/me", 200)
        self._silent()
        wish = self._wish()
        wrong = {**wish, "expectedTotal": 1}
        self._step("an order at another price", "POST", "/api/v1/orders", 409, body=wrong, headers=_key())
        key = _key()
        placed = self._step("order", "POST", "/api/v1/orders", 201, body=wish, headers=key).data["order"]
        try:
            again = self._step("order again", "POST", "/api/v1/orders", 201, body=wish, headers=key)
            if again.data["order"]["id"] != placed["id"]:
                raise Refused("a repeated order with the same key became another order")
            self._step("read the order", "GET", f"/api/v1/orders/{placed['id']}", 200)
        finally:
            ended = self._step("cancel", "POST", f"/api/v1/orders/{placed['id']}/cancel", 200, body={"reason": "smoke"})
        if ended.data["order"]["status"] != "CANCELLED":
            raise Refused(f"the cancelled order is {ended.data['order']['status']}")
        self.tell(f"order {placed['orderNumber']} placed and taken back: {(time.monotonic() - began) * 1000:.0f} ms")

    def _silent(self) -> None:
        off = dict.fromkeys(MEDIA, False)
        self._step("messages off", "PUT", "/api/v1/notifications/preferences", 200, body=off)
        kept = self._step("messages off", "GET", "/api/v1/notifications/preferences", 200).data["preferences"]
        if any(kept[medium] is not False for medium in MEDIA):
            raise Refused("the test customer's messages cannot be switched off: nothing is ordered")

    def _wish(self) -> dict[str, Any]:
        listed = self._step("list", "GET", "/api/v1/products?page=1&limit=100", 200).data["products"]
        for product in listed:
            count = math.ceil(ENOUGH / product["effectivePrice"])
            if count <= min(MOST, product["stock"]):
                return {
                    "items": [{"productId": product["id"], "quantity": count}],
                    "deliveryAddress": ADDRESS,
                    "paymentMethod": "cod",
                    "customerNote": f"Smoke test of {self.release.name}: not to be delivered.",
                }
        raise Refused(f"no product of which {MOST} pieces would make an order: is the catalogue empty?")


def _key() -> dict[str, str]:
    return {"X-Idempotency-Key": f"smoke-{secrets.token_hex(8)}"}


def smoke(settings: SmokeSettings) -> Callable[[Sequence[str], Release, Callable[[str], None]], None]:
    """What `Deploy` calls: reads on every replica, an order on the first."""

    def walk(urls: Sequence[str], release: Release, tell: Callable[[str], None]) -> None:
        try:
            for url in urls:
                Journey(url, release, settings.slowest, tell=tell).reads()
            if settings.customer is None:
                tell("no test customer: nothing was ordered")
                return
            Journey(urls[0], release, settings.slowest, tell=tell).order(TestCustomer(settings.customer))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise Refused(f"an answer without what belongs there: {error!r}") from None

    return walk
