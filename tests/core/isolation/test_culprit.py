import asyncio
import importlib
import selectors
import sys
from asyncio import runners
from pathlib import Path

import pytest

from core.isolation import culprit
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
    tasks.forever("watched loop", waiting, silence=60)
    own, inside = loop.create_task(nested()), loop.create_task(kernels(nested()))
    await asyncio.sleep(0.01)
    place = packages.of_task(own)
    assert place is not None
    assert (place.plugin, place.function) == ("rogue", "nested")
    assert str(place).endswith("in nested")
    assert packages.of_task(inside) is None
    assert (packages.of_wait(inside) or place).function == "waiting"
    assert [packages.of_task(task) is not None for task in tasks._tasks] == [True] * 2
    for task in (own, inside):
        task.cancel()
    assert await tasks.stop(1) == []


def test_a_loop_that_waits_is_told_from_one_at_work() -> None:
    assert culprit.waiting(None)
    assert not culprit.waiting(sys._getframe())


@pytest.mark.parametrize(("file", "waits"), [(runners.__file__, True), (selectors.__file__, False)])
def test_under_uvloop_it_waits_where_it_was_started(file: str, waits: bool) -> None:
    names: dict[str, object] = {"look": lambda: culprit.waiting(sys._getframe(1))}
    exec(compile("waits = look()", file, "exec"), names)  # noqa: S102  a frame of that file
    assert names["waits"] is waits
