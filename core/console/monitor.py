"""aiomonitor, of which the console takes the thread beside the loop, the tasks and their stacks, and no open port.

As it comes, it listens for telnet, for a web page that cancels any task and for a Python console, and asks nobody who
they are; an empty line does the last command once more. So its servers are never started (ADR 32).
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiomonitor import Monitor
from aiomonitor.exceptions import MissingTask
from aiomonitor.types import FormattedLiveTaskInfo

from core.console.session import Session

log = logging.getLogger("core.console")
logging.getLogger("aiomonitor").setLevel(logging.WARNING)  # it tells of ports that it does not open here


class ConsoleMonitor(Monitor):
    """One console. `ended` is called on the monitored loop, with the reason."""

    def __init__(self, loop: asyncio.AbstractEventLoop, main: int, ended: Callable[[str], None]) -> None:
        """`main` is the thread of the loop."""
        super().__init__(loop, console_enabled=False)
        self._main, self._ended = main, ended
        self._ui_thread.name = "console"
        self.session: Session | None = None

    def tasks(self, word: str) -> Sequence[FormattedLiveTaskInfo]:
        """The tasks of the loop whose name or coroutine has this word."""
        return self.format_running_task_list(word, persistent=False)

    def where(self, task: str) -> str:
        """Where a task waits. Raises LookupError for one that is gone."""
        try:
            return "\n".join(text.rstrip() for _, text in self.format_running_task_stack(task)[3:])
        except (MissingTask, ValueError):
            raise LookupError(task) from None

    def stack(self) -> list[str]:
        """What the loop's thread does at this moment, innermost last; told without its help."""
        frame = sys._current_frames().get(self._main)  # noqa: SLF001  its documented name
        return [f"{line.filename}:{line.lineno} {line.name}" for line in traceback.extract_stack(frame)]

    def end(self, why: str) -> None:
        """From any thread: let the session be over."""
        with suppress(RuntimeError):  # it is over, and so is its loop
            self._ui_loop.call_soon_threadsafe(lambda: self.session.end(why) if self.session is not None else None)

    async def _ui_main_async(self) -> None:
        """In place of aiomonitor's servers: the session, then until `close`."""
        self._ui_loop = asyncio.get_running_loop()
        self._ui_forever_future = self._ui_loop.create_future()
        self._ui_started.set()
        why = "it failed"
        try:
            if self.session is not None:
                why = await self.session.serve()
        except Exception:
            log.exception("the console failed")
        finally:
            with suppress(RuntimeError):  # the app's loop is gone
                self._monitored_loop.call_soon_threadsafe(self._ended, why)
        with suppress(asyncio.CancelledError):
            await self._ui_forever_future
