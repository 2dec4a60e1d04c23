"""The other processes of a measurement: one that asks without a pause, and a collector.

python -m tests.core.observe.tracing.pressing client PORT FILE
python -m tests.core.observe.tracing.pressing collector PORT
"""

import contextlib
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import orjson


def client(port: int, file: Path) -> None:
    """Send each request of the file on a connection of its own, again and again, until killed."""
    poll, keys = selectors.DefaultSelector(), count(1)
    for text in orjson.loads(file.read_bytes()):
        one = socket.create_connection(("127.0.0.1", port))
        one.sendall(text.encode().replace(b"-KEY", b"-%d" % next(keys)))
        poll.register(one, selectors.EVENT_READ, text.encode())
    while True:
        for key, _ in poll.select():
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            answer = sock.recv(65_536)
            head, _, body = answer.partition(b"\r\n\r\n")
            left = int(head.partition(b"Content-Length: ")[2].partition(b"\r")[0]) - len(body)
            while left > 0:
                left -= len(sock.recv(left))
            sock.sendall(key.data.replace(b"-KEY", b"-%d" % next(keys)))


class Collector(BaseHTTPRequestHandler):
    """Takes whatever it is sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read, and say thanks."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not a word."""


@contextlib.contextmanager
def _running(*words: str) -> Iterator[int]:
    """This program in a process of its own, on the other processor where there are two."""
    process = subprocess.Popen([sys.executable, "-m", "tests.core.observe.tracing.pressing", *words])
    cores = sorted(os.sched_getaffinity(0) | {0})
    os.sched_setaffinity(process.pid, {max(range(os.cpu_count() or 1), default=cores[-1])})
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def loaded(port: int, requests: Sequence[bytes], folder: Path) -> Iterator[None]:
    """A client beside this process, which keeps to the first processor."""
    file = folder / "requests.json"
    file.write_bytes(orjson.dumps([one.decode() for one in requests]))
    os.sched_setaffinity(0, {0})
    with _running("client", str(port), str(file)):
        yield


@contextlib.contextmanager
def collector(port: int) -> Iterator[str]:
    """One that listens; its URL."""
    with _running("collector", str(port)):
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/v1/traces"


if __name__ == "__main__":
    if sys.argv[1] == "client":
        client(int(sys.argv[2]), Path(sys.argv[3]))
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Collector).serve_forever()
