"""Two replicas of the whole shop on real stores and a real broker, a stand-in for Google, and somebody who buys."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import orjson

from tests.cluster import Replica, Replicas, until
from tests.core.observe.tracing.receiver import Collector, Seen, collecting
from tests.providers.google import Google

ADDRESS = {
    "fullName": "Asha Very Private Rao", "phoneNumber": "9876501234", "addressLine1": "12 Hidden Lake Road",
    "city": "Bengaluru", "state": "Karnataka", "pinCode": "560001",
}  # fmt: skip


@attrs.frozen
class Shop:
    """What runs, and what must not be seen in any span."""

    collector: Collector
    google: Google
    front: Replica
    """Takes the requests."""
    back: Replica
    """Began before it, and so consumes the queues."""
    data: Path
    private: list[str]

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """One request to the front; the data of its answer."""
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.front.url}/api/v1{path}", **more) as answer,
        ):
            said = await answer.json()
            assert answer.status < 300, said
            return said["data"]

    async def sign_in(self) -> dict[str, str]:
        """Somebody new with a phone that gets messages: the headers for their requests."""
        phone = f"9{secrets.randbelow(10**9):09d}"
        await self.ask("POST", "/auth/send-otp", json={"phone": phone})
        await until(lambda: self._code(phone), "the code")
        code = self._code(phone)
        data = await self.ask("POST", "/auth/verify-otp", json={"phone": phone, "otp": code})
        headers, device = {"Authorization": f"Bearer {data['accessToken']}"}, f"fcm-{secrets.token_hex(20)}"
        await self.ask("POST", "/notifications/devices", json={"token": device, "platform": "android"}, headers=headers)
        self.private.extend([phone, str(code), data["accessToken"], data["refreshToken"], device, data["user"]["id"]])
        return headers

    def _code(self, phone: str) -> object:
        journal = self.data / "messages.jsonl"
        lines = journal.read_bytes().splitlines() if journal.exists() else []
        return next((said["code"] for line in lines if (said := orjson.loads(line))["to"] == f"+91{phone}"), None)

    async def order(self, headers: dict[str, str]) -> list[Seen]:
        """Place one; its trace, once the push is out and all of it has arrived."""
        found = await self.ask("GET", "/products?page=1&limit=3")
        items = [{"productId": one["id"], "quantity": 2} for one in found["products"]]
        body = {"items": items, "paymentMethod": "COD", "deliveryAddress": ADDRESS}
        before = {span.trace for span in self.collector.spans}
        delivered = len(self.google.delivered)
        await self.ask("POST", "/orders", json=body, headers=headers)
        await until(lambda: len(self.google.delivered) > delivered, "the push")
        spans = await self.collector.until(lambda seen: _whole(seen, before), "an order's whole trace")
        trace = _whole(spans, before)
        return [span for span in spans if span.trace == trace]


def _whole(spans: list[Seen], before: set[str]) -> str:
    """A trace that is not among these, from the order to the provider's answer and what was noted of it."""
    for span in spans:
        if span.name == "POST /api/v1/orders" and span.trace not in before:
            names = [one.name for one in spans if one.trace == span.trace]
            if "deliver push" in names and "POST fcm" in names and names.count("COMMIT"):
                return span.trace
    return ""


@asynccontextmanager
async def shop(folder: Path, database_url: str, redis_url: str, rabbit_url: str) -> AsyncIterator[Shop]:
    """Every request is sampled."""
    google = Google()
    async with google.running(), collecting() as collector:
        env = {
            "RABBITMQ_URL": rabbit_url,
            "VURKSHA_RABBITMQ__PREFIX": f"{folder.name}.",
            "VURKSHA_HTTP__TRUSTED_PROXIES": "",
            "VURKSHA_NOTIFICATION__FCM_SERVICE_ACCOUNT": google.account(),
            "VURKSHA_NOTIFICATION__FCM_URL": google.url,
            "VURKSHA_NOTIFICATION__GOOGLE_TOKEN_URL": f"{google.url}/token",
            "VURKSHA_NOTIFICATION__CALL_TIMEOUT": "5",
            "VURKSHA_TRACING__ENDPOINT": collector.url,
            "VURKSHA_TRACING__SAMPLE": "1",
            "VURKSHA_STOP__DRAIN": "0",
        }
        replicas = Replicas(folder, database_url, redis_url, count=2, env=env)
        for command in ("migrate", "seed"):
            await replicas.call(command)
        front, back = replicas
        try:
            for replica in (back, front):
                replica.start()
                await replica.ready()
            yield Shop(collector, google, front, back, folder / "data", [*ADDRESS.values()])
            await asyncio.gather(front.stop(), back.stop())
        finally:
            front.end()
            back.end()
