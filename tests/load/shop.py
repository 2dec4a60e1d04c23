"""What every simulated customer does: be somebody with an address of one's own, sign in, ask as the app asks.

Run by Locust, whose packages are not the project's: nothing here imports the project.
"""

import json
import math
import os
import random
import time
import uuid
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser

JOURNAL = Path(os.environ.get("JOURNAL", "/dev/null"))
"""Where the server under test writes the messages that it would send."""
MANY, LEAST = 100, 250
"""Pieces in stock, and rupees of an order: more than the least that a shop takes."""
PATIENCE = 20.0
"""Seconds to wait for a code."""
HOME = {
    "fullName": "Asha Rao", "phoneNumber": "9876543210", "addressLine1": "12 Orchard Road", "city": "Pune",
    "state": "Maharashtra", "pinCode": "411001", "country": "India", "type": "home",
}  # fmt: skip


def worth(product: dict[str, Any], rupees: float) -> dict[str, Any] | None:
    """A line of an order over so much, if so many of the product may be ordered."""
    quantity = max(math.ceil(rupees / product["price"]), product["minOrderQuantity"])
    return {"productId": product["id"], "quantity": quantity} if quantity <= product["maxOrderQuantity"] else None


class Codes:
    """Login codes by phone, read as they come."""

    def __init__(self, journal: Path) -> None:
        self._journal, self._read, self._known = journal, 0, dict[str, str]()

    def take(self, phone: str) -> str:
        """The newest code of a phone. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self._look()
            if code := self._known.pop(phone, None):
                return code
            gevent.sleep(0.05)
        raise TimeoutError(f"no code came for {phone[:4]}...")

    def _look(self) -> None:
        if not self._journal.exists() or self._journal.stat().st_size == self._read:
            return
        with self._journal.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.splitlines():
            sent = json.loads(line)
            if sent.get("code"):
                self._known[sent["to"]] = sent["code"]


CODES = Codes(JOURNAL)


class Customer(FastHttpUser):
    """Somebody with a phone."""

    abstract = True
    connection_timeout = network_timeout = 10.0

    def on_start(self) -> None:
        """Come from an address of one's own, as behind a gateway."""
        self.forwarded = f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        self.access = self.refresh = ""
        self.products = self.ask("GET", "/products?page=1&limit=100", name="/products")["products"]
        self.in_stock = [product["id"] for product in self.products if product["stock"] > MANY]
        self.enough = [line for one in self.products if one["stock"] > MANY and (line := worth(one, LEAST))]

    def ask(self, method: str, path: str, body: Any = None, *, name: str = "", key: str = "", **expected: int) -> Any:
        """The `data` of an answer; {} when it failed, which Locust counts. `status` is what else is right."""
        headers = {"X-Forwarded-For": self.forwarded, "Accept": "application/json"}
        if self.access:
            headers["Authorization"] = f"Bearer {self.access}"
        if key:
            headers["X-Idempotency-Key"] = key
        label = f"{method} {name or path}"
        with self.client.request(
            method, f"/api/v1{path}", json=body, headers=headers, name=label, catch_response=True
        ) as got:
            if got.status_code == expected.get("status"):
                got.success()
                return {}
            if got.status_code >= 400 or got.status_code == 0:
                got.failure(f"{got.status_code} {(got.text or '')[:120]}")
                return {}
            return (got.json() or {}).get("data", {})

    def sign_in(self) -> None:
        """By a code, as somebody new."""
        phone = f"{random.randrange(6, 10)}{random.randrange(10**9):09d}"
        self.ask("POST", "/auth/send-otp", {"phone": phone})
        self._took(self.ask("POST", "/auth/verify-otp", {"phone": phone, "otp": CODES.take(f"+91{phone}")}))

    def renew(self) -> None:
        """Rotate the refresh token, as the app does when it comes back."""
        self._took(self.ask("POST", "/auth/token/refresh", {"refreshToken": self.refresh}))

    def _took(self, tokens: dict[str, str]) -> None:
        self.access = tokens.get("accessToken", self.access)
        self.refresh = tokens.get("refreshToken", self.refresh)

    def some(self) -> str:
        """A product that is there in numbers."""
        return random.choice(self.in_stock)

    def order(self) -> None:
        """Place an order; one in ten asks again with the same key, as after a lost answer, and must get the same."""
        body, key = (
            {"items": [random.choice(self.enough)], "deliveryAddress": HOME, "paymentMethod": "cod"},
            str(uuid.uuid4()),
        )
        first = self.ask("POST", "/orders", body, key=key)
        if first and random.random() < 0.1:
            again = self.ask("POST", "/orders", body, key=key, name="/orders (again)")
            if again and again["order"]["id"] != first["order"]["id"]:
                raise AssertionError("one key made two orders")
