import asyncio
import importlib
from pathlib import Path

import pytest

from core.isolation.culprit import Packages, home
from core.tasks import Tasks
from tests.core.isolation.rogue import plugin
from tests.core.isolation.rogue.plugin import Rogue, nested, waiting


class Nested:
    pass


def test_a_file_belongs_to_the_plugin_with_the_nearest_folder(packages: Packages) -> None:
    outer = Packages({"outer": Nested(), "rogue": Rogue()})
    assert outer.of_file(plugin.__file__) == packages.of_file(plugin.__file__) == "rogue"
    assert outer.of_file(__file__) == "outer"
    assert packages.of_file(__file__) is None
    assert packages.of_file(str(Path(plugin.__file__).parent) + "s/other.py") is None


def test_a_module_that_stands_alone_is_all_of_its_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lone_rogue.py").write_text("class Lone: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    lone = importlib.import_module("lone_rogue").Lone
    assert home(lone) == tmp_path / "lone_rogue.py"
    assert Packages({"lone": lone()}).of_file(str(tmp_path / "lone_rogue.py")) == "lone"


async def kernels(work: object) -> None:
    await work  # type: ignore[misc]  # any awaitable


async def test_a_task_is_a_plugins_when_its_own_coroutine_is(packages: Packages) -> None:
    tasks, loop = Tasks(), asyncio.get_running_loop()
    tasks.forever("loop", waiting)
    own, inside = loop.create_task(nested()), loop.create_task(kernels(nested()))
    await asyncio.sleep(0.01)
    place = packages.of_task(own)
    assert place is not None
    assert (place.plugin, place.function) == ("rogue", "nested")
    assert str(place).endswith("in nested")
    assert packages.of_task(inside) is None
    assert (packages.of_wait(inside) or place).function == "waiting"
    assert [packages.of_task(task) is not None for task in tasks._tasks] == [True]
    for task in (own, inside):
        task.cancel()
    assert await tasks.stop(1) == []


async def test_a_stack_without_a_plugin_has_no_place(packages: Packages) -> None:
    assert packages.of_frame(None) is None
