"""A RabbitMQ of the tests' own: a private node on free ports, which tests may stop, kill, freeze and start again.

`python -m tests.rabbit FOLDER PID` runs one until that process ends: the one that all workers of a test run share.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.architecture.code import ROOT
from tests.ports import free_port

START = 180.0
"""Seconds that a node gets to start: 5 to 12 on a machine that does nothing else, over 60 on one that is overrun."""
CONFIG = """
vm_memory_high_watermark.absolute = 512MiB
disk_free_limit.absolute = 50MB
loopback_users = none
"""


def program() -> str:
    """The server's start script: what ./ops/test found, or what ./ops/rabbitmq finds or installs now."""
    given = os.environ.get("RABBITMQ_SERVER")
    return (
        given or subprocess.run([ROOT / "ops/rabbitmq"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    )


class Rabbit:
    """One node. Its queues outlive `kill`, which is kill -9."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._program = folder, program()
        self._port, distribution, self._epmd = (free_port() for _ in range(3))
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rabbitmq.conf").write_text(CONFIG)
        (folder / "env.conf").touch()
        (folder / "plugins").write_text("[].")
        erlang = Path(self._program).parents[4] / "erlang/bin"  # where Debian's packages have it, unpacked or not
        self._env = {
            "PATH": f"{erlang}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_NODENAME": f"test{self._port}@127.0.0.1",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_MNESIA_DIR": str(folder / "mnesia/node"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": str(folder / "log/rabbit.log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "rabbit.pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "gen"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and come back when it greets."""
        self._name_server("-daemon")
        with (self._folder / "console.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program], env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + START
        while not self._greets():
            if time.monotonic() > until or self._process.poll() is not None:
                raise AssertionError(f"RabbitMQ does not start: {(self._folder / 'console.log').read_text()[-2000:]}")
            time.sleep(0.1)

    def _greets(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=2) as client:
            client.sendall(b"AMQP\0\0\x09\x01")
            return client.recv(1) == b"\x01"
        return False

    def kill(self) -> None:
        """As by kill -9."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It hangs: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def control(self, *words: str) -> str:
        """`rabbitmqctl` with these words; about two seconds."""
        command = [Path(self._program).with_name("rabbitmqctl"), "--quiet", *words]
        return subprocess.run(command, env=self._env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def remove(self) -> None:
        """Kill the node and its name server, and leave nothing."""
        self.kill()
        until = time.monotonic() + 5
        while time.monotonic() < until:  # it does not go before it saw the node go
            said = self._name_server("-kill")
            if "Killed" in said or "Cannot connect" in said:
                break
            time.sleep(0.05)
        while self._folder.exists():  # what it still writes while it dies
            shutil.rmtree(self._folder, ignore_errors=True)

    def _name_server(self, word: str) -> str:
        """epmd, which a node without it may not find the way to start."""
        program = shutil.which("epmd", path=self._env["PATH"]) or "epmd"
        said = subprocess.run([program, word], env=self._env, capture_output=True, text=True, check=False)
        return said.stdout + said.stderr


def own_folder() -> Path:
    """For one node."""
    return Path(tempfile.mkdtemp(prefix="vurksha-rabbit-", dir="/tmp"))


def _note() -> Path:
    """Where the URL of this run's node stands: known by the process that pytest, or all its workers, began in."""
    owner = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
    return Path(tempfile.gettempdir()) / f"vurksha-rabbit-{owner}" / str(owner)


def begin() -> None:
    """Start the node that this run's tests share, unless a worker did so before, and do not wait for it.

    It ends with the run: with pytest itself, or with the process that started the workers.
    """
    note = _note()
    with suppress(FileExistsError):
        note.parent.mkdir()
        # By way of a shell that ends at once: nobody here is to wait for its end.
        subprocess.run(
            ["/bin/sh", "-c", 'exec "$@" &', "sh", sys.executable, "-m", "tests.rabbit", note, note.name],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, check=True,
        )  # fmt: skip


def shared() -> str:
    """The URL of that node, once it is up."""
    begin()
    note, until = _note(), time.monotonic() + START + 10
    while not note.exists():
        failed = note.with_suffix(".failed")
        if time.monotonic() > until or failed.exists():
            raise AssertionError(f"no RabbitMQ for the tests: {failed.read_text() if failed.exists() else 'too slow'}")
        time.sleep(0.1)
    return note.read_text()


def main(note: Path, owner: int) -> None:
    """Run a node as long as another process lives."""
    try:
        rabbit = Rabbit(own_folder())
        try:
            rabbit.start()
            written = note.with_suffix(".new")
            written.write_text(rabbit.url)
            written.rename(note)
            _outlive(owner)
        finally:
            rabbit.remove()
    except Exception as error:
        note.with_suffix(".failed").write_text(repr(error))
        _outlive(owner)
        raise
    finally:
        shutil.rmtree(note.parent)


def _outlive(owner: int) -> None:
    """Until it ended, buried or not."""
    stat = Path(f"/proc/{owner}/stat")
    with suppress(ProcessLookupError, FileNotFoundError):
        while not (stat.exists() and ") Z " in stat.read_text()):
            os.kill(owner, 0)
            time.sleep(0.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
