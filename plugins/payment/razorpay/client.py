"""Calls of Razorpay's REST API: one session, bounded in time, behind a breaker (RELIABILITY 3).

https://razorpay.com/docs/api/authentication (basic auth), /docs/api/errors, /docs/api/pagination (429).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from core.observe.tracing import outgoing
from core.resilience.breaker import Breaker, Open
from plugins.payment.ports import ProviderAway, ProviderError, ProviderRefused
from plugins.payment.razorpay.reading import GOOD_REASON

PROVIDER = "razorpay"
CONNECTIONS = 32
MAX_ANSWER = 1_048_576
"""Bytes: a hundred payments of an order have room."""
BUSY = {408: "timeout", 409: "under_way", 429: "throttled"}
"""Answers that another time are others. 409: a call with the same idempotency key has not ended yet."""
OURS = (401, 403)
"""Our keys are wrong or were changed. An operator mends that, so it is no last word on the payment."""
Answer = Mapping[str, Any]


class Client:
    """Open while the process serves. `url` ends in the API's version; key and secret never leave the session."""

    def __init__(self, url: str, key_id: str, key_secret: str, *, timeout: float, breaker: Breaker) -> None:
        """`timeout` in seconds for a whole piece of work, however many calls that takes."""
        self._url = url.rstrip("/")
        self._auth = {"Authorization": aiohttp.encode_basic_auth(key_id, key_secret)}
        self._timeout, self._breaker = timeout, breaker
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Client({self._url})"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Until the end of the block."""
        async with aiohttp.ClientSession(
            headers=self._auth,
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            json_serialize=lambda value: orjson.dumps(value).decode(),
        ) as self._session:
            yield
        self._session = None

    def until(self) -> float:
        """When a piece of work that begins now must be done, by the loop's clock."""
        return asyncio.get_running_loop().time() + self._timeout

    async def get(self, path: str, until: float, **query: str) -> Answer:
        """Read. Raises ProviderAway or ProviderRefused, like `post`."""
        return await self._call("GET", path, until, params=query)

    async def post(self, path: str, until: float, body: Answer, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for a change. ProviderAway leaves open whether it was made."""
        return await self._call("POST", path, until, json=body, headers=headers or {})

    async def _call(self, method: str, path: str, until: float, **more: Any) -> Answer:
        try:
            began = self._breaker.enter()
        except Open:
            raise ProviderAway(PROVIDER, "resting") from None
        verdict = self._breaker.ignored  # a cancellation, and what says nothing of Razorpay's health
        try:
            status, answer = await self._exchange(method, path, until, **more)
            verdict = self._breaker.failed if status >= 500 or answer is None else self._breaker.succeeded  # noqa: PLR2004  its trouble
            return _read(status, answer)
        except Unanswered:
            verdict = self._breaker.failed
            raise
        finally:
            verdict(began)

    async def _exchange(self, method: str, path: str, until: float, **more: Any) -> tuple[int, Answer | None]:
        """Status and JSON object, if it is one."""
        if self._session is None:
            raise ProviderAway(PROVIDER, "not_open")
        left = until - asyncio.get_running_loop().time()
        if left <= 0:
            raise ProviderAway(PROVIDER, "timeout")
        try:
            with outgoing(method, self._url, PROVIDER) as call:
                async with self._session.request(
                    method, self._url + path, timeout=aiohttp.ClientTimeout(total=left), allow_redirects=False, **more
                ) as response:
                    call.answered(response.status)
                    return response.status, _object(await _content(response))
        except TimeoutError:
            raise Unanswered(PROVIDER, "timeout") from None
        except aiohttp.ClientError:
            raise Unanswered(PROVIDER, "unreachable") from None


class Unanswered(ProviderAway):
    """Nothing came back."""


def _read(status: int, answer: Answer | None) -> Answer:
    if 200 <= status < 300 and answer is not None:  # noqa: PLR2004  success
        return answer
    raise _refusal(status, answer)


def _refusal(status: int, answer: Answer | None) -> ProviderError:
    """What an answer that is no success means. Its texts are not kept: they may repeat what was sent."""
    if status in BUSY:
        return ProviderAway(PROVIDER, BUSY[status])
    if status in OURS:
        return ProviderAway(PROVIDER, "misconfigured")
    if status >= 500 or status < 400 or answer is None:  # noqa: PLR2004  its trouble, or a way that is not the API's
        return ProviderAway(PROVIDER, "unavailable" if status >= 400 else "garbage")  # noqa: PLR2004  a server's error
    error = answer.get("error")
    said = error if isinstance(error, dict) else {}
    reasons = (str(said.get(name, "")).lower() for name in ("reason", "code"))
    return ProviderRefused(PROVIDER, next(filter(GOOD_REASON, reasons), "refused"))


async def _content(response: aiohttp.ClientResponse) -> bytes:
    """The body. One that is too long is cut, and then no JSON."""
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > MAX_ANSWER:
            break
    return bytes(content)


def _object(content: bytes) -> Answer | None:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
