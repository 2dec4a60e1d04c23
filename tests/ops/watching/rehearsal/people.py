"""Customers who do just what a fault needs, beside the steady load of the others."""

import asyncio
import random
import time
from typing import Any

import aiohttp

from tests.faults.load.codes import Inbox
from tests.faults.load.customer import ADDRESS
from tests.faults.world import World


class Person:
    """Signed in, with an address."""

    def __init__(self, world: World, session: aiohttp.ClientSession) -> None:
        self._url, self._session, self._inbox = f"{world.balancer.url}/api/v1", session, Inbox(world.codes)
        self.phone = phone()
        self._token = self._address = ""
        self._products: list[str] = []

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and the envelope's data, or its error."""
        sent = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        url = f"{self._url}{path}"
        try:
            async with self._session.request(method, url, json=body, headers={**sent, **headers}) as got:
                envelope = await got.json()
                return got.status, envelope.get("data") or envelope.get("error")
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0, None

    async def sign_in(self) -> None:
        """By code; again, as anybody would, where a busy machine answers late."""
        status, data = 0, dict[str, Any]()
        while status != 200:
            await self.ask("POST", "/auth/send-otp", {"phone": self.phone})
            code = await self._inbox.newest(f"+91{self.phone}")
            status, data = await self.ask("POST", "/auth/verify-otp", {"phone": self.phone, "otp": code})
            if status != 200:
                self.phone = phone()
        self._token = data["accessToken"]
        _, data = await self.ask("POST", "/addresses", {**ADDRESS, "phoneNumber": self.phone})
        self._address = data["address"]["id"]
        _, data = await self.ask("GET", "/products?page=1&limit=50")
        self._products = [one["id"] for one in data["products"] if one["stock"] > 100]
        await self.ask("PUT", "/notifications/preferences", {"smsEnabled": True})

    async def order(self, method: str) -> str:
        """Its id. `method` is cod or upi."""
        items = [{"productId": one, "quantity": 2} for one in random.sample(self._products, 6)]
        wish = {"addressId": self._address, "paymentMethod": method, "items": items}
        status, data = await self.ask("POST", "/orders", wish, **{"X-Idempotency-Key": str(time.time_ns())})
        assert status == 201, (status, data)
        return str(data["order"]["id"])

    async def decline(self, order: str) -> None:
        """Refuse to pay on the sandbox's page, which tells the webhook."""
        page = None
        while page is None:
            _, data = await self.ask("GET", f"/payments/{order}")
            page = ((data or {}).get("payment", {}).get("toPay") or {}).get("page")
            await asyncio.sleep(0 if page else 0.3)
        choice = {"token": page.partition("#")[2], "approve": False}
        _, notice = await self.ask("POST", "/payments/sandbox/decisions", choice)
        headers = {notice["header"]: notice["signature"], "Content-Type": "application/json"}
        async with self._session.post(f"{self._url}/webhooks/sandbox", data=notice["body"], headers=headers) as got:
            assert got.status == 200, await got.text()


def phone() -> str:
    """One that nobody else has."""
    return f"7{random.randrange(10**9):09d}"


async def crowd(person: Person, path: str, people: int) -> None:
    """So many at once, each asking again as soon as there is an answer. Until cancelled."""

    async def one() -> None:
        while True:
            await person.ask("GET", path)

    async with asyncio.TaskGroup() as group:
        for _ in range(people):
            group.create_task(one())
