"""The README's journey, run as it is printed, against the server as `./ops/run` starts it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.architecture.code import ROOT
from tests.conftest import NewDatabase
from tests.docs.readme import steps
from tests.ports import free_port

START, STOP = 60.0, 30.0
"""Seconds."""
MARK = "=== step"


def ready(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health/ready", timeout=1) as answer:  # noqa: S310  our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
async def environment(new_database: NewDatabase, redis_url: str) -> AsyncIterator[dict[str, str]]:
    """What a newcomer's terminal has, with a server running behind it."""
    folder, port = Path(tempfile.mkdtemp(prefix="vurksha-readme-", dir="/tmp")), free_port()
    api = f"http://127.0.0.1:{port}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VURKSHA_")}
    env = {**kept, "VURKSHA_ENV": "development", "DATA_DIR": str(folder), "PORT": str(port), "API": api}
    stores = {"DATABASE_URL": await new_database(), "REDIS_URL": redis_url, "VURKSHA_REDIS__PREFIX": f"readme{port}:"}
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "core", "serve"]
        server = subprocess.Popen(command, cwd=ROOT, env=env | stores, stdout=log, stderr=log)
    try:
        until = time.monotonic() + START
        while not ready(api):
            said = (folder / "log").read_text()
            assert server.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.1)
        yield env
        server.terminate()
        assert server.wait(STOP) == 0, (folder / "log").read_text()
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_journey_prints_what_it_says(environment: dict[str, str]) -> None:
    told = list(steps())
    script = "".join(f"echo '{MARK}'\n{commands}" for commands, _ in told)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    printed = [part.strip("\n") for part in ran.stdout.split(f"{MARK}\n")[1:]]
    assert ran.returncode == 0, f"{ran.stderr}\nin this block:\n{told[len(printed) - 1][0]}"
    for (commands, expected), got in zip_longest(told, printed, fillvalue=("", "")):
        pattern = re.escape(expected.strip("\n")).replace("…", "[^ \n]+")
        assert re.fullmatch(pattern, str(got).replace("\r", "")), f"{commands}\nprinted:\n{got}\nnot:\n{expected}"
    assert ran.stderr == ""
