"""The listener of the real program: a port that is taken is told in one line, and each replica has its own."""

import socket
from pathlib import Path

import pytest

from core.sockets import bind
from core.store.embedded import Servers
from tests.conftest import NewDatabase
from tests.core.program import TOKEN, Program, until
from tests.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1"}
PRODUCTION = {"VURKSHA_ENV": "production", "JWT_SECRET": "s" * 40, "VURKSHA_HTTP__HOST": "127.0.0.1"}


@pytest.mark.parametrize("words", [("serve",), ("serve", "--replicas", "2")], ids=["one", "two"])
def test_production_ends_at_once_where_the_port_is_taken(tmp_path: Path, words: tuple[str, ...]) -> None:
    with bind("127.0.0.1", 0, shared=False) as taken:
        port = taken.getsockname()[1]
        env = {**NOWHERE, **PRODUCTION, "PORT": str(free_port()), "VURKSHA_OPERATIONS__PORT": str(port)}
        done = Program(tmp_path).run(*words, env=env)
    assert (done.returncode, done.stderr) == (
        1,
        f"vurksha: cannot listen on 127.0.0.1:{port}: Address already in use\n",
    )


def _status(port: int) -> str:
    """How `/metrics` answers to whoever shows the token."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as plug:
            plug.sendall(f"GET /metrics HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
            return plug.recv(12).decode()[9:]
    except OSError:
        return ""


async def test_replicas_of_one_command_tell_their_own(
    new_database: NewDatabase, servers: Servers, tmp_path: Path
) -> None:
    program = Program(tmp_path, DATABASE_URL=await new_database(), REDIS_URL=servers.redis_url)
    assert program.call("migrate").returncode == 0
    first = free_port()
    with program.started("serve", "--replicas", "2", env={**PRODUCTION, "VURKSHA_OPERATIONS__PORT": str(first)}) as two:
        for port in (first, first + 1):
            until(lambda port=port: _status(port) == "200", "metrics")  # type: ignore[misc]  # of this turn
        assert two.end() == 0
