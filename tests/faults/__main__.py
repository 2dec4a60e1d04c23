"""`./ops/faults`: the fault matrix, the crash sweep and the soak."""

import sys
from pathlib import Path

import click
import uvloop

from tests.faults.matrix import run_matrix
from tests.faults.scenarios.book import ELSEWHERE, SCENARIOS
from tests.faults.soak import soak
from tests.faults.sweep import sweep

RESULTS = Path(__file__).parent / "results"


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, metavar="NAME", help="Scenarios by name; may be given several times.")
@click.option("--list", "listing", is_flag=True, help="Print the scenarios and end.")
@click.option("--seed", default=1, show_default=True, help="Of what the customers do.")
@click.option("--strict", is_flag=True, help="A latency beyond its promise is a violation too. For a quiet machine.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True, help="Folder for results.")
@click.pass_context
def program(
    context: click.Context, only: tuple[str, ...], seed: int, out: Path, *, listing: bool, strict: bool
) -> None:
    """Break one thing after the other under load and hold what happens to RELIABILITY.md. Exits 1 on a violation."""
    if context.invoked_subcommand is not None:
        return
    if listing:
        for one in SCENARIOS.values():
            click.echo(f"{one.name:18} {one.title}")
        for title, reason in ELSEWHERE.items():
            click.echo(f"{'-':18} {title}: {reason}")
        return
    if unknown := set(only) - set(SCENARIOS):
        raise click.ClickException(f"no scenario is called {', '.join(sorted(unknown))}; --list names them")
    chosen = [SCENARIOS[name] for name in (only or SCENARIOS)]
    sys.exit(uvloop.run(run_matrix(chosen, seed=seed, out=out, strict=strict)))


@program.command()
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def quick(seed: int, out: Path) -> None:
    """The scenarios that also run in the test suite: under five minutes."""
    chosen = [one for one in SCENARIOS.values() if one.quick]
    sys.exit(uvloop.run(run_matrix(chosen, seed=seed, out=out, strict=False)))


@program.command("sweep")
@click.option("--operations", default=100_000, show_default=True, help="In all, with those of earlier runs.")
@click.option("--seed", default=1, show_default=True, help="Of the first round; each further round has the next.")
@click.option("--only", metavar="PART", help="Points whose name has this part.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def sweep_command(operations: int, seed: int, only: str | None, out: Path) -> None:
    """Hit every fault point with crash, doom, error and delay. Goes on where an earlier run ended."""
    sys.exit(int(uvloop.run(sweep(operations, seed, only, out)) > 0))


@program.command("soak")
@click.argument("minutes", type=float)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def soak_command(minutes: float, seed: int, out: Path) -> None:
    """Load for so many MINUTES with a fault in each, and watch what every replica holds."""
    sys.exit(int(uvloop.run(soak(minutes, seed, out)) > 0))


if __name__ == "__main__":
    program()
