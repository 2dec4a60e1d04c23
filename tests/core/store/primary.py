"""A PostgreSQL of a test's own, over TCP: to be stopped, killed, filled and started again."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from core.store.embedded_programs import Programs, service_account

SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "timezone=UTC")
OWNER = "postgres"


class Primary:
    """One server."""

    def __init__(self, folder: Path) -> None:
        self._account = service_account(None)
        self._data = folder / "pg"
        self._programs = Programs.find(folder, self._account, system=False).postgres
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"postgresql://{OWNER}@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """An empty cluster."""
        self._data.mkdir(exist_ok=True)
        if self._account is not None:
            os.chown(self._data, self._account.uid, self._account.gid)
        options = ("-U", OWNER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        self._begin("initdb", "-D", str(self._data), *options).wait()

    def start(self, *settings: str) -> None:
        """Start it and wait until it takes connections."""
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        words = [word for one in (*SETTINGS, *settings) for word in ("-c", one)]
        place = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
        self._process = self._begin("postgres", "-D", str(self._data), "-p", str(self.port), *place, *words)
        until = time.monotonic() + 30
        while "ready" not in self._state():
            assert self._process.poll() is None, "it ended"
            assert time.monotonic() < until, "it did not come up"
            time.sleep(0.01)

    def _state(self) -> str:
        with suppress(OSError, IndexError):
            return (self._data / "postmaster.pid").read_text().splitlines()[7]
        return ""

    def _begin(self, program: str, *words: str) -> "subprocess.Popen[bytes]":
        who = self._account
        return subprocess.Popen(
            [self._programs / program, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=[] if who else None,
        )

    @property
    def pid(self) -> int:
        """The postmaster's."""
        assert self._process is not None
        return self._process.pid

    def _family(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def freeze(self) -> None:
        """Stop the postmaster, then every backend: sockets stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)
        for pid in self._family()[1:]:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let all of it go on."""
        for pid in self._family():
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL of the postmaster and its backends."""
        if self._process is None:
            return
        family = self._family()
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        until = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in family[1:]) and time.monotonic() < until:
            time.sleep(0.01)

    def end(self) -> None:
        """Gone, with its data."""
        self.kill()
        shutil.rmtree(self._data, ignore_errors=True)
