"""The kernel alone, with the probe plugin, on a database of its own."""

import secrets
from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import attrs
import pytest

from core import configuration
from core.app import App
from core.auth import Role
from core.configuration import Source
from core.serve import bind
from core.store import migrate
from core.testing import TestApp
from tests.conftest import NewDatabase
from tests.core.http.probe import ProbePlugin


@attrs.frozen
class Person:
    """Somebody with a token."""

    user_id: object
    session_id: object
    token: str


class Probe(TestApp):
    """The app, its plugin, and people."""

    __test__ = False
    plugin: ProbePlugin

    def person(self, role: Role = Role.CUSTOMER) -> Person:
        """A new one."""
        user, session = uuid4(), uuid4()
        return Person(user, session, self.kernel.tokens.issue(user, session, role))


@pytest.fixture(scope="package")
async def probe(
    new_database: NewDatabase, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Probe]:
    """Started once for the tests of this folder."""
    sections: dict[str, dict[str, object]] = {
        "postgres": {"url": await new_database()},
        "redis": {"url": redis_url, "prefix": f"probe-{secrets.token_hex(4)}:"},
        "http": {"port": 0, "user_rate": 1e5, "address_rate": 1e5, "cors_origins": ["https://shop.example"],
                 "trusted_proxies": ["127.0.0.0/8"]},
        "stop": {"drain": 0, "finish": 1},
    }  # fmt: skip
    settings = configuration.build(Source("test", tmp_path_factory.mktemp("probe"), (), sections), {})
    plugin = ProbePlugin()
    app = App(settings, [plugin])
    await migrate.apply(app.db.pool.dsn, app.migrations)
    sock = bind("127.0.0.1", 0)
    server = await app.listen(sock)
    await app.start()
    async with aiohttp.ClientSession() as session:
        tested = Probe(app, f"http://127.0.0.1:{sock.getsockname()[1]}", session)
        tested.plugin = plugin
        yield tested
    server.close()
    await app.stop(1.0)
