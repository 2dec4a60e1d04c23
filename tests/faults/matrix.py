"""Plays scenarios one after the other, each in a world of its own, and tells what came of them."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import attrs
import click

from tests.faults.cells import BROKEN, SLOW, Cell, cells
from tests.faults.processes import CannotRun
from tests.faults.report import write
from tests.faults.stage import Measure, Scenario, play

PATIENCE = 420.0
"""Seconds that a scenario may take as a whole."""


@attrs.frozen(kw_only=True)
class Outcome:
    """A row of the matrix as it was measured."""

    scenario: Scenario
    seed: int
    cells: Sequence[Cell] = ()
    measures: Sequence[Measure] = ()
    violations: dict[str, list[str]] = attrs.field(factory=dict)
    """By rule; what made the scenario itself fail is one too."""
    reason: str = ""
    """Why it did not run."""
    seconds: float = 0.0

    @property
    def broken(self) -> bool:
        """Whether a promise of correctness or of an outcome class was not kept."""
        return bool(
            self.violations
            or any(cell.verdict == BROKEN for cell in self.cells)
            or any(measure.hard and not measure.kept for measure in self.measures)
        )

    @property
    def slow(self) -> bool:
        """Whether a latency or a duration was beyond its promise."""
        return any(cell.verdict == SLOW for cell in self.cells) or any(not measure.kept for measure in self.measures)


async def run_matrix(chosen: Sequence[Scenario], *, seed: int, out: Path, strict: bool) -> int:
    """0 when every promise was kept, else 1."""
    outcomes: list[Outcome] = []
    for number, scenario in enumerate(chosen, 1):
        click.echo(f"[{number}/{len(chosen)}] {scenario.name}: {scenario.title} ... ", nl=False)
        outcomes.append(await attempt(scenario, seed, out / "logs"))
        tell(outcomes[-1])
        write(outcomes, out)
    click.echo(f"\n{out / 'index.html'}  {out / 'matrix.md'}")
    return int(any(one.broken or (strict and one.slow) for one in outcomes))


async def attempt(scenario: Scenario, seed: int, keep: Path) -> Outcome:
    """Play one; a harness that fails is a violation, since nothing was shown."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            played = await play(scenario, seed, keep)
    except CannotRun as why:
        return Outcome(scenario=scenario, seed=seed, reason=str(why), seconds=time.monotonic() - began)
    except Exception as error:  # noqa: BLE001  the other scenarios go on
        wrong = {"did not run": [f"{type(error).__name__}: {error}"]}
        return Outcome(scenario=scenario, seed=seed, violations=wrong, seconds=time.monotonic() - began)
    return Outcome(
        scenario=scenario,
        seed=seed,
        cells=cells(played),
        measures=played.stage.measures,
        violations={name: list(wrong) for name, wrong in played.violations.items()},
        seconds=played.seconds,
    )


def tell(outcome: Outcome) -> None:
    """A row, in the terminal."""
    if outcome.reason:
        click.secho(f"cannot run: {outcome.reason}", fg="yellow")
        return
    verdict, colour = ("BROKEN", "red") if outcome.broken else ("slow", "yellow") if outcome.slow else ("kept", "green")
    click.secho(f"{verdict} ({outcome.seconds:.0f} s)", fg=colour)
    if outcome.slow and outcome.scenario.why_slow:
        click.echo(f"    {outcome.scenario.why_slow}")
    for cell in outcome.cells:
        click.echo(f"    {cell.path} {cell.promise:6} {cell.verdict:6} {cell.text}")
        for line in cell.wrong[:5]:
            click.secho(f"             ! {line}", fg="red")
    for one in outcome.measures:
        limit = "" if one.limit is None else f"  (promised {one.limit:g})"
        click.secho(f"    {one.name}: {one.value:.2f} {one.unit}{limit}", fg=None if one.kept else "yellow")
    for name, wrong in outcome.violations.items():
        for line in wrong[:5]:
            click.secho(f"    ! {name}: {line}", fg="red")
