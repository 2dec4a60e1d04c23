"""Starting an app for tests: settings, chosen plugins, a migrated database, a port of its own."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import entry_points
from pathlib import Path

import aiohttp
import attrs

from core import configuration
from core.app import App, plugin_sections
from core.plugins import GROUP, PluginError, find
from core.settings import Settings
from core.sockets import bind
from core.store import migrate
from core.testing.client import TestApp
from core.testing.stand_ins import Fakes, completed


def settings_for(
    database_url: str, redis_url: str, data_dir: Path, plugins: Sequence[type] | None = None, **more: str
) -> Settings:
    """Settings of the test environment; `more` are further environment names.

    Without `plugins`, for the configured ones.
    """
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
    chosen = find(source.plugins) if plugins is None else plugins
    sections = plugin_sections(chosen)
    absent = {point.name for point in entry_points(group=GROUP)} - set(sections)
    kept = {name: values for name, values in source.sections.items() if name not in absent}
    return configuration.build(attrs.evolve(source, sections=kept), sections)


@asynccontextmanager
async def running(settings: Settings, plugins: Sequence[type], fakes: Fakes | None = None) -> AsyncIterator[TestApp]:
    """A migrated app with these plugins, stand-ins for what they lean on, and their demo data; stopped at the end."""
    app = App(settings, completed([cls() for cls in plugins], fakes or {}))
    if left_out := getattr(app.plugins, "left_out", None):
        raise PluginError("\n".join(f"{name}: {why}" for name, why in left_out.items()))
    await migrate.apply(app.db.pool.dsn, app.migrations)
    sock = bind("127.0.0.1", settings.http.port)
    server = await app.listen(sock)
    try:
        await app.start()
        for seed in app.plugins.declared("seeds"):
            await seed()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield TestApp(app, f"http://127.0.0.1:{sock.getsockname()[1]}", session)
    finally:
        server.close()
        await app.stop(1.0)
