"""The whole of it: `vurksha serve` with the shop, `vurksha console` in a real terminal, and in a pipe."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.store.embedded import Servers
from tests.conftest import NewDatabase
from tests.core.program import LONG, ROOT, TOKEN, Program, Started
from tests.ports import free_port

REASON = "orders are slow"
NARROW, WIDE, HIGH = 100, 120, 50
pytestmark = pytest.mark.timeout(2 * LONG)
SHOP = "user,product,cart,order,notification"
SCREENS = {
    "help": "drain       Take this replica out of service",
    "plugins": "notification  1.0.0    required  loaded",
    "routes orders": "/orders/{order_id:uuid}/cancel",
    "events order": "order.created",
    "outbox": "straight to the inbox",
    "dlq": "no dead letters",
    "breakers": "postgres writes  closed",
    "pools": "MOST  BUSY  IDLE  WAITING",
    "cache": "ANSWERS",
    "sessions 9876543210": "nobody has that id or phone",
    "sessions nobody": "say a user's id, or a phone",
    "slow": "STOOD STILL",
    "tasks relay": "COROUTINE",
    "stack": "the loop has nothing to do",
    "flags": "DATABASE_URL",
    "quarantine": "nobody is put aside",
    "quarantine cart": "cart is required: without it nothing is served",
    "quarantine ghost": "there is no plugin ghost",
    "loglevel DEBUG core.cache": "core.cache: DEBUG until this console closes",
    "drain": "Nothing was changed: add --yes",
    "console": "there is no command console",
    "exec print": "there is no command exec",
    "python": "there is no command python",
}
"""What is typed, and what is on the screen then; at most one line each may be seen to change."""


@pytest.fixture(scope="module")
async def program(new_database: NewDatabase, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The whole shop."""
    return Program(
        tmp_path_factory.mktemp("console"),
        DATABASE_URL=await new_database(),
        REDIS_URL=servers.redis_url,
        VURKSHA_ENV="test",
        VURKSHA_PLUGINS=SHOP,
        VURKSHA_OPERATIONS__PORT=str(free_port()),
        VURKSHA_POSTGRES__ACQUIRE="5",
        VURKSHA_POSTGRES__CONNECT="5",
        VURKSHA_REDIS__TIMEOUT="2",
        VURKSHA_HTTP__LATE="20",
    )


@pytest.fixture(scope="module")
def served(program: Program) -> Iterator[Started]:
    with program.started("serve") as started:
        yield started.wait_ready()
        assert started.end() == 0, started.said


class Terminal:
    """One tmux of the test's own."""

    def __init__(self, program: Program, width: int) -> None:
        self._env = program.env | {"TERM": "xterm-256color"}
        self._socket = f"vurksha-{os.getpid()}-{width}"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(HIGH), "sh")

    def _tmux(self, *args: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *args], env=self._env, cwd=ROOT, capture_output=True, text=True, check=True
        )
        return done.stdout

    def type(self, line: str, *keys: str) -> None:
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", *(keys or ("Enter",)))

    @property
    def screen(self) -> str:
        """What is seen now."""
        return self._tmux("capture-pane", "-p").rstrip()

    def shows(self, what: str, seconds: float = LONG) -> str:
        """The screen, once something is on it."""
        end = time.monotonic() + seconds
        while what not in (screen := self.screen):
            assert time.monotonic() < end, f"{what} is not on the screen:\n{screen}"
            time.sleep(0.1)
        return screen

    def clear(self) -> None:
        """As Ctrl-L does."""
        self._tmux("send-keys", "C-l")
        time.sleep(0.2)

    def end(self) -> None:
        self._tmux("kill-server")


@contextmanager
def terminal(program: Program, width: int = WIDE) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.fail("tmux is absent: `ops/tools terminal` installs it")
    made = Terminal(program, width)
    try:
        yield made
    finally:
        made.end()


def console(here: Terminal, *options: str) -> None:
    here.type(f"clear; {sys.executable} -m core console --reason '{REASON}' {' '.join(options)}; echo left with $?")


def test_each_command_is_seen_in_a_terminal(program: Program, served: Started) -> None:
    with terminal(program) as here:
        console(here)
        assert "vurksha>" in here.shows("closes at")
        for line, said in SCREENS.items():
            here.clear()
            here.type(line)
            screen = here.shows(said)
            wide = [row for row in screen.splitlines() if len(row) > NARROW]
            assert not wide, wide
        here.clear()
        here.type("outb", "Tab")
        here.shows("vurksha> outbox")
        here.type("", "C-c")
        here.clear()
        here.type("exit")
        here.shows("left with 0")


def test_a_second_console_waits_its_turn_and_a_wrong_token_gets_none(program: Program, served: Started) -> None:
    with terminal(program, NARROW) as here:
        console(here)
        here.shows("closes at")
        said = program.call("console", "--reason", "me too", env={"OPERATIONS_TOKEN": TOKEN})
        assert said.returncode == 1
        assert re.search(rf"console:\S+ has the console since .* for: {REASON}", said.stderr)
        here.type("", "C-d")
        here.shows("left with 0")
    wrong = program.call("console", "--reason", "let me in", env={"OPERATIONS_TOKEN": "w" * 40})
    assert "refuses this token" in wrong.stderr
    nobody = program.call("console", "--reason", "is there one", "--url", f"http://127.0.0.1:{free_port()}")
    assert "no replica answers" in nobody.stderr
    assert "not on this machine" in program.call("console", "--reason", "elsewhere", "--url", "http://10.9.9.9").stderr
    assert "say why" in program.call("console").stderr


def test_commands_come_from_a_pipe_and_a_failure_is_its_exit_code(program: Program, served: Started) -> None:
    def piped(lines: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "core", "console", "--reason", REASON]
        return subprocess.run(
            command, input=lines, env=program.env, cwd=ROOT, capture_output=True, text=True, timeout=LONG, check=False
        )

    done = piped("breakers\nexit\nslow\n")
    assert done.returncode == 0, done.stderr
    assert "postgres writes" in done.stdout
    assert "STOOD STILL" not in done.stdout
    failed = piped("exec print(1)\npools\n")
    assert failed.returncode == 1
    assert "there is no command exec" in failed.stdout
    assert "postgres" in failed.stdout
    audited = program.call("audit", "list", "--action", "console").stdout
    assert audited.count("console.open") == audited.count("console.close") >= 2
    assert REASON in program.call("audit", "list", "--action", "console", "--json").stdout


def test_a_replica_that_dies_takes_the_console_along(program: Program) -> None:
    env = {"VURKSHA_OPERATIONS__PORT": str(port := free_port())}
    with program.started("serve", env=env) as started, terminal(program) as here:
        started.wait_ready()
        console(here, f"--url http://127.0.0.1:{port}")
        here.shows("closes at")
        os.kill(started.process.pid, signal.SIGKILL)
        assert "the console is closed: the replica is gone" in here.shows("left with 1")


def test_nothing_of_a_console_is_left(program: Program) -> None:
    assert not [one for one in Path("/tmp").glob("vurksha-console-*") if one.stat().st_uid == os.getuid()]
