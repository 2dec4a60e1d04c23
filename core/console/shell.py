"""Runs a typed line: the command in a thread of its own, what it asks of the app on the app's loop.

What is written meanwhile is caught, by aiomonitor's own way of sending click's output to one console and no other.
"""

import asyncio
import concurrent.futures
import logging
import shlex
import threading
from collections.abc import Awaitable, Callable
from io import StringIO
from typing import Generic, TypeVar

import attrs
import click
from aiomonitor.context import current_stdout

from core import audit
from core.commands.shared import WIDTH
from core.errors import Problem
from core.store.migrate import UNREACHABLE

T = TypeVar("T")
TAKEN_UP = 3.0
"""Seconds in which the loop must begin what a command asks, and end what somebody stops."""
LOOK = 0.2
MOST = 400_000
"""Characters of one answer."""
HELD = "the event loop has not answered for 3 s: something holds it. `stack` shows what, without the loop"
log = logging.getLogger("core.console")


@attrs.frozen
class Answer:
    """What a line came to."""

    text: str
    failed: bool = False


class Stopped(Exception):
    """Whoever typed the command did not want to wait any longer."""


class _Call(Generic[T]):
    """Work on the app's loop that a thread waits for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Callable[[], Awaitable[T]]) -> None:
        self._loop, self._work = loop, work
        self._future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._task: asyncio.Task[None] | None = None
        self._begun, self._unwanted = threading.Event(), threading.Event()

    def result(self) -> T:
        """In the thread: what came of it. Raises what it raised, Stopped, or ClickException for a loop that is held."""
        try:
            self._loop.call_soon_threadsafe(self._begin)
        except RuntimeError:
            raise click.ClickException("the replica has ended") from None
        waited = 0.0
        while not self._future.done():
            concurrent.futures.wait([self._future], LOOK)
            waited = waited + LOOK if self._unwanted.is_set() or not self._begun.is_set() else 0.0
            if waited >= TAKEN_UP and not self._future.done():
                self._unwanted.set()
                raise click.ClickException(HELD)
        try:
            return self._future.result()
        except (asyncio.CancelledError, concurrent.futures.CancelledError):
            raise Stopped from None

    def stop(self) -> None:
        """From any thread: let it be cancelled."""
        self._unwanted.set()
        try:
            self._loop.call_soon_threadsafe(lambda: self._task.cancel() if self._task is not None else None)
        except RuntimeError:
            self._future.cancel()

    def _begin(self) -> None:
        if not self._unwanted.is_set():
            self._begun.set()
            self._task = self._loop.create_task(self._do(), name="console command")

    async def _do(self) -> None:
        try:
            self._future.set_result(await self._work())
        except BaseException as error:  # noqa: BLE001  whoever waits is told, whatever it is
            self._future.set_exception(error)


class Shell:
    """One console's. `program` is made by whoever knows the commands."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, acting: audit.Acting, program: Callable[["Shell"], click.Group]
    ) -> None:
        self._loop, self.acting = loop, acting
        self._call: _Call[object] | None = None
        self._stopped = False
        self.program = program(self)

    @property
    def words(self) -> dict[str, object]:
        """What can be typed, for a terminal that completes words."""
        return _words_of(self.program)

    async def run(self, line: str) -> Answer:
        """What the line says. Never raises but when cancelled."""
        self._stopped = False
        return await asyncio.to_thread(self._run, line)

    def stop(self) -> None:
        """End what runs, if anything does."""
        self._stopped = True
        if (call := self._call) is not None:
            call.stop()

    def on_app(self, work: Callable[[], Awaitable[T]]) -> T:
        """For commands: await work on the app's loop. In the thread of the command."""
        if self._stopped:
            raise Stopped
        call = _Call(self._loop, work)
        self._call = call  # type: ignore[assignment]  # whatever it answers: only stopped from here
        try:
            return call.result()
        finally:
            self._call = None

    def _run(self, line: str) -> Answer:
        out = StringIO()
        current_stdout.set(out)
        audit.acting.set(self.acting)
        failed = True
        try:
            failed = bool(self._called(_words(line)))
        except click.ClickException as error:
            out.write(f"{_plain(error)}\n")
        except (Stopped, click.Abort):
            out.write("stopped\n")
        except SystemExit as ended:
            failed = bool(ended.code)
        text = out.getvalue()
        return Answer(text if len(text) <= MOST else f"{text[:MOST]}\n(cut: the rest was too long)\n", failed)

    def _called(self, words: list[str]) -> object:
        if not words:
            return 0
        log.info("console command %s", words[0] if words[0] in self.program.commands else "that does not exist")
        try:
            return self.program.main(words, prog_name="", standalone_mode=False, terminal_width=WIDTH)
        except (Problem, *UNREACHABLE) as error:
            known = isinstance(error, Problem) and error.code.status < 500  # noqa: PLR2004  a refusal, not an outage
            text = str(error) if known else "the database does not answer. What is in memory is still told: `help`"
            raise click.ClickException(text) from None
        except (click.ClickException, click.Abort, Stopped):
            raise
        except Exception as error:
            log.exception("a console command failed")
            raise click.ClickException(
                f"this failed, and should not have: {type(error).__name__}; see the log"
            ) from None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise click.ClickException(f"this line cannot be read: {error}") from None


def _words_of(command: click.Command) -> dict[str, object]:
    if isinstance(command, click.Group):
        return {name: _words_of(one) for name, one in sorted(command.commands.items())}
    found: dict[str, object] = {}
    for one in command.params:
        kind = dict.fromkeys(map(str, one.type.choices)) if isinstance(one.type, click.Choice) else None
        found |= (kind or {}) if isinstance(one, click.Argument) else dict.fromkeys(one.opts, kind)
    return found | {"--help": None}


def _plain(error: click.ClickException) -> str:
    """What is wrong, and where help is."""
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return error.format_message()
    asked = f"{error.ctx.command_path} --help".strip()
    return f"{error.format_message()}\n`{asked if error.ctx.command_path else 'help'}` says what can be asked"
