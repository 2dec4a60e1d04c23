"""Programs of the harness: begun in its folder, tied to it, killed or stopped on request, gone at the end."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from core.store.embedded_process import Account, bond

PREFIX = "vurksha-faults-"
ROOT = Path(__file__).resolve().parents[2]


class NotRunning(Exception):
    """A program ended, or was not ready in time."""


class CannotRun(Exception):
    """This machine lacks something; the text says what."""


class Child:
    """One program, restarted under the same name and log as often as a scenario wants."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
    ) -> None:
        self.name, self.command, self.folder = name, [str(part) for part in command], folder
        self.env, self._account = dict(env or {}), account
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        """Begin it. `more` are further environment names for this run."""
        who = self._account
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", **self.env, **more},
                user=who.uid if who else None,
                group=who.gid if who else None,
                extra_groups=[] if who else None,
                preexec_fn=bond(signal.SIGKILL),  # noqa: PLW1509  from the main thread only
            )

    @property
    def pid(self) -> int:
        """Of the run under way, or the last one."""
        if self._process is None:
            raise NotRunning(self.name)
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it lives; stopped counts."""
        return self._process is not None and self._process.poll() is None

    def family(self) -> list[int]:
        """Its pid and those of its descendants."""
        return [self.pid, *descendants(self.pid)] if self.running else []

    def signal(self, number: signal.Signals, *, family: bool = False) -> None:
        """Send a signal to it, or to all its descendants too."""
        for pid in self.family() if family else [self.pid] if self.running else []:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """As a power cut would: all at once."""
        self.signal(signal.SIGKILL, family=True)
        if self._process is not None:
            self._process.wait(10)

    async def ended(self, seconds: float) -> int:
        """Its exit code, waited for; killed when it takes longer."""
        until = time.monotonic() + seconds
        while self._process is not None and self._process.poll() is None:
            if time.monotonic() > until:
                self.kill()
            await asyncio.sleep(0.02)
        return self._process.returncode if self._process is not None else 0

    async def ready(self, condition: Callable[[], object], seconds: float) -> None:
        """Wait for a condition while the program lives."""
        until = time.monotonic() + seconds
        while not condition():
            if not self.running or time.monotonic() > until:
                raise NotRunning(f"{self.name} did not come up:\n{self.tail()}")
            await asyncio.sleep(0.02)

    def tail(self, lines: int = 20) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found


def answers(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as sock:
        sock.settimeout(0.2)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def give(path: Path, account: Account | None) -> None:
    """Make a folder the account's own."""
    path.mkdir(exist_ok=True)
    if account is not None:
        os.chown(path, account.uid, account.gid)
    path.chmod(0o700)


@contextmanager
def workplace() -> Iterator[Path]:
    """One temporary folder; whatever runs in it ends with the block, stopped processes included."""
    _clear_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    folder.chmod(0o755)
    (folder / "owner").write_text(str(os.getpid()))
    try:
        yield folder
    finally:
        _clear(folder)


def _clear_leftovers() -> None:
    """What a run that was itself killed has left."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        with suppress(OSError, ValueError):
            if not Path(f"/proc/{int((folder / 'owner').read_text())}").exists():
                _clear(folder)


def _clear(folder: Path) -> None:
    for _ in range(50):
        living = [pid for pid in _within(folder) if pid != os.getpid()]
        for pid in living:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not living:
            break
        time.sleep(0.1)
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if (place := line.split()[1]).startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", place], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _within(folder: Path) -> Iterator[int]:
    """Processes that stand in the folder or were told of it: every program here is one or the other."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            place = (process / "cwd").readlink()
            stands = place == folder or folder in place.parents
            if (stands or f"={folder}/".encode() in (process / "environ").read_bytes()) and "\nState:\tZ" not in (
                process / "status"
            ).read_text():
                yield int(process.name)


if __name__ == "__main__":
    _clear_leftovers()
