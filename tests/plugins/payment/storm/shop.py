"""The shop that the storm meets: replicas with the payment plugin and its keys, customers, and orders to be paid."""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from typing import Any

import aiohttp

from tests.faults.load.codes import Inbox
from tests.faults.load.customer import ADDRESS
from tests.faults.processes import NotRunning
from tests.faults.world import Options, World
from tests.plugins.payment.storm.fates import SHARES, Bought, Fate
from tests.providers.razorpay import KEY_ID, KEY_SECRET, Razorpay
from tests.providers.razorpay_webhooks import SECRET

CUSTOMERS = 20
AT_ONCE = 8
HOOK = "/api/v1/webhooks/razorpay"
PATIENCE = 120.0
ENOUGH = 200
"""Rupees: above the least amount of an order."""
MOST = 5
"""Pieces of one product in an order."""
KINDS = 12
"""Of products: those of which there is most."""


def options(account: Razorpay) -> Options:
    """Three replicas in production, with the plugin among the others."""
    settings = {
        "VURKSHA_PLUGINS": "user,product,cart,order,notification,payment",
        "VURKSHA_PAYMENT__PROVIDER": "razorpay",
        "VURKSHA_PAYMENT__RAZORPAY_URL": f"{account.url}/v1",
        "VURKSHA_PAYMENT__RAZORPAY_KEY_ID": KEY_ID,
        "VURKSHA_PAYMENT__RAZORPAY_KEY_SECRET": KEY_SECRET,
        "VURKSHA_PAYMENT__RAZORPAY_WEBHOOK_SECRETS": SECRET,
        "VURKSHA_PAYMENT__WEBHOOK_RATE": "100000",
    }
    return Options(standby=False, settings=settings)


class Customers:
    """Those who buy. They come one after the other, before the storm."""

    def __init__(self, world: World, session: aiohttp.ClientSession, chance: random.Random) -> None:
        self._url, self._session, self._chance = f"{world.balancer.url}/api/v1", session, chance
        self._inbox = Inbox(world.codes)

    async def buy(self, account: Razorpay, count: int, fates: Sequence[Fate]) -> list[Bought]:
        """So many orders, each with a gateway order that waits to be paid."""
        weights = [SHARES[fate] for fate in fates]
        people = [await self._arrive() for _ in range(min(CUSTOMERS, count))]
        shown = (await self._ask("GET", "/products?page=1&limit=100"))["products"]
        plenty = sorted(shown, key=lambda one: one["stock"] * one["price"], reverse=True)
        products = [one for one in plenty if one["price"] * MOST >= ENOUGH][:KINDS]
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> tuple[dict[str, Any], str]:
            token, address = people[number % len(people)]
            async with limit:
                return await self._order(token, address, products[number % len(products)], number), token

        placed = await asyncio.gather(*(one(number) for number in range(count)))
        await _until(lambda: len(account.book.orders) >= count, "gateway orders")
        by_number = {order["notes"]["order_number"]: order["id"] for order in account.book.orders.values()}
        return [
            Bought(
                id=order["id"],
                number=order["orderNumber"],
                token=token,
                gateway_order_id=by_number[order["orderNumber"]],
                fate=self._chance.choices(fates, weights)[0],
            )
            for order, token in placed
        ]

    async def cancel(self, bought: Bought) -> None:
        """The owner changes their mind; repeated as the app does, until it is answered."""
        until = time.monotonic() + PATIENCE
        path, reason = f"/orders/{bought.id}/cancel", {"reason": "Changed my mind"}
        while True:
            try:
                await self._ask("POST", path, reason, bought.token)
            except (aiohttp.ClientError, TimeoutError, NotRunning):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(1)
            else:
                return

    async def _arrive(self) -> tuple[str, str]:
        """Sign in and give an address: token and address id."""
        phone = f"{6 + self._chance.randrange(4)}{self._chance.randrange(10**9):09d}"
        await self._ask("POST", "/auth/send-otp", {"phone": phone})
        code = await self._inbox.newest(f"+91{phone}")
        token = (await self._ask("POST", "/auth/verify-otp", {"phone": phone, "otp": code}))["accessToken"]
        address = await self._ask("POST", "/addresses", {**ADDRESS, "phoneNumber": phone}, token)
        return token, address["address"]["id"]

    async def _order(self, token: str, address: str, product: dict[str, Any], number: int) -> dict[str, Any]:
        items = [{"productId": product["id"], "quantity": math.ceil(ENOUGH / product["price"])}]
        wish = {"addressId": address, "paymentMethod": "upi", "items": items}
        answer = await self._ask("POST", "/orders", wish, token, {"X-Idempotency-Key": f"storm-{number}"})
        order: dict[str, Any] = answer["order"]
        return order

    async def _ask(
        self, method: str, path: str, body: Any = None, token: str = "", headers: dict[str, str] | None = None
    ) -> Any:
        given = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        async with self._session.request(method, self._url + path, json=body, headers=given) as got:
            answer = await got.json(content_type=None)
            if got.status >= 300:
                raise NotRunning(f"{method} {path}: {got.status} {answer}")
            return answer["data"]


async def _until(condition: Any, what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            raise NotRunning(f"waited in vain for {what}")
        await asyncio.sleep(0.1)
