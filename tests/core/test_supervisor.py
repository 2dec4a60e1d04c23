"""`vurksha serve --replicas`: one port, a new replica for each that dies, no orphans."""

import os
import signal
import threading
from pathlib import Path

import pytest

from core.store.embedded import Servers
from tests.conftest import NewDatabase
from tests.core.program import Program, Started, alive, children, fetch, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks processes up there"),
]


@pytest.fixture
async def program(new_database: NewDatabase, servers: Servers, tmp_path: Path) -> Program:
    """Servers are given."""
    return Program(tmp_path, DATABASE_URL=await new_database(), REDIS_URL=servers.redis_url)


def replicas(serving: Started) -> list[int]:
    """Those that said that they are ready and still run."""
    ready = serving.said.count('"event":"ready: ')
    living = children(serving.process.pid)
    return living if ready >= 2 and len(living) == 2 else []


def test_a_killed_replica_is_replaced_while_requests_go_on(program: Program) -> None:
    with program.started("serve", "--replicas", "2", env={"VURKSHA_HTTP__ADDRESS_RATE": "100000"}) as serving:
        until(lambda: replicas(serving), "two replicas")
        first, second = replicas(serving)
        answers: list[int] = []
        enough = threading.Event()

        def ask() -> None:
            while not enough.is_set():
                status = fetch(f"{serving.url}/api/v1/probe/hello")[0]
                answers.append(status or fetch(f"{serving.url}/api/v1/probe/hello")[0])  # one error, the retry succeeds

        asking = threading.Thread(target=ask)
        asking.start()
        os.kill(first, signal.SIGKILL)
        until(lambda: serving.said.count('"event":"ready: ') == 3, "a third replica")
        enough.set()
        asking.join()
        assert set(answers) == {200}
        assert first not in replicas(serving)
        assert second in replicas(serving)
        assert f"replica {first} ended with -9: starting another" in serving.said
        family = replicas(serving)
        assert serving.end() == 0
        assert not any(map(alive, family))
        assert fetch(f"{serving.url}/health/live")[0] == 0


def test_killing_the_supervisor_ends_its_replicas(program: Program) -> None:
    with program.started("serve", "--replicas", "2") as serving:
        until(lambda: replicas(serving), "two replicas")
        family = replicas(serving)
        serving.end(signal.SIGKILL)
        until(lambda: not any(map(alive, family)), "the replicas to end")


def test_ctrl_c_ends_all_politely_even_while_they_start(program: Program) -> None:
    with program.started("serve", "--replicas", "2") as serving:
        until(lambda: len(children(serving.process.pid)) == 2, "two processes")
        family = children(serving.process.pid)
        until(lambda: fetch(f"{serving.url}/health/live")[0] == 200, "one to answer")
        assert serving.end(signal.SIGINT) == 0
        assert not any(map(alive, family))


def test_a_second_signal_ends_all_at_once(program: Program) -> None:
    with program.started("serve", "--replicas", "2", env={"VURKSHA_STOP__DRAIN": "60"}) as serving:
        until(lambda: replicas(serving), "two replicas")
        family = replicas(serving)
        serving.process.send_signal(signal.SIGTERM)
        until(lambda: fetch(f"{serving.url}/health/ready")[0] == 503, "one to turn unready")
        assert serving.end() == 128 + signal.SIGTERM
        until(lambda: not any(map(alive, family)), "the replicas to end", 20.0)


def test_replicas_that_cannot_run_are_tried_ever_more_slowly_and_let_go(program: Program) -> None:
    with program.started("serve", "--replicas", "2", env={"VURKSHA_PROBE__BROKEN": "true"}) as serving:
        until(lambda: serving.said.count("starting another") >= 2, "two failures")
        assert serving.end() == 0
        assert not children(serving.process.pid)
