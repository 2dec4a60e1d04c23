"""Customers who look, buy and change their minds, over and over; whatever is answered wrongly is kept."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs

from tests.faults.load.codes import Inbox
from tests.faults.load.customer import ADDRESS

PAUSE = 0.03
LIMIT = aiohttp.ClientTimeout(total=15)


@attrs.define
class Buying:
    """`answered` requests were right; each of `failures` was not, and nothing was asked twice."""

    url: str
    inbox: Inbox
    answered: int = 0
    orders: int = 0
    slowest: float = 0.0
    failures: list[str] = attrs.field(factory=list)

    @asynccontextmanager
    async def running(self, count: int) -> AsyncIterator["Buying"]:
        """While the block runs."""
        enough = asyncio.Event()
        async with aiohttp.ClientSession(timeout=LIMIT, connector=aiohttp.TCPConnector(limit=count)) as session:
            headers = [await self._sign_in(session) for _ in range(count)]
            people = [asyncio.ensure_future(self._live(session, one, enough)) for one in headers]
            try:
                yield self
            finally:
                enough.set()
                await asyncio.gather(*people)

    async def _sign_in(self, session: aiohttp.ClientSession) -> dict[str, str]:
        phone = f"{6 + secrets.randbelow(4)}{secrets.randbelow(10**9):09d}"
        async with session.post(f"{self.url}/api/v1/auth/send-otp", json={"phone": phone}) as sent:
            assert sent.status == 200, await sent.text()
        code = await self.inbox.newest(f"+91{phone}")
        async with session.post(f"{self.url}/api/v1/auth/verify-otp", json={"phone": phone, "otp": code}) as got:
            assert got.status == 200, await got.text()
            return {"Authorization": f"Bearer {(await got.json())['data']['accessToken']}", "phone": phone}

    async def _live(self, session: aiohttp.ClientSession, who: dict[str, str], enough: asyncio.Event) -> None:
        while not enough.is_set():
            await self._round(session, who)

    async def _round(self, session: aiohttp.ClientSession, who: dict[str, str]) -> None:
        listed = await self._ask(session, who, "GET", "/products?page=1&limit=20", 200)
        product = next((p for p in (listed or {}).get("products", []) if p["stock"] > 50), None)
        if product is None:
            self.failures.append("a list without products")
            return
        await self._ask(session, who, "GET", f"/products/{product['id']}", 200)
        await self._ask(session, who, "GET", "/orders?page=1&limit=5", 200)
        items = [{"productId": product["id"], "quantity": 1 + int(250 // product["effectivePrice"])}]
        wish = {"items": items, "deliveryAddress": {**ADDRESS, "phoneNumber": who["phone"]}, "paymentMethod": "cod"}
        placed = await self._ask(session, who, "POST", "/orders", 201, wish)
        if placed is None:
            return
        self.orders += 1
        order = placed["order"]
        if order["items"][0]["productId"] != product["id"]:
            self.failures.append(f"another order than was wished for: {order}")
        ended = await self._ask(session, who, "POST", f"/orders/{order['id']}/cancel", 200, {"reason": "changed"})
        if ended is not None and ended["order"]["status"] != "CANCELLED":
            self.failures.append(f"a cancelled order is {ended['order']['status']}")

    async def _ask(
        self, session: aiohttp.ClientSession, who: dict[str, str], method: str, path: str, status: int, body: Any = None
    ) -> Any:
        """The data of the right answer; None, and one failure more, for any other."""
        await asyncio.sleep(PAUSE)
        headers = {"Authorization": who["Authorization"], "X-Idempotency-Key": secrets.token_hex(8)}
        began = time.monotonic()
        try:
            async with session.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers) as got:
                content = await got.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self.failures.append(f"{method} {path}: {type(error).__name__} {error}")
            return None
        if got.status != status:
            self.failures.append(f"{method} {path}: {got.status} {content.get('error')}")
            return None
        self.answered += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        return content["data"]
