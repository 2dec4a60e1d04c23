"""What a run starts and stops: the stores and bare aiohttp beside the load, the server on a processor of its own."""

import http.client
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs

from benchmarks.measure import LOAD_CPU, SERVER_CPU, pinned
from core.store.embedded import Embedded

STARTS = 3
READY = 30.0
"""Seconds that a server gets to come up."""
POLL = 0.005


class NotReady(Exception):
    """A server ended or did not answer in time."""


@attrs.frozen(kw_only=True)
class World:
    """The stores of a run, and the environment in which the server finds them."""

    folder: Path
    database_url: str
    pepper: str
    env: Mapping[str, str]


@attrs.frozen(kw_only=True)
class Running:
    """A started server."""

    pid: int
    url: str
    port: int


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that the account of the embedded servers can enter."""
    folder = Path(tempfile.mkdtemp(prefix="vurksha-bench-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def stores(folder: Path) -> AsyncIterator[World]:
    """PostgreSQL and Redis of this run alone, beside the load: a process hands its processors down to its children."""
    os.sched_setaffinity(0, {LOAD_CPU})
    embedded = Embedded()
    try:
        found = await embedded.start(folder)
        pepper = secrets.token_hex(32)
        yield World(
            folder=folder,
            database_url=found.database_url,
            pepper=pepper,
            env={
                **os.environ,
                "VURKSHA_ENV": "test",
                "DATA_DIR": str(folder),
                "DATABASE_URL": found.database_url,
                "REDIS_URL": found.redis_url,
                "JWT_SECRET": secrets.token_hex(32),
                "OPERATIONS_TOKEN": secrets.token_hex(32),
                "VURKSHA_USER__CODE_PEPPER": pepper,
                "VURKSHA_HTTP__USER_RATE": "1000000",
                "VURKSHA_HTTP__ADDRESS_RATE": "1000000",
                "VURKSHA_AUTH__ACCESS_MINUTES": "600",
            },
        )
    finally:
        await embedded.stop()


def program(world: World, *words: str) -> None:
    """Run a command of `vurksha` to its end."""
    vurksha = Path(sys.executable).parent / "vurksha"
    done = subprocess.run([vurksha, *words], env=world.env, capture_output=True, text=True, check=False)  # noqa: S603  our own program
    if done.returncode:
        raise NotReady(f"vurksha {' '.join(words)} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def project(world: World) -> Iterator[Running]:
    """The server, logging its requests as it always does, to a file."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "vurksha"), "serve"]
    with _started(
        command, port, "/health/ready", {**world.env, "PORT": str(port)}, world.folder / "server.log"
    ) as running:
        yield running


@contextmanager
def bare(world: World) -> Iterator[Running]:
    """Nothing but aiohttp."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare", str(port)]
    with _started(command, port, "/hello", world.env, world.folder / "bare.log") as running:
        yield running


def start_seconds(world: World) -> float:
    """Seconds from the start of the process to its first `ready`: the median of a few starts."""
    took = []
    for _ in range(STARTS):
        began = time.perf_counter()
        with project(world):
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def answer(port: int, path: str) -> tuple[int, Mapping[str, str]]:
    """Status and headers of one GET; status 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        got = connection.getresponse()
        got.read()
        return got.status, dict(got.getheaders())
    except OSError:
        return 0, {}
    finally:
        connection.close()


@contextmanager
def _started(command: Sequence[str], port: int, path: str, env: Mapping[str, str], log: Path) -> Iterator[Running]:
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603  our own programs
            pinned(SERVER_CPU, command), env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        end = time.monotonic() + READY
        while answer(port, path)[0] != http.HTTPStatus.OK:
            if process.poll() is not None or time.monotonic() > end:
                raise NotReady(f"{command[-1]} did not come up:\n{log.read_text()[-3000:]}")
            time.sleep(POLL)
        yield Running(pid=process.pid, url=f"http://127.0.0.1:{port}", port=port)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
