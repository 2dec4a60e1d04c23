"""The app's side of the wire: its headers and its own repeats (CONTRACT A.1), every attempt written down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import uuid4

import aiohttp
import attrs
import orjson

PAUSES = (1.0, 2.0, 3.0)
"""Seconds before each repeat of a request that met a connection error, a time-out or a 5xx."""
TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)


class Record(Protocol):
    """Takes one line for the file."""

    def __call__(self, kind: str, **fields: Any) -> None:
        """Write it, with the time."""
        ...


@attrs.frozen(kw_only=True)
class Answer:
    """The last answer of an operation, after the app's repeats; status 0 is a connection error."""

    status: int
    kind: str
    body: Any
    tries: int
    unclear: bool
    """A try had no answer or a 5xx: without a key to repeat it under, it may have had its effect, or have it later."""
    began: float
    """When the first try began, and when the last one ended: seconds since the epoch."""
    ended: float
    kinds: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    @property
    def data(self) -> dict[str, Any]:
        """The envelope's."""
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def code(self) -> str:
        """The error's code, if it has one."""
        return code_of(self.body)


def code_of(body: Any) -> str:
    """The error code in an answer, empty where there is none."""
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("code", "")) if isinstance(error, dict) else ""


def kind_of(status: int, headers: Any, body: Any) -> str:
    """The outcome class of an answer (RELIABILITY 1): ok, FF, late, T, 429, busy, 401, 4xx, none or 5xx.

    `late` is a deadline that passed (504), `T` a connection that the balancer lost, `none` a balancer without replicas.
    """
    code = code_of(body)
    if 200 <= status < 300:
        return "ok"
    if status == 503 and code == "SYS_002":
        told = body["error"].get("retryable") is True and headers.get("Retry-After") == "1"
        return "FF" if told else "5xx"
    if status == 504 and code == "SYS_003":
        return "late"
    if not code and status in (502, 504):
        return "T"
    if not code and status == 503:
        return "none"
    known = {401: "401", 429: "429"}
    if status == 409 and code == "OPERATION_IN_PROGRESS":
        return "busy"
    return known.get(status, "4xx" if status < 500 else "5xx")


class Client:
    """One device's connection to the shop. `record` is called once per attempt."""

    def __init__(self, url: str, session: aiohttp.ClientSession, record: Record) -> None:
        self._url, self._session, self._record = url, session, record
        self.token = ""
        self.renew: Callable[[], Awaitable[None]] | None = None
        """What the app does when its access token has run out: then it sends the request once more."""

    async def call(
        self, path: str, method: str, where: str, body: object = None, *, key: str | None = None, retry: bool = True
    ) -> Answer:
        """One operation with the app's repeats; `path` is its letter in RELIABILITY 2."""
        kinds: list[str] = []
        unclear, began = False, time.time()
        for number, pause in enumerate((*PAUSES, None), 1):
            status, kind, content = await self._attempt(path, method, where, body, key, number)
            if status == 401 and code_of(content) == "AUTH_002" and self.renew is not None:
                await self.renew()
                status, kind, content = await self._attempt(path, method, where, body, key, number)
            kinds.append(kind)
            unclear |= kind == "T" or status >= 500
            if 0 < status < 500 or pause is None or not retry:
                return Answer(
                    status=status,
                    kind=kind,
                    body=content,
                    tries=number,
                    unclear=unclear,
                    began=began,
                    ended=time.time(),
                    kinds=tuple(kinds),
                )
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns")

    async def _attempt(
        self, path: str, method: str, where: str, body: object, key: str | None, number: int
    ) -> tuple[int, str, Any]:
        request_id = str(uuid4())
        headers = {"Content-Type": "application/json", "Accept": "application/json", "X-Request-ID": request_id}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if key is not None:
            headers["X-Idempotency-Key"] = key
        began, clock = time.time(), time.perf_counter()
        status, served, content, error = 0, "", None, ""
        kind = "T"
        try:
            async with self._session.request(
                method,
                self._url + where,
                data=None if body is None else orjson.dumps(body),
                headers=headers,
                allow_redirects=False,
            ) as got:
                raw = await got.read()
                status, served = got.status, got.headers.get("X-Served-By", "")
                content = _json(raw)
                kind = kind_of(status, got.headers, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            status, error = 0, type(problem).__name__
        took = round((time.perf_counter() - clock) * 1000, 1)
        more = {"code": code_of(content)} if kind not in ("ok", "T") else {"error": error} if error else {}
        self._record(
            "try", began=began, path=path, ms=took, out=kind, status=status, n=number, id=request_id, by=served,
            what=f"{method} {where.partition('?')[0]}", **more,
        )  # fmt: skip
        return status, kind, content


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
