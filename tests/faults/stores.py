"""The other parts of a faults world: Redis, the balancer, and a provider of text messages."""

import csv
import io
import os
import shutil
import socket
import time
from pathlib import Path

import orjson
from aiohttp import web

from core.store.embedded_programs import Programs
from tests.faults.processes import Child, NotRunning, answers
from tests.ports import free_port
from tests.providers.sms import GatewayServer

UP = 20.0
BALANCER = """
global
  maxconn 8000
  stats socket {folder}/balancer.sock mode 600
defaults
  mode http
  timeout connect 1s
  timeout client 80s
  timeout server 6s
  timeout http-request 10s
  timeout http-keep-alive 75s
  timeout check 500ms
  option redispatch 1
  retries 2
  retry-on conn-failure
frontend shop
  bind 127.0.0.1:{port}
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk GET /health/ready
  http-check expect status 200
  http-response set-header X-Served-By %s
  default-server inter 500ms fall 2 rise 2
{servers}
"""


class Valkey:
    """A Redis that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        program = Programs.find(folder / "programs", None, system=False).redis
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.child = Child("redis", [*command, "--dir", folder], folder)

    async def start(self) -> None:
        """Start, and wait until it answers."""
        self.child.start()
        await self.child.ready(lambda: answers(self.port), UP)

    def empty(self) -> None:
        """FLUSHALL."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=2) as client:
            client.sendall(b"FLUSHALL\r\n")
            if not client.recv(16).startswith(b"+OK"):
                raise NotRunning("FLUSHALL was refused")


class Balancer:
    """HAProxy with health checks every half second: two that fail take a replica out, two that pass bring it back.

    It gives a request up after six seconds: no deadline is longer than four.
    """

    def __init__(self, folder: Path, replicas: dict[str, int]) -> None:
        self.port, self._socket = free_port(), folder / "balancer.sock"
        servers = "\n".join(f"  server {name} 127.0.0.1:{port} check" for name, port in replicas.items())
        config = folder / "balancer.cfg"
        config.write_text(BALANCER.format(folder=folder, port=self.port, servers=servers))
        self.child = Child("balancer", [haproxy(), "-db", "-f", config], folder)

    @property
    def url(self) -> str:
        """Where customers go."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start, and wait until it listens."""
        self.child.start()
        await self.child.ready(lambda: answers(self.port), UP)

    def up(self) -> dict[str, bool]:
        """Which replicas it sends requests to."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(str(self._socket))
            client.sendall(b"show stat\n")
            said = b""
            while piece := client.recv(65_536):
                said += piece
        rows = csv.DictReader(io.StringIO(said.decode().removeprefix("# ")))
        return {
            row["svname"]: row["status"].startswith("UP")
            for row in rows
            if row["pxname"] == "replicas" and row["svname"] != "BACKEND"
        }


def haproxy() -> str:
    """The program; ops/faults installs it where it is missing."""
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise NotRunning("haproxy is not here. On Debian and Ubuntu: apt-get install haproxy; ./ops/faults does it")
    return found


class SmsServer(GatewayServer):
    """The gateway's stand-in; what it delivers is written down, so that the load can read its codes."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        file.touch()

    async def _take(self, request: web.Request) -> web.Response:
        before = len(self.delivered)
        answer = await super()._take(request)
        with self._file.open("ab") as out:
            for message in self.delivered[before:]:
                out.write(orjson.dumps({"at": time.time(), **message}, option=orjson.OPT_APPEND_NEWLINE))
        return answer
