"""Razorpay's deliveries of webhooks: at least once, in no promised order, and tried again for a day.

https://razorpay.com/docs/webhooks/validate-test/: `X-Razorpay-Signature` is the hex HMAC-SHA256 of the raw body under
the webhook's secret, `X-Razorpay-Event-Id` is the same in every delivery of one event, and events may come repeated
and in any order. https://razorpay.com/docs/webhooks/best-practices: any answer but 2xx is a failure, and so is none
within five seconds; it is tried again at progressive intervals for 24 hours, then the webhook is disabled. The exact
intervals are not published: here they begin at a minute and double.
"""

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import Iterator, Sequence

import aiohttp
import attrs

from tests.providers.razorpay_book import Event

SECRET = "whsec-" + "w" * 32
FORGED = "whsec-" + "x" * 32
PATIENCE = 5.0
FIRST, DAY = 60.0, 86_400.0


def sign(body: bytes, secret: str) -> str:
    """The signature of a body."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(event: Event, secret: str = SECRET) -> dict[str, str]:
    """What goes with an event's body."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "Razorpay-Webhook/v1",
        "X-Razorpay-Event-Id": event.id,
        "X-Razorpay-Signature": sign(event.body, secret),
    }


def intervals() -> Iterator[float]:
    """Seconds to wait before each further try, until a day is over."""
    waited, pause = 0.0, FIRST
    while waited + pause <= DAY:
        yield pause
        waited, pause = waited + pause, pause * 2


@attrs.frozen
class Try:
    """One delivery: what it was answered, None for nothing, and after how many seconds."""

    event_id: str
    status: int | None
    seconds: float


class Webhooks:
    """Delivers to one address. `hour` is how many real seconds an hour of Razorpay's takes."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, secret: str = SECRET, hour: float = 3600) -> None:
        self._session, self._secret, self._hour = session, secret, hour
        self.url = url
        self.disabled = False
        self.tries: list[Try] = []

    async def once(self, event: Event, *, secret: str | None = None, body: bytes | None = None) -> int | None:
        """One try. A `secret` or a `body` of one's own makes it a forged one."""
        timeout, began = aiohttp.ClientTimeout(total=PATIENCE), time.monotonic()
        fields = headers(event, secret or self._secret)
        try:
            async with self._session.post(
                self.url, data=event.body if body is None else body, headers=fields, timeout=timeout
            ) as answer:
                await answer.read()
                status: int | None = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            status = None
        self.tries.append(Try(event.id, status, time.monotonic() - began))
        return status

    async def on_time(self, events: Sequence[Event]) -> None:
        """Each in turn, until taken."""
        for event in events:
            await self.until_taken(event)

    async def late(self, event: Event, seconds: float) -> None:
        """After a pause, by Razorpay's clock."""
        await asyncio.sleep(seconds * self._hour / 3600)
        await self.until_taken(event)

    async def repeated(self, event: Event, times: int) -> list[int | None]:
        """The same one several times at once."""
        return await asyncio.gather(*(self.once(event) for _ in range(times)))

    async def reordered(self, events: Sequence[Event], chance: random.Random) -> None:
        """All of them, in an order of chance."""
        await self.on_time(chance.sample(events, len(events)))

    async def forged(self, event: Event) -> list[int | None]:
        """By somebody with another secret, and by somebody who altered a body that was signed."""
        altered = event.body.replace(b'"amount":', b'"amount":1')
        return [await self.once(event, secret=FORGED), await self.once(event, body=altered)]

    async def until_taken(self, event: Event) -> bool:
        """Tries again as Razorpay does; after a day in vain the webhook is off."""
        pauses = intervals()
        while not self.disabled:
            status = await self.once(event)
            if status is not None and 200 <= status < 300:
                return True
            pause = next(pauses, None)
            if pause is None:
                self.disabled = True
            else:
                await asyncio.sleep(pause * self._hour / 3600)
        return False
