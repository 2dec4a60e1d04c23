"""`vurksha serve --reload`: a saved file is served a moment later, and a mistake waits for the next save."""

import asyncio
import sys
from pathlib import Path

import pytest

from core import reload
from core.reload import Watched, folders
from core.serve import run
from core.store.embedded import Servers
from plugins.cart.plugin import CartPlugin
from tests.conftest import NewDatabase
from tests.core.program import Program, fetch, until

PLUGIN = """
import attrs
from core.hookspecs import hookimpl
from core.http.routing import PUBLIC, Route
from core.kernel import Manifest


@attrs.frozen
class Said:
    word: str


async def say(call):
    return Said({word!r})


class HelloPlugin:
    manifest = Manifest(name="hello", version="1", schema="hello")

    @hookimpl
    def routes(self):
        return [Route(method="GET", path="/hello", policy=PUBLIC, handler=say, answer=Said, summary="Hello")]
"""


@pytest.fixture
async def program(new_database: NewDatabase, servers: Servers, tmp_path: Path) -> Program:
    """With a plugin of the test's own beside the probe."""
    made = Program(
        tmp_path,
        DATABASE_URL=await new_database(),
        REDIS_URL=servers.redis_url,
        VURKSHA_PLUGINS="probe, hello",
        PYTHONDONTWRITEBYTECODE="1",
    )
    package = tmp_path / "site" / "hello-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: hello\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[vurksha.plugins]\nhello = hello_plugin:HelloPlugin\n")
    return made


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_is_saved_is_served_and_a_mistake_waits_for_its_mending(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "site" / "hello_plugin.py"

    def save(word: str) -> None:
        file.write_text(PLUGIN.replace("{word!r}", repr(word)))

    save("one")
    with program.started("serve", "--reload") as serving:

        def says(word: str) -> bool:
            assert serving.process.poll() is None, serving.said
            return fetch(f"{serving.url}/api/v1/hello")[1].get("data") == {"word": word}

        until(lambda: says("one"), "the first word")
        save("two")
        until(lambda: says("two"), "what was saved")
        assert "hello_plugin.py changed: starting again" in serving.said
        file.write_text("this is no Python")
        until(lambda: not says("two"), "the mistake to be noticed")
        save("three")
        until(lambda: says("three"), "what was mended")
        assert serving.end() == 0
        assert fetch(f"{serving.url}/health/live")[0] == 0


def test_reloading_is_for_development(program: Program, tmp_path: Path) -> None:
    (tmp_path / "site" / "hello_plugin.py").write_text(PLUGIN.replace("{word!r}", "'one'"))
    secrets = {"VURKSHA_ENV": "production", "JWT_SECRET": "x" * 40}
    said = program.run("serve", "--reload", env=secrets)
    assert (said.returncode, "for development" in said.stderr) == (1, True), said.stderr


def test_files_of_plugins_and_settings_are_watched(tmp_path: Path) -> None:
    cart, config = folders([CartPlugin])
    assert (cart.name, config.name) == ("cart", "config")
    watched = Watched([tmp_path])
    for name in ("a.py", "b.sql", "c.txt"):
        (tmp_path / name).write_text("one")
    assert [path.name for path in watched.changed()] == ["a.py", "b.sql"]
    assert watched.changed() == []
    (tmp_path / "a.py").unlink()
    (tmp_path / "b.sql").write_text("longer")
    assert [path.name for path in watched.changed()] == ["a.py", "b.sql"]


def test_a_replica_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    monkeypatch.setattr(reload, "PATIENCE", 0.1)

    async def main() -> int:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", stubborn, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        await process.stdout.readline()
        await reload._end(process)
        assert process.returncode == -9
        await reload._end(process)
        return 0

    assert run(main()) == 0
