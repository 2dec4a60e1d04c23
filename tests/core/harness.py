"""The kernel alone with a plugin of the test's own, built, started and spoken to like the real program."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp

from core import configuration
from core.app import App, plugin_sections
from core.configuration import Source
from core.settings import Settings
from core.sockets import bind
from core.store import migrate
from core.testing import TestApp
from tests.core.http.probe import ProbePlugin

Section = Mapping[str, object]
QUICK: Mapping[str, Section] = {
    "http": {"port": 0, "user_rate": 1e5, "address_rate": 1e5, "cors_origins": ["https://shop.example"],
             "trusted_proxies": ["127.0.0.0/8"], "late": 3600.0},
    "events": {"poll": 0.05},
    "stop": {"drain": 0, "finish": 1},
    "operations": {"port": 0},
}  # fmt: skip


class Probe(TestApp):
    """The app and its plugin."""

    __test__ = False
    plugin: ProbePlugin


def settings_of(database_url: str, redis_url: str, data: Path, **sections: Section) -> Settings:
    """Settings for an app with the probe plugin."""
    given: dict[str, dict[str, object]] = {
        "postgres": {"url": database_url},
        "redis": {"url": redis_url, "prefix": f"probe-{secrets.token_hex(4)}:"},
        **{name: dict(section) for name, section in QUICK.items()},
    }
    for name, section in sections.items():
        given.setdefault(name, {}).update(section)
    return configuration.build(Source("test", data, (), given), plugin_sections([ProbePlugin]))


@asynccontextmanager
async def running(app: App, plugin: ProbePlugin) -> AsyncIterator[Probe]:
    """The app, migrated, listening and started; stopped at the end."""
    await migrate.apply(app.db.pool.dsn, app.migrations)
    async with listening(app, plugin) as probe:
        await app.start()
        yield probe


@asynccontextmanager
async def listening(app: App, plugin: ProbePlugin) -> AsyncIterator[Probe]:
    """The app answering, not started yet; stopped at the end."""
    sock = bind("127.0.0.1", 0)
    server = await app.listen(sock)
    try:
        async with aiohttp.ClientSession() as session:
            probe = Probe(app, f"http://127.0.0.1:{sock.getsockname()[1]}", session)
            probe.plugin = plugin
            yield probe
    finally:
        server.close()
        await app.stop(1.0)


NewProbe = Callable[..., AbstractAsyncContextManager[Probe]]
NewSettings = Callable[..., Awaitable[Settings]]
