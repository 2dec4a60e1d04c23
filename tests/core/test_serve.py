"""`vurksha serve` as a process: it starts by itself, drains, and leaves nothing running."""

import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.sockets import CannotListen, bind
from core.store.embedded import Servers
from tests.conftest import NewDatabase
from tests.core.program import LONG, Program, alive, children, fetch, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up there"),
]
PRODUCTION = {
    "VURKSHA_ENV": "production",
    "JWT_SECRET": "s" * 40,
    "VURKSHA_HTTP__HOST": "127.0.0.1",
    "VURKSHA_STOP__DRAIN": "0.5",
}


@pytest.fixture(scope="module")
def alone() -> Iterator[Program]:
    """Nothing is given: it starts its own servers."""
    folder = Path(tempfile.mkdtemp(prefix="vk-serve-", dir="/tmp"))
    folder.chmod(0o711)
    yield Program(folder)
    shutil.rmtree(folder)


@pytest.fixture
async def given(new_database: NewDatabase, servers: Servers, tmp_path: Path) -> Program:
    """Servers are given."""
    return Program(tmp_path, DATABASE_URL=await new_database(), REDIS_URL=servers.redis_url)


def test_it_starts_with_nothing_given_and_ctrl_c_leaves_no_process(alone: Program) -> None:
    with alone.started("serve") as serving:
        serving.wait_ready()
        assert fetch(f"{serving.url}/health")[1]["status"] in ("healthy", "degraded")
        until(lambda: "Vurksha is ready." in serving.said, "the word to the person")  # after the demo shop was written
        family = children(serving.process.pid)
        assert len(family) >= 2
        assert serving.end(signal.SIGINT) == 0
        until(lambda: not any(map(alive, family)), "the servers to end")
        assert f"{serving.url}/docs" in serving.said
        assert "Traceback" not in serving.said


def test_a_kill_leaves_no_server_behind_and_the_next_start_recovers(alone: Program) -> None:
    with alone.started("serve") as serving:
        serving.wait_ready()
        family = children(serving.process.pid)
        assert len(family) >= 2
        serving.end(signal.SIGKILL)
        until(lambda: not any(map(alive, family)), "the servers to end")
    with alone.started("serve") as again:
        again.wait_ready()
        found = alone.run("say")  # another process, beside it
        assert found.stdout == "hello\n"
        assert alone.call("seed").stdout == "0 rows written\n"  # finds the servers that run, and what was kept
        assert again.end(signal.SIGTERM) == 0


def test_a_term_signal_drains_and_exits_0(given: Program) -> None:
    assert given.call("migrate").returncode == 0
    with given.started("serve", env=PRODUCTION) as serving:
        serving.wait_ready()
        assert "Vurksha is ready." not in serving.said
        statuses: list[int] = []
        ask = threading.Thread(target=lambda: statuses.append(fetch(f"{serving.url}/api/v1/probe/slow")[0]))
        ask.start()
        until(lambda: fetch(f"{serving.url}/health/live")[0] == 200, "an answer")
        serving.process.send_signal(signal.SIGTERM)
        until(lambda: fetch(f"{serving.url}/health/ready")[0] == 503, "it to turn unready")
        assert fetch(f"{serving.url}/health/ready")[1]["reasons"] == ["draining"]
        assert fetch(f"{serving.url}/api/v1/probe/hello")[0] == 200  # late requests are served all the same
        assert serving.process.wait(LONG) == 0
        ask.join()
        assert statuses == [504]
        assert fetch(f"{serving.url}/health/live")[0] == 0


def test_production_waits_for_its_migrations_and_can_be_stopped_meanwhile(given: Program) -> None:
    with given.started("serve", env=PRODUCTION) as serving:
        until(lambda: fetch(f"{serving.url}/health/ready")[0] == 503, "an answer")
        until(lambda: len(fetch(f"{serving.url}/health")[1].get("reasons", [])) == 2, "the reason")
        missing = len(list(Path("core/store/migrations").glob("*.sql")))  # and the plugin's one
        assert fetch(f"{serving.url}/health")[1]["reasons"] == [
            f"schema: lacks kernel 0001_kernel and {missing} more",
            "starting",
        ]
        assert serving.end() == 0
    with given.started("serve", env=PRODUCTION) as serving:
        until(lambda: fetch(f"{serving.url}/health/ready")[0] == 503, "an answer")
        assert given.call("migrate").returncode == 0
        serving.wait_ready()
        assert serving.end() == 0


def test_a_start_that_fails_exits_1_and_says_why(given: Program) -> None:
    env = {"VURKSHA_PROBE__BROKEN": "true"}
    with given.started("serve", env=env) as serving:
        assert serving.process.wait(LONG) == 1
        assert '"event":"the start failed"' in serving.said
        assert '"error":"LookupError"' in serving.said


def test_a_hopeless_loop_ends_the_process(given: Program) -> None:
    with given.started("serve", env={"VURKSHA_PROBE__HOPELESS": "true"}) as serving:
        assert serving.process.wait(LONG) == 1
        assert '"level":"critical"' in serving.said


def test_whatever_hangs_at_the_end_is_ended_in_time_and_shown(given: Program) -> None:
    env = {"VURKSHA_PROBE__STUCK": "true", "VURKSHA_STOP__FINISH": "0.5"}
    with given.started("serve", env=env) as serving:
        serving.wait_ready()
        began = time.monotonic()
        assert serving.end() == 1
        assert 6 < time.monotonic() - began < 20, "no drain, 0.5 s to finish, 6 s to close"
        assert "probe.py" in serving.said, "where it hung"


def test_a_second_signal_ends_at_once(given: Program) -> None:
    with given.started("serve", env={"VURKSHA_STOP__DRAIN": "60"}) as serving:
        serving.wait_ready()
        until(lambda: "Vurksha is ready." in serving.said, "the start to be over")
        serving.process.send_signal(signal.SIGINT)
        until(lambda: fetch(f"{serving.url}/health/ready")[0] == 503, "it to turn unready")
        began = time.monotonic()
        assert serving.end(signal.SIGINT) == 128 + signal.SIGINT
        assert time.monotonic() - began < 5
        assert "asked twice to stop" in serving.said


def test_an_embedded_redis_that_dies_is_started_again_while_the_app_serves(alone: Program) -> None:
    def redis() -> str:
        dependencies = fetch(f"{serving.url}/health")[1].get("dependencies")
        return str(dependencies["redis"]["status"]) if isinstance(dependencies, dict) else ""

    with alone.started("serve") as serving:
        serving.wait_ready()
        until(lambda: redis() == "up", "redis")
        os.kill(int((alone.data / "redis" / "pid").read_text()), signal.SIGKILL)
        until(lambda: '"event":"redis ended: it is started again"' in serving.said, "somebody to notice")
        until(lambda: redis() == "up", "redis to be back")
        assert serving.end() == 0


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_both_kinds_of_address_can_be_bound() -> None:
    for host in ("127.0.0.1", "::1"):
        with bind(host, 0) as sock, bind(host, sock.getsockname()[1]) as shared:
            assert shared.getsockname()[1] == sock.getsockname()[1]
    with pytest.raises(CannotListen, match=r"cannot listen on 203\.0\.113\.1:80"):
        bind("203.0.113.1", 80)
