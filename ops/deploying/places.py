"""Where one replica of a colour runs on this machine: a port, a lock, a log."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import attrs

from ops.deploying.model import Release
from ops.deploying.web import ask

ROOT = Path(__file__).parents[2]
BEGINS = "-- starting release "
"""In the log: what stands above is another run's."""
LEAVING, OWNER = "(stopping)", 4096
"""What runs in a place that was asked to stop, and how many bytes of a lock tell it."""
GONE = 32.0
"""Seconds after SIGTERM until it is ended by force: a replica is out by 25."""


@attrs.frozen(kw_only=True)
class Place:
    """One replica's."""

    name: str
    port: int
    operations: int
    """The port of its operations listener."""
    folder: Path

    @property
    def url(self) -> str:
        """Of the replica itself."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it wrote, over all its runs."""
        return self.folder / f"{self.name}.log"

    @property
    def _lock(self) -> Path:
        return self.folder / f"{self.name}.lock"

    def runs(self) -> str:
        """The release that runs here; empty when none does, LEAVING when it was asked to stop."""
        return str(self._owner().get("release", ""))

    def _owner(self) -> Mapping[str, object]:
        """Who holds the lock."""
        if not self._lock.exists():
            return {}
        file = os.open(self._lock, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            said: Mapping[str, object] = json.loads(os.pread(file, OWNER, 0) or b"{}")
            return said
        else:
            return {}
        finally:
            os.close(file)

    def start(self, release: Release, env: Mapping[str, str]) -> None:
        """Begin; it goes on without this process. Back when the place is taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        given = {
            "PORT": str(self.port),
            "VURKSHA_OPERATIONS__PORT": str(self.operations),
            "VURKSHA_DEPLOY__RELEASE": release.name,
        }
        words = (str(self._lock), release.name, *program(release), "serve")
        with self.log.open("ab") as out:
            if not self.runs():
                out.write(f"{BEGINS}{release.name}\n".encode())
                out.flush()
            subprocess.run(
                [sys.executable, ROOT / "ops/deploying/launch.py", *words],
                env={**env, **given, "PYTHONPATH": release.artefact}, cwd=release.artefact,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True, timeout=20,
            )  # fmt: skip

    def ready(self) -> tuple[bool, str]:
        """Whether it serves, and why not."""
        answer = ask("GET", f"{self.url}/health/ready", limit=2.0)
        if answer.status == 200:  # noqa: PLR2004  OK
            return True, ""
        try:
            reasons = json.loads(answer.raw)["reasons"]
        except (ValueError, LookupError):
            reasons = [self._last_words() or answer.said or answer.status]
        return False, f"{self.name}: {', '.join(map(str, reasons))}"

    def _last_words(self) -> str:
        """The last line of its log: of a replica that does not answer, mostly why."""
        try:
            lines = self.log.read_text("utf-8", "replace").split("\n")
        except OSError:
            return ""
        for line in reversed(lines):
            if line.startswith(BEGINS):
                break
            if (said := _said(line)) is not None:
                return said
        return ""

    def ask_to_stop(self) -> None:
        """SIGTERM, to whoever runs here. Noted: a tool that is killed now must not take what leaves for a replica."""
        if owner := self._owner():
            with self._lock.open("r+b") as file:
                file.write(json.dumps({**owner, "release": LEAVING}).encode().ljust(OWNER))
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        """To the keeper; one that cannot be caught, to the replica too, which is of its group."""
        pid = self._owner().get("pid")
        if isinstance(pid, int):
            with suppress(ProcessLookupError):
                (os.killpg if number == signal.SIGKILL else os.kill)(pid, number)

    def wait_gone(self, until: float) -> None:
        """Until nobody runs here; by force after `until`, on the monotonic clock."""
        while self.runs():
            if time.monotonic() > until:
                self._signal(signal.SIGKILL)
            time.sleep(0.05)


def _said(line: str) -> str | None:
    """What a line of the log says; None of one that is no trouble."""
    try:
        told = json.loads(line)
    except ValueError:
        return line.strip()[:200] or None
    grave = isinstance(told, dict) and told.get("level") in {"warning", "error", "critical"}
    return f"{told.get('event')} ({told.get('error', '')})"[:200] if grave else None


def program(release: Release) -> Sequence[str]:
    """The release's own Python where it brings one, and its `vurksha`."""
    own = Path(release.artefact, ".venv/bin/python")
    return (str(own) if own.exists() else sys.executable, "-m", "core")
