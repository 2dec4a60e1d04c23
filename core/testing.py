"""The plugin author's harness: a real app on real stores, spoken to over real HTTP. A pytest plugin.

    async def test_an_unknown_product_is_not_found(app: TestApp) -> None:
        answer = await app.get("/products/nothing")
        assert answer.status == 404

The fixtures `database_url` and `redis_url` come from the project's conftest.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import attrs
import orjson
import pytest

from core import configuration
from core.app import PREFIX, App, plugin_sections
from core.plugins import find
from core.serve import bind
from core.settings import Settings
from core.store import migrate
from core.store.db import Db
from core.store.redis import Redis

BARE = ("/api/", "/health", "/docs", "/openapi.json", "/images/")
WAIT = 10.0


class SignedIn(Protocol):
    """Whoever has an access token."""

    @property
    def token(self) -> str:
        """The access token."""
        ...


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


def settings_for(database_url: str, redis_url: str, data_dir: Path, **more: str) -> Settings:
    """Settings of the test environment; `more` are further environment names."""
    env = {
        "VURKSHA_ENV": "test",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DATA_DIR": str(data_dir),
        "VURKSHA_REDIS__PREFIX": f"{os.getpid()}:",
        "PORT": "0",
        **more,
    }
    source = configuration.read(env)
    return configuration.build(source, plugin_sections(find(source.plugins)))


async def started(settings: Settings) -> tuple[App, str, asyncio.Server]:
    """A migrated, started, listening app and its URL."""
    app = App(settings, [cls() for cls in find(settings.plugins)])
    await migrate.apply(app.db.pool.dsn, app.migrations)
    sock = bind("127.0.0.1", settings.http.port)
    server = await app.listen(sock)
    await app.start()
    return app, f"http://127.0.0.1:{sock.getsockname()[1]}", server


@pytest.fixture(scope="session")
async def app(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestApp]:
    """One app with every configured plugin and the demo data, for all tests of a worker."""
    settings = settings_for(database_url, redis_url, tmp_path_factory.mktemp("data"))
    running, url, server = await started(settings)
    for seed in running.plugins.declared("seeds"):
        await seed()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield TestApp(running, url, session)
    server.close()
    await running.stop(1.0)


@pytest.fixture(scope="session")
def db(app: TestApp) -> Db:
    """The app's database."""
    return app.db


@pytest.fixture(scope="session")
def redis(app: TestApp) -> Redis:
    """The app's Redis."""
    return app.redis
