"""An app with the configured plugins and one rogue, found by its entry point as any installed plugin is."""

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp

from core import configuration
from core.app import App, assembled, plugin_sections
from core.isolation.migrations import surviving
from core.plugin_finding import GROUP, search
from core.settings import Settings
from core.sockets import bind
from core.store import migrate
from core.testing import TestApp

HERE = Path(__file__).parent
ROGUES = tuple(sorted(path.parent.name for path in HERE.glob("*/plugin.py")))
DIST = "vurksha_rogues-1.0.0.dist-info"


def packaged(folder: Path) -> None:
    """Write what a package manager leaves of a wheel with all the rogues."""
    info = folder / DIST
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vurksha-rogues\nVersion: 1.0.0\n")
    lines = [f"{name} = tests.rogues.{name}.plugin:Rogue" for name in ROGUES]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """All of them, on the path of this process while the block runs."""
    packaged(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def settings_with(rogue: str | None, env: Mapping[str, str]) -> tuple[Settings, App]:
    """An app of the configured plugins and the rogue, not started."""
    configured = configuration.read({"VURKSHA_ENV": "test"}).plugins
    names = [*(name for name in configured if name != "*"), *([rogue] if rogue else [])]
    source = configuration.read({"VURKSHA_ENV": "test", "PORT": "0", "VURKSHA_PLUGINS": ",".join(names), **env})
    found = search(source.plugins, source.required)
    settings = configuration.build(source, plugin_sections(found.classes))
    return settings, assembled(settings, found)


@asynccontextmanager
async def serving(rogue: str | None, env: Mapping[str, str]) -> AsyncIterator[TestApp]:
    """The app, migrated as `vurksha serve` does it, seeded and serving."""
    settings, app = settings_with(rogue, env)
    await migrate.apply(app.db.pool.dsn, app.migrations, failed=surviving(app.kernel.guards))
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
