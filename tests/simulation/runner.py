"""Runs seeds: each seed is one run of every scenario."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from tests.simulation.postgres import Meaning
from tests.simulation.scenarios import breaker, bridge, events, limiter, sessions
from tests.simulation.world import Result, Scenario, run


@attrs.frozen
class Entry:
    """A scenario, and statements of its own."""

    scenario: Scenario
    meanings: Mapping[str, Meaning] = attrs.Factory(dict)
    turn: int | None = None
    """Even or odd seeds only: events go by one way or the other."""


SCENARIOS: Mapping[str, Entry] = {
    "events": Entry(events.events, events.MEANINGS, 0),
    "bridge": Entry(bridge.bridge, events.MEANINGS, 1),
    "sessions": Entry(sessions.sessions, sessions.MEANINGS),
    "breaker": Entry(breaker.breaker),
    "limiter": Entry(limiter.limiter),
}
LAST_LINES = 30
"""Of a trace, for somebody who sees it in a log."""


def once(name: str, seed: int, *, quiet: bool = True) -> Result:
    """One seed of one scenario."""
    entry = SCENARIOS[name]
    return run(entry.scenario, name, seed, meanings=entry.meanings, quiet=quiet)


def many(seeds: Iterable[int], names: Sequence[str] = tuple(SCENARIOS)) -> Iterator[Result]:
    """Every scenario with every seed that is its own."""
    return (once(name, seed) for seed in seeds for name in names if SCENARIOS[name].turn in {None, seed % 2})


def replay(result: Result) -> str:
    """The command that shows it again."""
    return f"python -m tests.simulation --scenario {result.scenario} --seed {result.seed} --trace"


def story(result: Result) -> str:
    """What a failure needs to be understood, and repeated."""
    lines = [
        f"{result.scenario} {result.seed}: {result.fault}",
        *result.trace[-LAST_LINES:],
        f"again: {replay(result)}",
    ]
    return "\n".join(lines)


def tally(results: Iterable[Result]) -> dict[str, Counter[str]]:
    """How often what happened, by scenario: what never happens was never shown to be survived."""
    found: dict[str, Counter[str]] = {}
    for result in results:
        found.setdefault(result.scenario, Counter()).update(result.seen)
    return found
