"""A thousand seeds of every scenario, and proof that a seed is all there is to a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.runner import SCENARIOS, once, replay, story, tally

ROOT = Path(__file__).parents[2]
SEEDS, BATCH = 1000, 100
EVERYTHING = {
    "events": ("events", "handled", "handler fails", "dead", "request fails", "statement fails", "database crash",
               "database hang", "replica 0 killed", "replica 0 stopped", "replica 0 cut off"),
    "bridge": ("events", "published", "handled", "broker crash", "broker hang", "broker blocked", "replica 0 killed"),
    "sessions": ("refreshed", "asked again", "reuse", "refused", "theft", "no answer", "database crash"),
    "breaker": ("closed to open", "open to half open", "half open to open", "half open to closed", "repeat", "trial"),
    "limiter": ("greedy passed", "greedy refused", "fair passed", "redis away", "redis emptied", "killed"),
}  # fmt: skip
"""What must have happened in a few seeds: a scenario in which nothing goes wrong proves nothing."""


def program(*given: str, hash_seed: str = "random") -> subprocess.CompletedProcess[str]:
    """The simulation as a program of its own: no test around it, nothing measured."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *given],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=env | {"PYTHONHASHSEED": hash_seed},
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_no_promise_is_broken(first: int) -> None:
    """What fails is printed with the command that shows it again."""
    done = program("--first", str(first), "--seeds", str(BATCH))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_seed_runs_the_same_again(name: str) -> None:
    one, two, other = once(name, 11), once(name, 11), once(name, 12)
    assert one == two
    assert one.fingerprint != other.fingerprint


def test_a_seed_runs_the_same_in_another_process() -> None:
    """Whatever the order in which that one walks its sets of words."""
    outputs = [program("--seed", "11", hash_seed=seed).stdout for seed in ("1", "2")]
    assert outputs[0] == outputs[1]
    assert outputs[0].count("fingerprint") == len(SCENARIOS)


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_everything_that_should_go_wrong_does(name: str) -> None:
    seen = tally(once(name, seed) for seed in range(30))[name]
    assert {what: seen[what] for what in EVERYTHING[name] if not seen[what]} == {}


def test_a_failure_is_told_with_its_replay() -> None:
    result = once("breaker", 1)
    assert replay(result) == "python -m tests.simulation --scenario breaker --seed 1 --trace"
    assert story(result).endswith(replay(result))


def test_a_replay_prints_what_happened() -> None:
    done = program("--seed", "3", "--scenario", "events", "--trace")
    assert done.returncode == 0, done.stderr
    assert "announces parcel-" in done.stdout
