import math

import pytest

from ops.deploying.keeping import understood, written
from ops.deploying.model import DeployError, Refused, Release, Totals
from ops.deploying.rollout import Deploy
from ops.deploying.watching import Limits
from tests.ops.deploy.shelf import Shelf

ONE, TWO = (Release(artefact=f"/code/{name}", name=name) for name in ("one", "two"))
WELL = Totals(requests=50, buckets={0.05: 50, math.inf: 50})
SICK = Totals(requests=50, errors=5, buckets={0.05: 50, math.inf: 50})
SLOW = Totals(requests=50, buckets={0.05: 0, 1.0: 50, math.inf: 50})
LIMITS = Limits(shares=(10, 50), seconds=0.03, look=0.01)


class Smoked:
    """Remembers whom it asked; refuses what it is told to."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.refuses = ""

    def __call__(self, urls: list[str], release: Release, tell: object) -> None:
        self.urls += urls
        if self.refuses:
            raise Refused(self.refuses)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(answers={"blue": WELL, "green": WELL})


@pytest.fixture
def smoked() -> Smoked:
    return Smoked()


@pytest.fixture
def run(shelf: Shelf, smoked: Smoked) -> "Runs":
    return Runs(shelf, smoked)


class Runs:
    """Each call is a run of the tool of its own, on the state as it would be read back."""

    def __init__(self, shelf: Shelf, smoked: Smoked) -> None:
        self.shelf, self.smoked, self.said = shelf, smoked, list[str]()

    def __call__(self) -> Deploy:
        self.shelf.state = understood(written(self.shelf.state))
        return Deploy(self.shelf, LIMITS, self.smoked, self.said.append, start_seconds=0.3)  # type: ignore[arg-type]  # a list for a sequence

    def live(self, release: Release) -> None:
        self().apply(release)
        self().switch()
        self().retire()
        self.shelf.does.clear()


def test_the_first_release_gets_all_traffic_at_once(run: Runs, shelf: Shelf, smoked: Smoked) -> None:
    run().apply(ONE)
    assert shelf.shares == {}
    run().switch()
    assert shelf.does == ["migrate", "start blue one", "shift {'blue': 100}"]
    assert (shelf.state.live, shelf.state.rollout and shelf.state.rollout.outcome) == ("blue", "live")
    assert smoked.urls == ["http://blue"]


def test_the_next_one_goes_to_the_other_colour_in_parts_and_the_first_is_stopped(run: Runs, shelf: Shelf) -> None:
    run.live(ONE)
    shelf.files = ["would apply cart 0009_more (pre, whole)"]
    assert run().plan(TWO) == [
        "traffic is with blue (one); two goes to green", "migrate: would apply cart 0009_more (pre, whole)",
        "start: green with /code/two", "ready: wait up to 0 s", "smoke", "switch: 10 % to green, watched for 0 s",
        "switch: 50 % to green, watched for 0 s", "retire: blue is stopped",
    ]  # fmt: skip
    assert shelf.does == []
    run().apply(TWO)
    run().switch()
    run().retire()
    parts = [f"shift {{'blue': {100 - share}, 'green': {share}}}" for share in (10, 50, 100)]
    assert shelf.does == ["migrate", "start green two", *parts, "stop blue"]
    assert shelf.state.live == "green"


@pytest.mark.parametrize(("answers", "why"), [(SICK, "requests failed"), (SLOW, "p99 is")], ids=["fails", "slow"])
def test_what_is_worse_goes_back(run: Runs, shelf: Shelf, answers: Totals, why: str) -> None:
    run.live(ONE)
    run().apply(TWO)
    shelf.answers["green"] = answers
    with pytest.raises(Refused, match=why):
        run().switch()
    assert shelf.does[-2:] == ["shift {'blue': 100, 'green': 0}", "stop green"]
    assert shelf.state.live == "blue"
    assert shelf.state.rollout is not None
    assert shelf.state.rollout.outcome == "rolled back"
    with pytest.raises(DeployError, match="nothing to roll back"):
        run().rollback()
    run().apply(TWO)  # mended


def test_a_colour_that_loses_replicas_meanwhile_goes_back(run: Runs, shelf: Shelf) -> None:
    run.live(ONE)
    run().apply(TWO)
    shelf.ready["green"] = 1
    with pytest.raises(Refused, match="1 of 2 replicas are ready"):
        run().switch()
    assert shelf.shares == {"blue": 100, "green": 0}


def test_what_is_not_ready_or_fails_the_smoke_test_is_stopped_without_traffic(
    run: Runs, shelf: Shelf, smoked: Smoked
) -> None:
    run.live(ONE)
    smoked.refuses = "order: 500"
    with pytest.raises(Refused, match="two gets no traffic: smoke: order: 500"):
        run().apply(TWO)
    shelf.sickly = True
    with pytest.raises(Refused, match="ready: 0 of 2 ready: does not run after 0 s"):
        run().apply(TWO)
    assert shelf.does == ["migrate", "start green two", "stop green"] * 2
    assert shelf.state.live == "blue"


def test_what_does_more_than_expand_is_refused_before_anything_is_started(run: Runs, shelf: Shelf) -> None:
    run.live(ONE)
    for act in (Deploy.plan, Deploy.apply):
        with pytest.raises(Refused, match="not expand-only"):
            act(run(), Release(artefact="contracts", name="two"))
    assert shelf.does == ["migrate"]


def test_back_to_the_release_before_starts_it_again(run: Runs, shelf: Shelf) -> None:
    run.live(ONE)
    run().apply(TWO)
    run().switch()
    run().retire()
    shelf.does.clear()
    run().rollback()
    assert shelf.does == ["start blue one", "shift {'blue': 100, 'green': 0}", "stop green"]
    assert shelf.state.live == "blue"


def test_a_run_that_was_killed_is_gone_on_with_and_another_release_waits(run: Runs, shelf: Shelf) -> None:
    run.live(ONE)
    shelf.dies = True
    with pytest.raises(KeyboardInterrupt):
        run().apply(TWO)
    shelf.dies = False
    other = Release(artefact="/code/three", name="three")
    for act in (Deploy.plan, Deploy.apply):
        with pytest.raises(DeployError, match="the deploy of two is not over"):
            act(run(), other)
    assert run().plan(TWO)[0].endswith("done: migrate, start")
    run().apply(TWO)
    assert shelf.does == ["migrate", "start green two"]
    run().switch()


def test_what_makes_no_sense_is_refused(run: Runs) -> None:
    for act in (Deploy.switch, Deploy.rollback, Deploy.retire, Deploy.smoke_now):
        with pytest.raises(DeployError):
            act(run())
    run().apply(ONE)
    run().switch()
    with pytest.raises(DeployError, match="one is live already, as blue"):
        run().apply(ONE)
    with pytest.raises(DeployError, match="no release before this one"):
        run().rollback()
    run().smoke_now()
