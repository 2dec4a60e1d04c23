"""The program as a user runs it: `python -m core ...` with one plugin, on servers that tests give or on its own."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest

from core import cli
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
LONG = 80.0
"""Seconds for whatever must happen in the end, on a busy machine."""
TOKEN = "what operators show, in tests of the program"
CONFIG = """plugins = ["probe"]
[events]
poll = 0.1
[stop]
drain = 0.0
finish = 5.0
"""


def until(condition: Callable[[], object], what: str, seconds: float = LONG) -> None:
    """Wait for something outside this process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


def fetch(url: str, seconds: float = 5.0) -> tuple[int, dict[str, Any]]:
    """Status and JSON; 0 where nobody answers."""
    try:
        with urlopen(url, timeout=seconds) as got:  # noqa: S310  our own program
            return got.status, orjson.loads(got.read())
    except HTTPError as error:
        return error.code, orjson.loads(error.read())
    except OSError:
        return 0, {}


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The living children of a process, and theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return [one for one in found if alive(one)]


class Started:
    """The program while it runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, said: Path) -> None:
        self.process, self.port, self._said = process, port, said
        self.url = f"http://127.0.0.1:{port}"

    @property
    def said(self) -> str:
        """What it wrote, to both streams."""
        return self._said.read_text()

    def is_ready(self) -> bool:
        """Ready, or gone, which fails the test with what it said."""
        assert self.process.poll() is None, self.said
        return fetch(f"{self.url}/health/ready")[0] == 200

    def wait_ready(self) -> "Started":
        """Until it serves."""
        until(self.is_ready, "the program to be ready")
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(LONG)


class Program:
    """A folder with configuration and data, and the environment to run in."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.data, config, package = folder / "data", folder / "config", folder / "site" / "probe-1.0.0.dist-info"
        config.mkdir()
        package.mkdir(parents=True)
        for name, text in (("base", CONFIG), ("development", ""), ("test", ""), ("production", "")):
            (config / f"{name}.toml").write_text(text)
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1.0.0\n")
        (package / "entry_points.txt").write_text("[vurksha.plugins]\nprobe = tests.core.http.probe:ProbePlugin\n")
        self._folder, self._site = folder, str(package.parent)
        self.env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        self.env |= {
            "VURKSHA_CONFIG_DIR": str(config),
            "DATA_DIR": str(self.data),
            "PYTHONPATH": f"{self._site}:{ROOT}",
            "OPERATIONS_TOKEN": TOKEN,
            "VURKSHA_OPERATIONS__PORT": "0",
            **env,
        }

    def run(self, *args: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        """To its end."""
        return subprocess.run(
            [sys.executable, "-m", "core", *args],
            env=self.env | dict(env or {}), cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONG,
        )  # fmt: skip

    def call(self, *args: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        """The same in this process, for speed: on a thread, whose loop is not the tests'."""
        out, err, code = io.StringIO(), io.StringIO(), 0

        def work() -> None:
            nonlocal code
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)

        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(os, "environ", {**self.env, **(env or {})})
            patch.setattr(sys, "argv", ["vurksha", *args])
            patch.setattr(sys, "path", [self._site, *sys.path])
            patch.setattr(cli.program, "commands", dict(cli.program.commands))
            thread = threading.Thread(target=work)
            thread.start()
            thread.join(LONG)
        return subprocess.CompletedProcess(args, code, out.getvalue(), err.getvalue())

    @contextmanager
    def started(self, *args: str, env: Mapping[str, str] | None = None) -> Iterator[Started]:
        """While the block runs; killed at its end if it still runs, with its children."""
        port, said = free_port(), self._folder / f"said-{time.monotonic_ns()}"
        with said.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "core", *args],
                env={**self.env, "PORT": str(port), **(env or {})}, cwd=ROOT, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        family: list[int] = []
        try:
            yield Started(process, port, said)
        finally:
            family = [process.pid, *children(process.pid)]
            for pid in family:
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
