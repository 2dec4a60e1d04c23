import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.deploying.keeping import FileBook
from ops.deploying.local import LocalPlace, LocalTarget
from ops.deploying.model import COLORS, DeployError, Release, Rollout, State
from ops.deploying.places import LEAVING, Place
from ops.deploying.settings import read
from ops.deploying.target import Busy

RELEASE = Release(artefact="/code/one", name="one")
GOOD = """
[local]
folder = "/srv/deploy"
environment = "/srv/environment"
socket = "/run/haproxy.sock"
[watch]
shares = [5, 100]
"""


def test_what_is_kept_is_read_back_and_only_its_owner_may(tmp_path: Path) -> None:
    book = FileBook(tmp_path / "deploy")
    assert book.load() == State()
    rollout = Rollout(release=RELEASE, color="green", before="blue", began="now", done=("migrate",), share=10)
    state = State(live="blue", releases=dict.fromkeys(COLORS, RELEASE), rollout=rollout).noted("a line")
    book.save(state)
    assert book.load() == state
    assert (tmp_path / "deploy/state.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "deploy/state.json").write_text("{")
    with pytest.raises(DeployError, match="cannot be read"):
        book.load()


def test_the_log_keeps_its_last_lines() -> None:
    state = State()
    for number in range(100):
        state = state.noted(str(number))
    assert (len(state.log), state.log[-1]) == (80, "99")


def test_one_at_a_time(tmp_path: Path) -> None:
    book = FileBook(tmp_path)
    with book.held(), pytest.raises(Busy, match=f"process {os.getpid()} deploys right now"), book.held():
        pass
    with book.held():
        pass


def test_a_file_that_says_what_goes_where(tmp_path: Path) -> None:
    file = tmp_path / "deploy.toml"
    file.write_text(GOOD)
    found = read(file)
    assert found.local is not None
    assert found.local.ports == {"blue": 8101, "green": 8201}
    assert found.watch.shares == (5, 100)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[local", "cannot be read"),
        ("[watch]\nseconds = 3", "needs either"),
        (f"{GOOD}\n[kubernetes]", "needs either"),
        (f"{GOOD}\nhaste = 3", "haste"),
    ],
    ids=["no TOML", "neither", "both", "unknown"],
)
def test_a_file_with_a_mistake_is_told_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "deploy.toml"
    file.write_text(text)
    with pytest.raises(DeployError, match=why):
        read(file)


def test_a_missing_file_is_told_in_one_line_by_the_tool(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "ops.deploying", "--file", tmp_path / "none.toml", "status"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "cannot be read" in ended.stderr


def test_the_keeper_of_a_place_starts_one_that_dies_again_and_nobody_starts_a_second(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "core").mkdir(parents=True)
    (code / "core/__init__.py").touch()
    (code / "core/__main__.py").write_text(
        "import os, time\nprint('runs', flush=True)\nos.path.exists('die') or time.sleep(60)"
    )
    (code / "die").touch()
    release = Release(artefact=str(code), name="one")
    place = Place(name="blue0", port=1, operations=2, folder=tmp_path)
    assert place.runs() == ""
    try:
        for _ in range(2):
            place.start(release, {"PATH": os.environ["PATH"]})
        _until(lambda: place.log.exists() and place.log.read_text().count("starting another") >= 1)
        (code / "die").unlink()
        assert place.runs() == "one"
        assert place.ready()[0] is False
        assert place.ready()[1] in {"blue0: ended with 0: starting another", "blue0: runs"}
        _until(lambda: place.log.read_text().endswith("runs\n"))
    finally:
        place.ask_to_stop()
        place.wait_gone(time.monotonic() + 10)
    assert place.runs() == ""


SLOW_TO_STOP = """
import signal, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(print('asked', flush=True)))
print('runs', flush=True)
while not asked:
    time.sleep(0.02)
time.sleep(0.5)
"""


def test_a_replica_that_was_left_stopping_is_asked_once_and_waited_for_by_who_starts_another(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "core").mkdir(parents=True)
    (code / "core/__init__.py").touch()
    (code / "core/__main__.py").write_text(SLOW_TO_STOP)
    (tmp_path / "environment").touch()
    release = Release(artefact=str(code), name="one")
    target = LocalTarget(LocalPlace(
        folder=tmp_path, environment=tmp_path / "environment", socket=tmp_path / "none", replicas=1,
    ))  # fmt: skip
    (place,) = target.places("blue")
    try:
        target.start("blue", release)
        _until(lambda: place.log.read_text().endswith("runs\n"))
        for _ in range(2):
            place.ask_to_stop()  # and the tool is killed
        assert place.runs() == LEAVING
        assert target.standing("blue").why == "blue0: does not run"
        target.start("blue", release)
        assert place.runs() == "one"
        _until(lambda: place.log.read_text().endswith("runs\n"))
        assert place.log.read_text().split("\n")[1:3] == ["runs", "asked"]
        assert place.log.read_text().count("asked") == 1
    finally:
        place.ask_to_stop()
        place.wait_gone(time.monotonic() + 10)


def test_what_cannot_be_started_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "environment").touch()
    target = LocalTarget(LocalPlace(
        folder=tmp_path, environment=tmp_path / "environment", socket=tmp_path / "none", replicas=1,
    ))  # fmt: skip
    with pytest.raises(DeployError, match=r"blue0 cannot be started: .*No such file"):
        target.start("blue", Release(artefact=str(tmp_path / "none"), name="one"))


def _until(condition: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]  # a predicate
        assert time.monotonic() < end
        time.sleep(0.02)
