"""Replay one seed, or hunt with many.

python -m tests.simulation --seed 7 --scenario events --trace
python -m tests.simulation --seeds 100000 --first 1000
"""

import argparse
import sys
import time
from collections.abc import Sequence

from tests.simulation.runner import SCENARIOS, many, once, story
from tests.simulation.world import Result

EVERY = 15.0
"""Seconds between two words about the progress."""


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """What the caller wants."""
    parser = argparse.ArgumentParser("python -m tests.simulation", description="Deterministic runs under virtual time.")
    parser.add_argument("--seed", type=int, help="replay this one")
    parser.add_argument("--seeds", type=int, default=1000, help="how many, without --seed")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), action="append", help="one or several; else all")
    parser.add_argument("--trace", action="store_true", help="print everything that happened, with the program's log")
    return parser.parse_args(given)


def replayed(names: Sequence[str], seed: int, *, trace: bool) -> int:
    """One seed."""
    failed = 0
    for name in names:
        result = once(name, seed, quiet=not trace)
        say("\n".join(result.trace) if trace else story(result) if result.fault else "")
        say(f"{name} {seed}: {result.fault or 'ok'}, {result.seconds:.1f} s, fingerprint {result.fingerprint:08x}")
        say(f"  seen: {dict(sorted(result.seen.items()))}")
        failed += result.fault is not None
    return failed


def hunted(names: Sequence[str], first: int, seeds: int) -> int:
    """Many."""
    failures: list[Result] = []
    told = began = time.monotonic()
    number = 0
    for number, result in enumerate(many(range(first, first + seeds), names), 1):
        if result.fault:
            failures.append(result)
            say(story(result))
        if time.monotonic() - told > EVERY:
            told = time.monotonic()
            done = result.seed - first + 1
            say(f"{done} of {seeds} seeds, {number} runs, {len(failures)} failed, {told - began:.0f} s")
    say(f"{number} runs, {len(failures)} failed: {[(each.scenario, each.seed) for each in failures]}")
    return len(failures)


def main(given: Sequence[str] | None = None) -> int:
    """The number of failed runs, at most 100."""
    options = arguments(given)
    names = options.scenario or sorted(SCENARIOS)
    if options.seed is not None:
        return min(replayed(names, options.seed, trace=options.trace), 100)
    return min(hunted(names, options.first, options.seeds), 100)


if __name__ == "__main__":
    sys.exit(main())
