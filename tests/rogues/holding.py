"""What it costs a cached read that the kernel knows who holds the loop: `python -m tests.rogues.holding [--pairs 80]`.

One server in this process, loaded by another without a pause. Watch and sampler are on and off in turn, until the
process has used a little of its processor each time; the share of a request is compared within each pair, so that what
the machine does meanwhile is done to both. They look ten times as often as when they serve, so that what they cost
stands out; a tenth of that is told, by the median of all pairs with the range that holds it 95 times of 100.
"""

import argparse
import asyncio
import contextlib
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from statistics import median
from unittest.mock import patch

import uvloop

from core.app import App
from core.isolation import loop_watch
from core.isolation.loop_watch import LoopWatch
from core.observe import sampler
from core.store.embedded import Embedded
from tests.rogues.running import serving

ALLOWED = 1.02
"""Times the processor time of a request without."""
PATH = "/api/v1/products?page=1&limit=20"
TIMES = 10
CLIENTS, SLICE, WARM, SETTLE, LOOK = 16, 0.1, 2.0, 0.02, 0.02
"""Connections; seconds of processor time of a slice; seconds before the first, before each, and between looks."""


def client(port: int) -> None:
    """Ask for the same again on every connection, until killed."""
    request = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    poll = selectors.DefaultSelector()
    for _ in range(CLIENTS):
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(request)
        poll.register(one, selectors.EVENT_READ)
    while True:
        for key, _ in poll.select():
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            answer = sock.recv(65_536)
            head, _, body = answer.partition(b"\r\n\r\n")
            left = int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0]) - len(body)
            while left > 0:
                left -= len(sock.recv(left))
            sock.sendall(request)


@contextlib.contextmanager
def loaded(port: int) -> Iterator[None]:
    """A client in a process of its own, on the other processor where there are two."""
    command = [sys.executable, "-m", "tests.rogues.holding", "--client", str(port)]
    running = subprocess.Popen(command)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    os.sched_setaffinity(running.pid, {cores[-1]})
    try:
        yield
    finally:
        running.kill()
        running.wait()


@contextlib.contextmanager
def unwatched() -> Iterator[Callable[[LoopWatch], contextlib.AbstractAsyncContextManager[None]]]:
    """An app that starts in this block is not watched; what would watch it is given."""

    @contextlib.asynccontextmanager
    async def nobody(_: LoopWatch) -> AsyncIterator[None]:
        yield

    watching = LoopWatch.watching
    often = (
        patch.object(sampler, "EVERY", sampler.EVERY / TIMES),
        patch.object(loop_watch, "LOOK", loop_watch.LOOK / TIMES),
    )
    with patch.object(LoopWatch, "watching", nobody), often[0], often[1]:
        yield watching


async def cost(app: App) -> float:
    """Microseconds of this process's processor time that a request takes now."""
    server = app._server
    assert server is not None
    await asyncio.sleep(SETTLE)
    requests, used = server.requests_count, time.process_time()
    while time.process_time() < used + SLICE:
        await asyncio.sleep(LOOK)
    return (time.process_time() - used) / max(1, server.requests_count - requests) * 1e6


async def compared(pairs: int, folder: Path, embedded: Embedded) -> list[tuple[float, float]]:
    """Without and with, in turn."""
    servers = await embedded.start(folder / "servers")
    env = {
        "DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url, "DATA_DIR": str(folder / "data"),
        "VURKSHA_HTTP__ADDRESS_RATE": "10000000.0", "VURKSHA_LOG__REQUESTS": "false", "OPERATIONS_TOKEN": "t" * 32,
        "VURKSHA_OPERATIONS__PORT": "0",
    }  # fmt: skip
    found = []
    with unwatched() as watching:
        async with serving(None, env) as shop:
            app = shop.app
            await shop.get("/products?page=1&limit=20")
            with loaded(int(shop.url.rpartition(":")[2])):
                await asyncio.sleep(WARM)
                for turn in range(pairs):
                    took = {}
                    for on in (True, False) if turn % 2 else (False, True):
                        async with watching(app.wiring.watches.loop) if on else contextlib.nullcontext():
                            took[on] = await cost(app)
                    found.append((took[False], took[True]))
    return found


def told(pairs: list[tuple[float, float]]) -> tuple[float, str]:
    """The median ratio, and the figures for people."""
    ratios = sorted(1 + (with_ / without - 1) / TIMES for without, with_ in pairs)
    middle, around = len(ratios) / 2, 0.98 * len(ratios) ** 0.5  # the binomial range of a median
    low, high = ratios[max(0, int(middle - around))], ratios[min(len(ratios) - 1, int(middle + around) + 1)]
    share = f"{(median(ratios) - 1) * 100:+.2f} % ({(low - 1) * 100:+.2f} to {(high - 1) * 100:+.2f})"
    return median(ratios), f"a cached read of {median(one for one, _ in pairs):.1f} us: {share}, {len(pairs)} pairs"


async def main(pairs: int) -> int:
    """Print the figures; 1 when it costs more than is allowed."""
    folder = Path(tempfile.mkdtemp(prefix="vk-holding-", dir="/tmp"))
    folder.chmod(0o711)
    embedded = Embedded(durable=False)
    try:
        ratio, figures = told(await compared(pairs, folder, embedded))
    finally:
        await embedded.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"figures: {figures}")  # noqa: T201  a program for people
    return int(ratio > ALLOWED)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=80)
    parser.add_argument("--client", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.client:
        client(asked.client)
    raise SystemExit(uvloop.run(main(asked.pairs)))
