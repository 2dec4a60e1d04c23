"""A client for a started app: requests over real HTTP, events, messages, and people with tokens."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, LiteralString, Protocol, TypeVar
from uuid import UUID

import aiohttp
import attrs
import orjson

from core.app import PREFIX, App
from core.auth import Role
from core.convert import wire
from core.events.model import Event
from core.types import SessionId, UserId, uuid7

E = TypeVar("E", bound=Event)
BARE = ("/api/", "/health", "/docs", "/openapi.json", "/images/")
WAIT = 10.0
# All of the table: a test's is small.
EMITTED: LiteralString = """
SELECT payload::text AS payload FROM kernel.outbox WHERE event_type = $1 AND aggregate_id = $2 ORDER BY seq
"""


class SignedIn(Protocol):
    """Whoever has an access token."""

    @property
    def token(self) -> str:
        """The access token."""
        ...


@attrs.frozen(kw_only=True)
class Person:
    """Somebody with a token whose session nobody opened: enough for `PUBLIC` and `USER` routes."""

    user_id: UserId
    session_id: SessionId
    token: str = attrs.field(repr=False)


@attrs.frozen
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return orjson.loads(self.body)

    @property
    def data(self) -> Any:
        """The `data` of a success."""
        return self.json["data"]

    @property
    def code(self) -> str:
        """The error's code."""
        code: str = self.json["error"]["code"]
        return code


class TestApp:
    """A started app and a client for it."""

    __test__ = False

    def __init__(self, app: App, url: str, session: aiohttp.ClientSession) -> None:
        self.app, self.url, self._session = app, url, session
        self.db, self.redis, self.kernel, self.services = app.db, app.redis, app.kernel, app.kernel.services

    async def request(
        self,
        method: str,
        path: str,
        *,
        as_: SignedIn | None = None,
        json: object = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. `path` is below /api/v1 unless it names another place of the app."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if as_ is not None:
            sent.setdefault("Authorization", f"Bearer {as_.token}")
        url = self.url + (path if path.startswith(BARE) else PREFIX + path)
        data = orjson.dumps(json) if json is not None else body
        async with self._session.request(method, url, data=data, headers=sent, allow_redirects=False) as got:
            return Answer(got.status, got.headers.copy(), await got.read())

    async def get(self, path: str, **more: Any) -> Answer:
        """GET."""
        return await self.request("GET", path, **more)

    async def post(self, path: str, **more: Any) -> Answer:
        """POST."""
        return await self.request("POST", path, **more)

    async def put(self, path: str, **more: Any) -> Answer:
        """PUT."""
        return await self.request("PUT", path, **more)

    async def patch(self, path: str, **more: Any) -> Answer:
        """PATCH."""
        return await self.request("PATCH", path, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        """DELETE."""
        return await self.request("DELETE", path, **more)

    def person(self, role: Role = Role.CUSTOMER) -> Person:
        """Somebody new. Where the user domain is loaded, its live routes want a real sign-in instead."""
        user, session = UserId(uuid7()), SessionId(uuid7())
        return Person(user_id=user, session_id=session, token=self.kernel.tokens.issue(user, session, role))

    async def announce(self, *events: Event) -> None:
        """Emit events as their owner would, and wait until every consumer that is due was through."""
        async with self.db.transaction() as tx:
            for event in events:
                tx.emit(event)
        await self.quiet()

    async def emitted(self, kind: type[E], of: UUID | str) -> list[E]:
        """The events of a type about one aggregate that commits announced, oldest first."""
        rows = await self.db.fetch(EMITTED, kind.event_type, str(of))
        return [wire.structure(orjson.loads(row["payload"]), kind) for row in rows]

    async def quiet(self) -> None:
        """Wait until every event that is due was handled."""
        async with asyncio.timeout(WAIT):
            await self.app.bus.idle()

    def messages(self, to: str) -> list[dict[str, Any]]:
        """What was sent to somebody, oldest first, as the development journal has it."""
        journal = self.app.settings.data_dir / "messages.jsonl"
        whole, _, _ = journal.read_bytes().rpartition(b"\n") if journal.exists() else (b"", b"", b"")
        lines = whole.splitlines()  # without one that is just being written
        return [line for line in map(orjson.loads, lines) if line["to"] == to]

    async def message(self, to: str, after: int = 0) -> dict[str, Any]:
        """The next message to somebody beyond the first `after`, waited for."""
        until = time.monotonic() + WAIT
        while len(found := self.messages(to)) <= after:
            if time.monotonic() > until:
                raise TimeoutError(f"no message to {to}")
            await asyncio.sleep(0.01)
        return found[after]
