import math
from collections.abc import Callable
from contextlib import suppress

import pytest

from ops.deploying.keeping import understood, written
from ops.deploying.model import DeployError, Refused, Release, Totals
from ops.deploying.rollout import Deploy
from ops.deploying.target import Standing
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
    assert shelf.does == ["migrate", "start green two", *parts, parts[-1], "stop blue"]
    assert shelf.state.live == "green"
    assert shelf.fixed == {"blue"}  # which is stopped


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


@pytest.mark.parametrize("loaded", [Standing(ready=1, wanted=2), Standing(ready=0, wanted=0)], ids=["one", "all"])
def test_a_colour_that_loses_replicas_meanwhile_goes_back(run: Runs, shelf: Shelf, loaded: Standing) -> None:
    run.live(ONE)
    run().apply(TWO)
    shelf.loaded["green"] = loaded
    with pytest.raises(Refused, match=str(loaded)):
        run().switch()
    assert shelf.shares == {"blue": 100, "green": 0}


@pytest.mark.parametrize("loaded", [Standing(ready=2, wanted=6), Standing(ready=1, wanted=1)], ids=["grows", "shrinks"])
def test_a_colour_whose_autoscaler_changes_it_does_not(run: Runs, shelf: Shelf, loaded: Standing) -> None:
    run.live(ONE)
    run().apply(TWO)
    shelf.loaded["green"] = loaded
    shelf.ready["blue"] = 1
    run().switch()
    assert shelf.shares == {"blue": 0, "green": 100}


def test_a_colour_gets_nothing_before_it_can_carry_what_the_other_does(run: Runs, shelf: Shelf) -> None:
    run.live(ONE)
    run().apply(TWO)
    shelf.wanted["blue"] = shelf.ready["blue"] = 4
    shelf.room["green"] = 3
    with pytest.raises(Refused, match="green is weaker than blue: 3 of 4 replicas are ready after 0 s"):
        run().switch()
    assert shelf.shares == {"blue": 100}
    assert shelf.fixed == {"blue", "green"}
    shelf.ready["blue"] = 3  # the cluster is full: more is not to be had
    run().switch()
    assert shelf.shares == {"blue": 0, "green": 100}


def test_a_colour_that_stays_weaker_than_the_one_before_grew_meanwhile_goes_back(run: Runs, shelf: Shelf) -> None:
    run.live(ONE)
    run().apply(TWO)
    shelf.room["green"] = 2
    one = run()

    def tell(line: str) -> None:
        if "green at 10 %" in line:
            shelf.wanted["blue"] = shelf.ready["blue"] = 3

    one.tell = tell
    with pytest.raises(Refused, match="weaker than blue: 2 of 3 replicas"):
        one.switch()
    assert shelf.shares == {"blue": 100, "green": 0}
    assert "shift {'blue': 50, 'green': 50}" not in shelf.does


def test_what_is_not_ready_or_fails_the_smoke_test_is_stopped_without_traffic(
    run: Runs, shelf: Shelf, smoked: Smoked
) -> None:
    run.live(ONE)
    smoked.refuses = "order: 500"
    with pytest.raises(Refused, match="two gets no traffic: smoke: order: 500"):
        run().apply(TWO)
    shelf.room["green"] = 0
    with pytest.raises(Refused, match="ready: 0 of 2 replicas are ready: does not run after 0 s"):
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
    shelf.dies = "standing"
    with pytest.raises(KeyboardInterrupt):
        run().apply(TWO)
    shelf.dies = ""
    other = Release(artefact="/code/three", name="three")
    for act in (Deploy.plan, Deploy.apply):
        with pytest.raises(DeployError, match="the deploy of two is not over"):
            act(run(), other)
    assert run().plan(TWO)[0].endswith("done: migrate, start")
    run().apply(TWO)
    assert shelf.does == ["migrate", "start green two"]
    run().switch()


def test_the_way_back_waits_for_nobody_where_some_are_ready(run: Runs, shelf: Shelf) -> None:
    run.live(ONE)
    run().apply(TWO)
    run().switch()
    shelf.ready["blue"], shelf.room["blue"] = 1, 1
    shelf.does.clear()
    run().rollback()
    assert shelf.does == ["shift {'blue': 100, 'green': 0}", "stop green"]
    assert shelf.fixed == {"green"}, "blue may shrink again; of what is stopped it makes no difference"


def test_the_way_back_goes_on_with_what_can_be_started(run: Runs, shelf: Shelf) -> None:
    run.live(ONE)
    run().apply(TWO)
    run().switch()
    run().retire()
    shelf.room["blue"] = 0
    with pytest.raises(DeployError, match="blue cannot take the traffic back: 0 of 2 replicas are ready"):
        run().rollback()
    assert shelf.shares == {"blue": 0, "green": 100}
    shelf.room["blue"] = 1
    run().rollback()
    assert shelf.shares == {"blue": 100, "green": 0}


COMMANDS: dict[str, Callable[[Deploy], object]] = {
    "apply": lambda deploy: deploy.apply(TWO),
    "switch": Deploy.switch,
    "retire": Deploy.retire,
    "rollback": Deploy.rollback,
}


@pytest.mark.parametrize("sick", [True, False], ids=["worse", "asked for"])
@pytest.mark.parametrize("at", ["shift {'blue': 100", "stop"], ids=["shifted", "stopped"])
@pytest.mark.parametrize("following", COMMANDS)
def test_a_way_back_that_was_killed_leaves_no_traffic_with_who_is_stopped(
    run: Runs, shelf: Shelf, following: str, at: str, sick: bool
) -> None:
    run.live(ONE)
    run().apply(TWO)
    if sick:
        shelf.answers["green"] = SICK
    else:
        run().switch()
    shelf.dies = at
    with pytest.raises(KeyboardInterrupt):
        run().switch() if sick else run().rollback()
    shelf.dies = ""
    with suppress(DeployError):
        COMMANDS[following](run())
    assert all(shelf.ready[color] for color, share in shelf.shares.items() if share)
    with suppress(DeployError):
        run().rollback()
    assert shelf.shares == {"blue": 100, "green": 0}
    assert shelf.state.live == "blue"


def test_a_release_whose_refusal_was_killed_is_begun_anew(run: Runs, shelf: Shelf, smoked: Smoked) -> None:
    run.live(ONE)
    smoked.refuses, shelf.dies = "order: 500", "stop"
    with pytest.raises(KeyboardInterrupt):
        run().apply(TWO)
    smoked.refuses, shelf.dies = "", ""
    with pytest.raises(DeployError, match="not smoked yet"):
        run().switch()
    run().apply(TWO)
    assert shelf.does == ["migrate", "start green two", "stop green", "migrate", "start green two"]


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
