"""A client that behaves as the mobile app does: headers, public list, retries, refresh, envelope (CONTRACT A.1)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import aiohttp
import orjson

from tests.journeys import dart

PUBLIC = (
    "/api/v1/auth/otp/send",
    "/api/v1/auth/otp/verify",
    "/api/v1/products",
    "/api/v1/categories",
    "/api/v1/banners",
    "/health",
)
RETRIES = 3
RECEIVE = 30.0


class Failed(Exception):
    """What the app's repositories throw: any answer that is not 2xx."""

    def __init__(self, status: int, code: str | None, message: str | None) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status, self.code, self.message = status, code, message


class Phone:
    """One device. `storage` is its secure storage; `pause` stands in for the app's waits of 1, 2 and 3 s."""

    def __init__(
        self, url: str, session: aiohttp.ClientSession, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._url, self._session, self._pause = url, session, pause
        self.storage: dict[str, str] = {}
        self._refreshing = False
        self.requests = 0

    async def call(self, method: str, path: str, body: object = None, key: str | None = None) -> dict[str, Any]:
        """The envelope of a success, as ApiResponse.fromJson reads it."""
        url = f"{self._url}/api/v1{path}"
        status, answer = await self._with_retries(method, url, body, key)
        if status == 401 and not any(part in url for part in PUBLIC):
            status, answer = await self._after_401(method, url, body, key, (status, answer))
        return self._read(status, answer)

    async def data(self, method: str, path: str, body: object = None, key: str | None = None) -> dict[str, Any]:
        """The `data` of a success."""
        return dart.mapping((await self.call(method, path, body, key)).get("data"))

    @property
    def signed_in(self) -> bool:
        """The app only looks whether a token is stored."""
        return "access" in self.storage

    async def sign_in(self, number: str, code: str) -> dict[str, Any]:
        """verify-otp as the app's repository does it."""
        data = await self.data("POST", "/auth/verify-otp", {"phone": number, "otp": code})
        self.storage |= {"access": dart.text(data.get("accessToken")), "refresh": dart.text(data.get("refreshToken"))}
        return dart.user(data.get("user"))

    async def sign_out(self) -> None:
        """No body, the answer ignored, the tokens deleted whatever it was."""
        try:
            await self.call("POST", "/auth/logout")
        finally:
            self.storage.clear()

    async def _with_retries(self, method: str, url: str, body: object, key: str | None) -> tuple[int, bytes]:
        for attempt in range(RETRIES + 1):
            try:
                status, answer = await self._send(method, url, body, key)
            except (aiohttp.ClientError, TimeoutError):
                if attempt == RETRIES:
                    raise
            else:
                if status < 500 or attempt == RETRIES:
                    return status, answer
            await self._pause(attempt + 1)
        raise AssertionError("unreachable")

    async def _send(self, method: str, url: str, body: object, key: str | None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "X-Request-ID": str(uuid4())}
        if not any(part in url for part in PUBLIC) and "access" in self.storage:
            headers["Authorization"] = f"Bearer {self.storage['access']}"
        if "/auth/token/refresh" in url and "access" not in self.storage:
            headers["Authorization"] = ""
        if key is not None:
            headers["X-Idempotency-Key"] = key
        self.requests += 1
        data = b"" if body is None else orjson.dumps(body)
        limit = aiohttp.ClientTimeout(total=RECEIVE)
        async with self._session.request(method, url, data=data, headers=headers, timeout=limit) as got:
            return got.status, await got.read()

    async def _after_401(
        self, method: str, url: str, body: object, key: str | None, first: tuple[int, bytes]
    ) -> tuple[int, bytes]:
        """One refresh at a time; the request is replayed once; whatever then fails signs the user out."""
        if self._refreshing or "refresh" not in self.storage:
            return first
        self._refreshing = True
        try:
            status, answer = await self._with_retries(
                "POST", f"{self._url}/api/v1/auth/token/refresh", {"refreshToken": self.storage["refresh"]}, None
            )
            if status != 200:
                self.storage.clear()
                return first
            data = dart.mapping(dart.mapping(orjson.loads(answer)).get("data"))
            self.storage = {
                "access": dart.text(data.get("accessToken")),
                "refresh": dart.text(data.get("refreshToken")),
            }
        finally:
            self._refreshing = False
        replayed = await self._with_retries(method, url, body, key)
        if not 200 <= replayed[0] < 300:
            self.storage.clear()
        return replayed

    @staticmethod
    def _read(status: int, answer: bytes) -> dict[str, Any]:
        body = dart.mapping(orjson.loads(answer))
        error = dart.maybe(dart.fields(message=dart.maybe(dart.text), code=dart.maybe(dart.text)), {})(
            body.get("error")
        )
        dart.maybe(dart.text)(body.get("requestId"))
        if not 200 <= status < 300:
            raise Failed(status, error.get("code"), error.get("message"))
        if not dart.maybe(dart.flag, False)(body.get("success")):
            raise dart.CastError("a 2xx without success")
        if body.get("pagination") is not None:
            page = dart.pagination(body["pagination"])
            assert page["limit"] >= 1, "the app divides by it"
        return body


def order_key() -> str:
    """Milliseconds since the epoch as decimal text, as the app makes it."""
    return str(time.time_ns() // 1_000_000)
