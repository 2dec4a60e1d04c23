"""The HTTP that the providers' channels share: bounded calls, and failures in our own words."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import attrs
import orjson

from core.observe.tracing import outgoing
from plugins.notification.ports import NotSent, Permanent, Temporary

MAX_ANSWER = 65_536
CONNECTIONS = 64


@attrs.frozen
class Answer:
    """What a provider said. `body` is empty when it was no JSON object. `retry_after` in seconds, 0 when not named."""

    status: int
    body: Mapping[str, Any]
    retry_after: float


class Http:
    """One session for all providers, open while the process serves."""

    def __init__(self, timeout: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Until the end of the block."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        ) as self._session:
            yield
        self._session = None

    async def post(
        self,
        provider: str,
        url: str,
        *,
        headers: Mapping[str, str],
        json: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """One call, with a JSON body or a form. Raises Temporary when there was no answer in time."""
        if self._session is None:
            raise Temporary(provider, "not_open")
        try:
            with outgoing("POST", url, provider) as call:
                async with self._session.post(
                    url, headers=headers, json=json, data=form, allow_redirects=False
                ) as response:
                    call.answered(response.status)
                    content = await _whole(response.content)
                    return Answer(response.status, _object(content), _seconds(response.headers.get("Retry-After", "")))
        except TimeoutError:
            raise Temporary(provider, "timeout") from None
        except aiohttp.ClientError:
            raise Temporary(provider, "unreachable") from None


def refusal(provider: str, answer: Answer) -> NotSent:
    """What a status means where the provider's own error code says no more."""
    if answer.status == 429:  # noqa: PLR2004  Too Many Requests
        return Temporary(provider, "throttled", retry_after=answer.retry_after)
    if answer.status >= 500 or answer.status == 408:  # noqa: PLR2004  its trouble, not the message's
        return Temporary(provider, "unavailable", retry_after=answer.retry_after)
    if answer.status in (401, 403, 404, 418) or answer.status < 400:  # noqa: PLR2004  our keys or addresses are wrong
        return Temporary(provider, "misconfigured")
    return Permanent(provider, "refused")


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """Up to the bound. One `read` gives only what has arrived by then, such as the first of two segments."""
    got = bytearray()
    while len(got) < MAX_ANSWER and (part := await content.read(MAX_ANSWER - len(got))):
        got += part
    return bytes(got)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _seconds(retry_after: str) -> float:
    """Retry-After is a number of seconds or a date (RFC 9110, 10.2.3)."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else 0
