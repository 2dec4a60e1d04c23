"""The run: `./ops/bench --help`."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import click

from benchmarks import report
from benchmarks.cases import CASES
from benchmarks.measure import LOAD_CPU, SERVER_CPU, LoadFailed
from benchmarks.rounds import Run, run
from benchmarks.servers import NotReady, scratch

RESULTS = Path(__file__).parent / "results"


def arguments() -> argparse.Namespace:
    """What was asked for."""
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(
        prog="ops/bench",
        description="Measures the server beside bare aiohttp and pgbench; fails when a floor is missed.",
        epilog="Example: ./ops/bench --rounds 3 --only list,order",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (%(default)s)")
    parser.add_argument("--secs", type=int, default=2, help="seconds of a slice (%(default)s)")
    parser.add_argument("--only", default=",".join(names), help="some of: %(default)s")
    asked = parser.parse_args()
    asked.only = asked.only.split(",")
    if unknown := set(asked.only) - set(names):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if min(asked.rounds, asked.secs) < 1:
        parser.error("--rounds and --secs start at 1")
    return asked


def main() -> int:
    """1 when a floor is missed, 2 when nothing could be measured."""
    asked = arguments()
    if not {SERVER_CPU, LOAD_CPU} <= os.sched_getaffinity(0):
        click.echo("Two processors are needed, numbers 0 and 1: one for the server, one for the load.", err=True)
        return 2
    try:
        with scratch() as folder:
            done = asyncio.run(run(Run(folder=folder, rounds=asked.rounds, secs=asked.secs, only=asked.only)))
    except (NotReady, LoadFailed) as error:
        click.echo(error, err=True)
        return 2
    verdicts = report.judged(done)
    click.echo("\n" + report.table(verdicts))
    written = report.write(RESULTS, done, verdicts)
    click.echo(f"\n{written}")
    return 0 if all(verdict.held for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
