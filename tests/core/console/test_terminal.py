"""The operator's side of the console: a prompt, a pipe, and how each ends."""

import asyncio
import io
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from core.console import session
from core.console.asking import NoConsole, Opened
from core.console.terminal import Wire, attached, piped, prompted
from core.types import utc_now
from tests.core.console.conftest import ask, gone
from tests.core.harness import Probe


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    """What a person types; what they see is not looked at here."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


@asynccontextmanager
async def wired(probe: Probe) -> AsyncIterator[tuple[Wire, dict[str, object], Opened]]:
    console = await ask(probe)
    async with attached(console) as (wire, said):
        yield wire, said, console
    await gone(probe)


async def test_a_person_asks_is_told_and_leaves(
    probe: Probe, keys: PipeInput, capsys: pytest.CaptureFixture[str]
) -> None:
    async with wired(probe) as (wire, said, console):
        keys.send_text("breakers\n\nexec print(1)\nexit\n")
        assert await prompted(wire, said, attrs.evolve(console, audited=False)) == 0
    shown = capsys.readouterr().out
    assert "`help` lists what can be asked" in shown
    assert "The audit log does not answer" in shown
    assert "postgres writes" in shown
    assert "there is no command exec" in shown


async def test_ctrl_c_drops_the_line_and_ctrl_d_leaves(probe: Probe, keys: PipeInput) -> None:
    async with wired(probe) as (wire, said, console):
        keys.send_text("dra\x03\x04")
        assert await prompted(wire, said, console) == 0


async def test_a_person_is_told_when_the_time_is_over(
    probe: Probe, keys: PipeInput, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe.app.console, "life", timedelta(seconds=1.5))
    async with wired(probe) as (wire, said, console):
        assert await prompted(wire, said, console) == 1
    assert f"the console is closed: {session.EXPIRED}" in capsys.readouterr().out


async def press_ctrl_c(times: int) -> None:
    """Once a command runs: before, it would end the tests."""
    before = signal.getsignal(signal.SIGINT)
    for _ in range(times):
        while signal.getsignal(signal.SIGINT) is before:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        signal.raise_signal(signal.SIGINT)


async def test_ctrl_c_stops_a_command(
    probe: Probe, keys: PipeInput, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()
    monkeypatch.setattr(probe.app.db, "fetchrow", lambda *_: never.wait())
    async with wired(probe) as (wire, said, console), asyncio.TaskGroup() as group:
        keys.send_text("outbox stats\n")
        group.create_task(press_ctrl_c(1)).add_done_callback(lambda _: keys.send_text("exit\n"))
        assert await prompted(wire, said, console) == 0
    assert "stopped" in capsys.readouterr().out


async def test_ctrl_c_leaves_a_command_that_cannot_be_stopped(
    probe: Probe, keys: PipeInput, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.console.session.Session._heard", lambda *_: None)
    async with wired(probe) as (wire, said, console), asyncio.TaskGroup() as group:
        keys.send_text("outbox stats\n")
        group.create_task(press_ctrl_c(2))
        assert await prompted(wire, said, console) == 1
    assert "the console is closed: you left" in capsys.readouterr().out


async def test_lines_come_from_a_pipe(
    probe: Probe, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for lines, code in (("breakers\nquit\nslow\n", 0), ("exec\n", 1), ("", 0)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        async with wired(probe) as (wire, _, _):
            assert await piped(wire) == code
    shown = capsys.readouterr()
    assert "postgres writes" in shown.out
    assert "STOOD STILL" not in shown.out
    assert "> breakers" in shown.err


async def test_a_pipe_that_comes_too_late_is_told(
    probe: Probe, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe.app.console, "life", timedelta(seconds=0.5))
    monkeypatch.setattr(sys, "stdin", io.StringIO("breakers\n"))
    async with wired(probe) as (wire, _, _):
        await wire.over
        assert await piped(wire) == 1
    assert f"the console is closed: {session.EXPIRED}" in capsys.readouterr().err


def made(socket: Path) -> Opened:
    return Opened(socket=str(socket), key="k", until=utc_now(), audited=True)


async def test_a_socket_that_is_elsewhere_or_another_s_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(path: Path) -> None:
        async with attached(made(path)):
            pytest.fail("nobody is there")

    with pytest.raises(NoConsole, match="run this where the replica runs"):
        await connect(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NoConsole, match="cannot be used: Connection refused"):
        await connect(tmp_path / "file")

    async def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(asyncio, "open_unix_connection", denied)
    with pytest.raises(NoConsole, match="as the account that the replica runs as"):
        await connect(tmp_path / "file")


async def test_a_replica_that_hangs_up_at_once_is_told(probe: Probe) -> None:
    console = await ask(probe)
    with pytest.raises(NoConsole, match="closed the console at once"):
        async with attached(attrs.evolve(console, key="wrong")):
            pytest.fail("the key is wrong")
    async with attached(console):
        pass
    await gone(probe)
