"""The restore drill: `python -m tests.ops.restore [--out FOLDER]`. Two disasters, two restores; about five minutes."""

import argparse
import sys
from pathlib import Path

import click
import uvloop

from tests.ops.restore.drill import drill
from tests.ops.restore.report import write

HERE = Path(__file__).parents[3] / "ops/runbooks/drills"


def main() -> int:
    """Play, write the report, say what was measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--rate", type=float, default=25.0, help="Requests a second while the disaster comes.")
    given = parser.parse_args()
    told = uvloop.run(drill(given.rate))
    click.echo(write(told, given.out))
    return int(any(act.wrong for act in told.acts))


if __name__ == "__main__":
    sys.exit(main())
