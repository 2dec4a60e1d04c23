"""HAProxy in front of two colours: its configuration, and its runtime socket."""

import csv
import io
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from ops.deploying.model import DeployError

LARGEST = 256
"""Weight of a server."""
CONFIG = """global
  maxconn 8000
  stats socket {socket} mode 600 level admin
  server-state-file {state}
defaults
  mode http
  load-server-state-from-file global
  timeout connect 1s
  timeout client 80s
  timeout server 15s
  timeout http-request 10s
  timeout http-keep-alive 75s
  timeout check 500ms
  option forwardfor
  option redispatch 1
  retries 2
  retry-on conn-failure
frontend shop
  bind {bind}
  default_backend {backend}
backend {backend}
  balance roundrobin
  option httpchk GET /health/ready
  http-check expect status 200
  default-server check inter 500ms fastinter 200ms downinter 500ms fall 2 rise 1
{servers}
"""
"""A weight of 0 gets no request and is checked all the same. Weights outlive a restart in the state file."""


@attrs.frozen(kw_only=True)
class Balancer:
    """By its socket."""

    socket: Path
    state: Path
    """Where weights are kept for its next start."""
    backend: str = "replicas"

    def config(self, bind: str, servers: Mapping[str, tuple[str, int]], live: Sequence[str]) -> str:
        """To start it with: servers by name with address and weight; only those in `live` get requests at first."""
        lines = [
            f"  server {name} {address} weight {weight if name in live else 0}"
            for name, (address, weight) in servers.items()
        ]
        return CONFIG.format(
            socket=self.socket, state=self.state, bind=bind, backend=self.backend, servers="\n".join(lines)
        )

    def ask(self, command: str) -> str:
        """One command. Raises DeployError."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(str(self.socket))
                client.sendall(f"{command}\n".encode())
                said = b""
                while piece := client.recv(65_536):
                    said += piece
        except OSError as error:
            raise DeployError(f"HAProxy does not answer at {self.socket}: {error}") from None
        return said.decode().strip()

    def weigh(self, weights: Mapping[str, int]) -> None:
        """Set weights, the growing ones first, so that somebody has some at every moment; kept for the next start."""
        for server, weight in sorted(weights.items(), key=lambda item: -item[1]):
            if said := self.ask(f"set weight {self.backend}/{server} {weight}"):
                raise DeployError(f"HAProxy: {server}: {said}")
        self.state.write_text(self.ask("show servers state") + "\n")

    def rows(self) -> dict[str, Mapping[str, str]]:
        """What it counts for each server."""
        rows = csv.DictReader(io.StringIO(self.ask("show stat").removeprefix("# ")))
        return {row["svname"]: row for row in rows if row["pxname"] == self.backend and row["svname"] != "BACKEND"}
