"""The operator's side: a prompt on a terminal, or lines from a pipe; what the console says goes to stdout."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import click
import orjson

from core.console.asking import NoConsole, Opened

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

LARGEST = 8 * 2**20
"""Bytes of one answer."""
LEAVING = frozenset({"exit", "quit"})
LOST = "the replica is gone, and the console with it"


class Over(Exception):
    """The replica closed the console; the text says why."""


class Wire:
    """The console's socket: a line goes, its answer comes, notes come at any time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why it ended, once it did."""

    async def greeted(self, key: str) -> dict[str, Any]:
        """Show the key; what the replica says first. Raises NoConsole."""
        self._send(key=key)
        try:
            said: dict[str, Any] = orjson.loads(await self._reader.readline())
        except (OSError, ValueError):
            raise NoConsole("the replica closed the console at once: ask for another") from None
        return said

    async def listen(self) -> None:
        """Until the end: sort what comes."""
        why = LOST
        with suppress(OSError, ValueError):
            while raw := await self._reader.readline():
                message = orjson.loads(raw)
                if "end" in message:
                    why = message["end"]
                elif "note" in message:
                    click.echo(f"({message['note']})", err=True)
                else:
                    self._answers.put_nowait(message)
        if not self.over.done():
            self.over.set_result(why)

    async def ask(self, line: str) -> bool:
        """Show what a line comes to; whether that went well. Ctrl-C stops the command. Raises Over."""
        self._send(run=line)
        answer = asyncio.ensure_future(self._answers.get())
        try:
            await _first(answer, self.over)
            if not answer.done():
                raise Over(self.over.result())
        finally:
            answer.cancel()
        click.echo(answer.result()["out"], nl=False)
        return not answer.result()["failed"]

    def stop(self) -> None:
        """Let the command that runs end."""
        self._send(stop=True)

    def _send(self, **message: object) -> None:
        self._writer.write(orjson.dumps(message) + b"\n")


async def _first(*of: "asyncio.Future[Any]") -> None:
    await asyncio.wait(of, return_when=asyncio.FIRST_COMPLETED)


@asynccontextmanager
async def attached(opened: Opened) -> AsyncIterator[tuple[Wire, dict[str, Any]]]:
    """The wire, and what the replica said first. Raises NoConsole."""
    try:
        reader, writer = await asyncio.open_unix_connection(opened.socket, limit=LARGEST)
    except FileNotFoundError:
        raise NoConsole(f"{opened.socket} is not here: run this where the replica runs, in its container") from None
    except OSError as error:
        why = (
            "run this as the account that the replica runs as" if isinstance(error, PermissionError) else error.strerror
        )
        raise NoConsole(f"{opened.socket} cannot be used: {why}") from None
    wire, listening = Wire(reader, writer), None
    try:
        said = await wire.greeted(opened.key)
        listening = asyncio.create_task(wire.listen())
        yield wire, said
    finally:
        if listening is not None:
            listening.cancel()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def piped(wire: Wire) -> int:
    """Each line of stdin is a command; 1 if one of them failed, or the console ended before them."""
    failed = False
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            if line.strip() in LEAVING:
                break
            click.echo(f"> {line.strip()}", err=True)
            failed |= not await wire.ask(line.strip())
    except Over as over:
        click.echo(f"the console is closed: {over}", err=True)
        return 1
    return int(failed)


async def prompted(wire: Wire, said: dict[str, Any], opened: Opened) -> int:
    """A person at a terminal; 1 if it was not they who ended it."""
    session = _prompt(said["commands"], f" closes at {opened.until:%H:%M} UTC · `help` lists commands · `exit` leaves ")
    click.echo(said["hello"])
    if not opened.audited:
        click.echo("The audit log does not answer: it is told as soon as it does. Rows cannot be changed meanwhile.")
    try:
        while (line := await _typed(session, wire)) is not None and line not in LEAVING:
            if line:
                await _asked(wire, line)
    except Over as over:
        click.echo(f"the console is closed: {over}")
        return 1
    return 0


def _prompt(commands: dict[str, Any], toolbar: str) -> "PromptSession[str]":
    from prompt_toolkit import PromptSession  # noqa: PLC0415  takes its time, and a pipe needs none of it
    from prompt_toolkit.completion import NestedCompleter  # noqa: PLC0415  as above

    completer = NestedCompleter.from_nested_dict({**commands, "exit": None})
    return PromptSession("vurksha> ", completer=completer, complete_while_typing=False, bottom_toolbar=toolbar)


async def _typed(session: "PromptSession[str]", wire: Wire) -> str | None:
    """What somebody typed; None to leave. Raises Over."""
    from prompt_toolkit.patch_stdout import patch_stdout  # noqa: PLC0415  as above

    async def read() -> str | None:
        try:
            return (await session.prompt_async()).strip()
        except KeyboardInterrupt:  # which must not leave a task
            return ""
        except EOFError:
            return None

    typing = asyncio.create_task(read())
    with patch_stdout(raw=True):  # notes go above the prompt
        await _first(typing, wire.over)
        if typing.done():
            return typing.result()
        typing.cancel()
        await asyncio.wait({typing})
    raise Over(wire.over.result())


async def _asked(wire: Wire, line: str) -> None:
    """Show what a line comes to; Ctrl-C stops it, and once more leaves."""
    loop, pressed = asyncio.get_running_loop(), 0

    def interrupted() -> None:
        nonlocal pressed
        pressed += 1
        if pressed == 1:
            wire.stop()
        elif not wire.over.done():
            wire.over.set_result("you left")

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        await wire.ask(line)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
