"""Each hook's example in the pages for authors of plugins, loaded by a real app and seen to work."""

import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from core import hookspecs
from core.testing import NewKernel, TestApp, sample
from core.types import UserId, uuid7
from plugins.order.ports import OrderDelivered
from tests.docs.pages import blocks, chapters, page

HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")]
EXAMPLES = dict(chapters(page("hooks.md")))
SOON = 10.0


@pytest.fixture
def example(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], ModuleType]]:
    """Writes a chapter's files and imports what it shows."""
    made: list[str] = []

    def load(hook: str) -> ModuleType:
        for block in blocks(EXAMPLES[hook]):
            path = tmp_path / (block.file or f"example_of_{hook}.py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)
        name = f"example_of_{hook}"
        spec = importlib.util.spec_from_file_location(name, tmp_path / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        made.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in made:
        del sys.modules[name]


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.01)


async def provides(app: TestApp, shown: ModuleType, _: Any) -> None:
    assert await app.services.get(shown.CLOCK).year() == datetime.now(UTC).year


async def extends(_: TestApp, __: ModuleType, plugin: Any) -> None:
    assert plugin.greet("Asha") == ["Namaste, Asha!"]


async def routes(app: TestApp, _: ModuleType, __: Any) -> None:
    assert (await app.get("/notes/hello/Asha", as_=app.person())).data == {"text": "Hello, Asha!"}


async def migrations(app: TestApp, _: ModuleType, __: Any) -> None:
    assert await app.db.fetchval("SELECT count(*) FROM notes.notes") == 0


async def subscriptions(app: TestApp, _: ModuleType, plugin: Any) -> None:
    await app.announce(sample(OrderDelivered, order_number="VK-7"))
    assert plugin.arrived == {"VK-7"}


async def jobs(_: TestApp, __: ModuleType, plugin: Any) -> None:
    await soon(lambda: plugin.runs > 1)


async def lifespan(_: TestApp, __: ModuleType, plugin: Any) -> None:
    await soon(lambda: plugin.beats > 1)


async def health_checks(app: TestApp, _: ModuleType, __: Any) -> None:
    await app.app.health.probe()
    assert (await app.get("/health")).json["dependencies"]["notes.ink"]["status"] == "up"


async def metrics(app: TestApp, _: ModuleType, plugin: Any) -> None:
    async with app.db.transaction() as tx:
        await plugin.note(tx, "voice")
    assert app.app.figures.of("notes_written_total") == [(("typed",), 0), (("voice",), 1)]


async def commands(app: TestApp, _: ModuleType, __: Any) -> None:
    (shout,) = app.app.plugins.declared("commands")
    assert CliRunner().invoke(shout, ["hello"]).output == "HELLO\n"


async def seeds(app: TestApp, _: ModuleType, plugin: Any) -> None:
    assert await app.db.fetchval("SELECT count(*) FROM notes.colours") == 2
    assert await plugin.colours() == "0 colours written"


async def personal_data(app: TestApp, shown: ModuleType, _: Any) -> None:
    somebody = UserId(uuid7())
    await app.db.command("INSERT INTO notes.notes VALUES ($1, 'mine') RETURNING user_id", somebody)
    assert orjson.loads(await app.app.privacy.export(somebody))["notes"] == {"texts": ["mine"]}
    async with app.db.transaction() as tx:
        await shown.erase(tx, shown.Subject(somebody, final=True))
    assert orjson.loads(await app.app.privacy.export(somebody))["notes"] == {"texts": []}


WORKS: dict[str, Callable[[TestApp, ModuleType, Any], Awaitable[None]]] = {
    one.__name__: one
    for one in (provides, extends, routes, migrations, subscriptions, jobs, lifespan, health_checks, commands, seeds)
} | {"metrics": metrics, "personal_data": personal_data}


@pytest.mark.parametrize("hook", HOOKS)
async def test_the_example_of_a_hook_works(hook: str, kernel: NewKernel, example: Callable[[str], ModuleType]) -> None:
    shown = example(hook)
    app = await kernel([shown.NotesPlugin])
    (plugin,) = [one for one in app.app.plugins.all if isinstance(one, shown.NotesPlugin)]
    await WORKS[hook](app, shown, plugin)


def test_every_hook_has_an_example_and_no_other() -> None:
    assert sorted(EXAMPLES) == sorted(HOOKS)
