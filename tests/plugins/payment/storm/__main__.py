"""`python -m tests.plugins.payment.storm`: 10,000 webhooks against three replicas that are killed in turn.

Needs what the fault matrix needs (`./ops/faults` installs it). Exits 1 when a rule is broken or the goal is missed.
"""

import argparse
import sys
from pathlib import Path

import uvloop

from tests.plugins.payment.storm.run import Outcome, run
from tests.plugins.payment.storm.weather import Force

GOAL = 0.2
"""Seconds within which 99 of 100 webhooks are answered (RELIABILITY 4.14)."""


def table(outcome: Outcome) -> str:
    """What was measured, as Markdown."""
    p99 = outcome.latency(0.99)
    rows = [
        ("deliveries", f"{len(outcome.genuine.tries) + len(outcome.forged.tries):,}"),
        ("of them forged", f"{len(outcome.forged.tries):,}"),
        ("orders / events", f"{outcome.orders:,} / {outcome.events:,}"),
        ("replicas killed", str(outcome.kills)),
        *((f"answered {what}", f"{count:,}") for what, count in outcome.answers().items()),
        ("p50 of the answer", f"{1000 * outcome.latency(0.5):.0f} ms"),
        ("p99 of the answer", f"{1000 * p99:.0f} ms (goal {1000 * GOAL:.0f})"),
        ("slowest answer", f"{1000 * outcome.latency(1):.0f} ms"),
        ("worked in after", f"{outcome.late:.1f} s"),
        ("notices / steps of states", f"{outcome.verdict.notices:,} / {outcome.verdict.steps:,}"),
        *((rule, f"{len(b)} BROKEN" if b else "kept") for rule, b in outcome.verdict.broken.items()),
    ]
    return "\n".join(["| Storm | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


async def main() -> int:
    """Read the command line, let it storm, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhooks", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=60.0, help="deliveries a second")
    parser.add_argument("--kill-every", type=float, default=8.0, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the logs")
    given = parser.parse_args()
    force = Force(webhooks=given.webhooks, rate=given.rate, kill_every=given.kill_every)
    outcome = await run(force, seed=given.seed, keep=given.keep)
    sys.stdout.write(table(outcome) + "\n")
    for rule, broken in outcome.verdict.broken.items():
        sys.stdout.writelines(f"{rule}: {line}\n" for line in broken[:20])
    return 0 if outcome.verdict.kept and outcome.latency(0.99) < GOAL else 1


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
