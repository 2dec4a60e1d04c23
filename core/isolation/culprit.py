"""Whose code it is: files, stacks and tasks by the plugin that they belong to."""

import asyncio
import inspect
import selectors
from asyncio import Task, base_events, runners
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import attrs

from core import tasks

WRAPPING = (str(Path(asyncio.__file__).parent), str(Path(tasks.__file__)))
"""Code that is put around the coroutines of others."""


@attrs.frozen
class Place:
    """A line of a plugin's code."""

    plugin: str
    file: str
    line: int
    function: str

    @classmethod
    def at(cls, plugin: str, frame: FrameType) -> "Place":
        """Where a frame of that plugin is."""
        code = frame.f_code
        return cls(plugin, code.co_filename, frame.f_lineno, code.co_qualname)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


class Packages:
    """The folders of the loaded plugins. Asking costs a dict lookup per file, from the second time on."""

    def __init__(self, plugins: Mapping[str, object]) -> None:
        """The plugin objects by name."""
        folders = [(str(home(type(plugin))), name) for name, plugin in plugins.items()]
        self._folders = sorted(folders, key=lambda pair: -len(pair[0]))
        """The longest first: a plugin may live inside the folder of another."""
        self._known: dict[str, str | None] = {}

    def of_file(self, file: str) -> str | None:
        """The plugin that has this file."""
        if file not in self._known:
            self._known[file] = next(
                (name for folder, name in self._folders if file == folder or file.startswith(folder + "/")), None
            )
        return self._known[file]

    def of_task(self, task: "Task[Any]") -> Place | None:
        """The line at which a plugin's own task waits. A request or delivery that merely calls it is the kernel's."""
        for code, line in _awaited(task.get_coro()):
            if (plugin := self.of_file(code.co_filename)) is not None:
                return Place(plugin, code.co_filename, line, code.co_qualname)
            if not code.co_filename.startswith(WRAPPING):
                return None
        return None

    def of_wait(self, task: "Task[Any]") -> Place | None:
        """The innermost line of a plugin at which a task waits, whoever's task it is."""
        place = None
        for code, line in _awaited(task.get_coro()):
            if (plugin := self.of_file(code.co_filename)) is not None:
                place = Place(plugin, code.co_filename, line, code.co_qualname)
        return place


def home(cls: type) -> Path:
    """Where a plugin's code is: the folder of the module of its class, or a module that stands alone."""
    module = inspect.getmodule(cls)
    file = Path(inspect.getfile(cls))
    return file.parent if module is not None and module.__package__ else file


def waiting(frame: FrameType | None) -> bool:
    """Whether a loop has nothing to do: uvloop waits where it was started, asyncio's own loop in its selector."""
    if frame is None or frame.f_code.co_filename == runners.__file__:
        return True
    caller = frame.f_back.f_code.co_filename if frame.f_back is not None else ""
    return frame.f_code.co_filename == selectors.__file__ and caller == base_events.__file__


def _awaited(coro: Any) -> Iterator[tuple[CodeType, int]]:
    """The code of a coroutine and of those it awaits, from the outside in."""
    while (code := getattr(coro, "cr_code", None)) is not None:
        frame = coro.cr_frame
        yield code, frame.f_lineno if frame is not None else code.co_firstlineno
        coro = coro.cr_await
        if isinstance(coro, tasks.Moves):
            coro = coro.work
