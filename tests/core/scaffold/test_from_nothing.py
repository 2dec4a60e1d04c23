"""From `new-plugin` to a passing test and a served route, outside the repository, on an installed kernel."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import orjson
import pytest

from core.store.embedded import Servers
from tests.conftest import NewDatabase
from tests.core.program import ROOT, fetch, until
from tests.ports import free_port

LIMIT = 120.0
"""Seconds of machine time for all of it."""
OUR_OWN = ("user", "product", "cart", "order", "notification")
PHONE = "9876501234"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Machine:
    """A folder with a Python of its own, which borrows third-party packages, so that nothing is downloaded."""

    def __init__(self, folder: Path, servers: Mapping[str, str]) -> None:
        """`servers` to serve on. The plugin's tests bring their own."""
        self.folder, self.python, self._servers = folder, folder / "venv" / "bin" / "python", servers
        self.took: dict[str, float] = {}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV", "PYTHON"))}
        self.env = {
            **kept,
            "DATA_DIR": str(folder / "data"),
            "VURKSHA_PLUGINS": ",".join([*OUR_OWN, "notes"]),
            "PYTEST_ADDOPTS": "-p no:valkey -p no:schemathesis -p no:cacheprovider",
        }

    def step(self, name: str, *command: str | Path, cwd: Path | None = None) -> str:
        """Run it to its end, which must be a good one; what it said."""
        began = time.monotonic()
        said = subprocess.run(
            command, cwd=cwd or self.folder, env=self.env, capture_output=True, text=True, check=False, timeout=LIMIT
        )
        self.took[name] = time.monotonic() - began
        assert said.returncode == 0, said.stdout + said.stderr
        return said.stdout

    @contextmanager
    def serving(self) -> Iterator[str]:
        """`vurksha serve` while the block runs; its address."""
        began, port = time.monotonic(), free_port()
        url, command = f"http://127.0.0.1:{port}", (str(self.folder / "venv" / "bin" / "vurksha"), "serve")
        with (self.folder / "said").open("wb") as out:
            process = subprocess.Popen(
                command, cwd=self.folder, env={**self.env, **self._servers, "PORT": str(port)}, stdout=out, stderr=out
            )
        try:
            until(lambda: process.poll() is not None or fetch(f"{url}/health/ready")[0] == 200, "the plugin to serve")
            assert process.poll() is None, (self.folder / "said").read_text()
            self.took["serve"] = time.monotonic() - began
            yield url
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
async def machine(new_database: NewDatabase, servers: Servers, tmp_path: Path) -> Machine:
    """With the kernel's wheel built and installed."""
    for name in ("core", "plugins", "config"):
        shutil.copytree(ROOT / name, tmp_path / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.py", tmp_path / "source")
    made = Machine(tmp_path, {"DATABASE_URL": await new_database(), "REDIS_URL": servers.redis_url})
    wheels = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(tmp_path)]
    made.step("wheel", sys.executable, "-m", *wheels, str(tmp_path / "source"))
    made.step("venv", sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")) + "\n")
    (wheel,) = tmp_path.glob("vurksha-*.whl")
    made.step("install", made.python, "-m", *INSTALL, str(wheel))
    return made


INSTALL = ("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed")


def token(url: str, data: Path) -> str:
    """Somebody's, who signs in as the app does."""

    def post(path: str, **body: str) -> dict[str, str]:
        sent = Request(f"{url}/api/v1{path}", orjson.dumps(body), {"Content-Type": "application/json"})  # noqa: S310  our own program
        with urlopen(sent, timeout=10) as got:  # noqa: S310  as above
            answer: dict[str, dict[str, str]] = orjson.loads(got.read())
            return answer["data"]

    post("/auth/send-otp", phone=PHONE)
    journal = data / "messages.jsonl"
    until(lambda: journal.exists() and b'"code"' in journal.read_bytes(), "the code")
    code = next(line["code"] for line in map(orjson.loads, journal.read_bytes().splitlines()) if "code" in line)
    return post("/auth/verify-otp", phone=PHONE, otp=code)["accessToken"]


def test_a_new_plugin_is_written_installed_tested_and_served_within_two_minutes(machine: Machine) -> None:
    began, bin_ = time.monotonic(), machine.folder / "venv" / "bin"
    machine.step("new-plugin", bin_ / "vurksha", "new-plugin", "notes", "--path", machine.folder)
    package = machine.folder / "vurksha-notes"
    machine.step("install it", machine.python, "-m", *INSTALL, str(package))
    came = machine.step("where from", machine.python, "-c", "import core, vurksha_notes as n; print(core, n)")
    assert str(ROOT) not in came
    assert "passed" in machine.step("its tests", machine.python, "-m", "pytest", "-q", cwd=package)
    with machine.serving() as url:
        assert fetch(f"{url}/api/v1/notes")[0] == 401
        signed_in = {"Authorization": f"Bearer {token(url, machine.folder / 'data')}"}
        with urlopen(Request(f"{url}/api/v1/notes", headers=signed_in), timeout=10) as answer:  # noqa: S310  our own program
            assert orjson.loads(answer.read())["data"] == {"things": []}
    taken = time.monotonic() - began
    table = "".join(f"\n{name:12} {seconds:5.1f} s" for name, seconds in {**machine.took, "all": taken}.items())
    print(table)  # noqa: T201  for whoever wonders where the time went
    assert taken < LIMIT
