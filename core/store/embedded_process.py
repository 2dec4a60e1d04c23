"""One program of the embedded servers: begun as the right account, tied to this process, ended politely."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs

Command = list[Path | str]
PROC = Path("/proc")
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""
GRACE = 20.0
"""Seconds a server gets to end before it is killed: a fast shutdown writes a checkpoint."""


class EmbeddedError(Exception):
    """The embedded servers cannot run here; the one line says why and what to do."""


@attrs.frozen
class Account:
    """Who runs the servers when this process is root: PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int


class Process:
    """One program, run as the account and tied to this process: it is told to end when this thread does."""

    def __init__(
        self,
        command: Command,
        account: Account | None,
        log: Path,
        *,
        polite: signal.Signals = signal.SIGTERM,
    ) -> None:
        self._command, self._account, self._log, self._polite = command, account, log, polite
        self._process: subprocess.Popen[bytes] | None = None

    async def run(self, given: str = "") -> None:
        """Run it to its end, which must be a good one."""
        process = self._begin(given)
        while process.poll() is None:
            await asyncio.sleep(0.01)
        if process.returncode:
            raise self._failed(f"ended with {process.returncode}")

    async def start(self, ready: Callable[[int], bool], seconds: float) -> None:
        """Start it and wait until it is ready."""
        process, until = self._begin(), time.monotonic() + seconds
        while not ready(process.pid):
            if process.poll() is not None:
                raise self._failed(f"ended with {process.returncode}")
            if time.monotonic() > until:
                await self.end()
                raise self._failed(f"was not ready within {seconds:.0f} s")
            await asyncio.sleep(0.01)

    @property
    def runs(self) -> bool:
        """Whether it was begun and has not ended."""
        return self._process is not None and self._process.poll() is None

    def ask(self) -> None:
        """Ask it to end, without waiting."""
        if self._process is not None:
            self._process.send_signal(self._polite)

    async def end(self) -> None:
        """Ask it to end; kill it if it does not."""
        self.ask()
        until = time.monotonic() + GRACE
        while self._process is not None and self._process.poll() is None:
            if time.monotonic() > until:
                self._process.kill()
            await asyncio.sleep(0.01)

    def _begin(self, given: str = "") -> "subprocess.Popen[bytes]":
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE if given else subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env={"LC_ALL": "C.UTF-8", "TZ": "UTC"},
                    preexec_fn=_settle(self._account, self._polite),  # noqa: PLW1509  this is the main thread, at start
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise EmbeddedError(f"{self._command[0]} cannot be run: {error}") from error
        if self._process.stdin is not None:
            with self._process.stdin as pipe:
                pipe.write(given.encode())
        return self._process

    def _failed(self, how: str) -> EmbeddedError:
        said = self._log.read_text(errors="replace").strip().splitlines()[-3:]
        return EmbeddedError(f"{Path(self._command[0]).name} {how}; {self._log} ends: {' | '.join(said) or 'nothing'}")


def bond(last_word: signal.Signals) -> Callable[[], None]:
    """What a new process does before it becomes its program, to get `last_word` when the thread that began it ends.

    It leads a session of its own, so that Ctrl-C reaches only us.
    """
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def tie() -> None:  # pragma: no cover  between fork and exec, where nothing measures
        os.setsid()
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, last_word)
            if os.getppid() != parent:
                os._exit(1)

    return tie


def _settle(account: Account | None, last_word: signal.Signals) -> Callable[[], None]:
    """The same as another account. The order matters: setuid clears the parent's bond."""
    tie = bond(last_word)

    def settle() -> None:  # pragma: no cover  as above
        if account is not None:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
        os.umask(0o077)
        tie()

    return settle


def pid_in(file: Path) -> int | None:
    """The process id on the first line of a pid file."""
    with suppress(OSError, ValueError, IndexError):
        return int(file.read_text().split()[0])
    return None


async def end_leftover(pid_file: Path, mark: str) -> None:
    """Remove a pid file that an earlier run left; end its process if it lives and its command line names `mark`.

    The id may be a zombie's, which nobody reaped, or belong to a stranger by now: both are left alone.
    """
    pid = pid_in(pid_file)
    until = time.monotonic() + GRACE
    asked = False
    while pid is not None and mark in command_of(pid):
        with suppress(ProcessLookupError):
            if not asked:
                os.kill(pid, signal.SIGINT)
            elif time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
        asked = True
        await asyncio.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def command_of(pid: int) -> str:
    """A process's command line; empty for a zombie, and where nobody can say."""
    with suppress(OSError):
        if PROC.exists():
            return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        ask: Command = ["ps", "-o", "command=", "-p", str(pid)]  # macOS; found by PATH
        return subprocess.run(ask, capture_output=True, text=True, check=False).stdout
    return ""
