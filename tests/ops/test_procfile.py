"""The Procfile's processes, started by honcho as a platform would."""

import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import click
import pytest

from tests.faults.processes import ROOT, workplace
from tests.ops.stores import stores
from tests.ports import free_port

pytestmark = [pytest.mark.ops, pytest.mark.timeout(300)]
HONCHO = ROOT / ".venv/ops/bin/honcho"


def environment(env: dict[str, str], folder: Path) -> dict[str, str]:
    return {**env, "HOME": str(folder), "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}


async def test_release_migrates_and_web_serves_until_it_is_asked_to_end() -> None:
    async with stores(rabbit=False) as ready:
        port = free_port()
        env = environment(ready.env, ready.folder) | {"PORT": str(port), "VURKSHA_OPERATIONS__PORT": str(free_port())}
        done = subprocess.run(
            [HONCHO, "run", "vurksha", "migrate"], cwd=ROOT, env=env, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        began = time.monotonic()
        web = subprocess.Popen(
            [HONCHO, "start", "--port", str(port), "web"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL
        )
        try:
            answered = wait(port, web)
            click.echo(f"\nfigures: answers {time.monotonic() - began:.1f} s after honcho start")
            assert answered
        finally:
            web.send_signal(signal.SIGTERM)
            assert web.wait(60) in {0, -signal.SIGTERM, 128 + signal.SIGTERM}


def wait(port: int, web: "subprocess.Popen[bytes]") -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until and web.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as got:
                return bool(got.status == 200)
        except OSError:
            time.sleep(0.2)
    return False


def test_it_names_the_two_processes() -> None:
    assert (ROOT / "Procfile").read_text() == "web: vurksha serve\nrelease: vurksha migrate\n"
    with workplace() as folder:
        done = subprocess.run(
            [HONCHO, "check"], cwd=ROOT, env=environment({}, folder), capture_output=True, check=False
        )
    assert done.returncode == 0
    assert b"web" in done.stdout + done.stderr
