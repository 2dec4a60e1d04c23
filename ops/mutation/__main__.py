"""The run: `./ops/mutate --help`."""

import argparse
import os
import sys
import tempfile
import tomllib
from pathlib import Path

import attrs
import click

from mutation.workshop import Broken, Mutant, Workshop

ROOT = Path(__file__).resolve().parents[2]
RULES = Path(__file__).parent / "rules.toml"


@attrs.frozen(kw_only=True)
class Forgiven:
    """A mutant that no test can catch, and why."""

    file: str
    function: str
    was: str
    became: str
    reason: str

    def covers(self, mutant: Mutant) -> bool:
        """Whether it is this one."""
        return all(getattr(self, name) == getattr(mutant, name) for name in ("file", "function", "was", "became"))


def report(file: str, mutants: list[Mutant], forgiven: list[Forgiven]) -> bool:
    """Prints what became of a file's mutants; true when every one was caught or is rightly forgiven."""
    survivors = [mutant for mutant in mutants if not mutant.caught]
    open_ones = [mutant for mutant in survivors if not any(entry.covers(mutant) for entry in forgiven)]
    stale = [entry for entry in forgiven if not any(entry.covers(mutant) for mutant in survivors)]
    caught = len(mutants) - len(survivors)
    click.echo(f"{file:28} {len(mutants):8} {caught:8} {len(open_ones):9} {len(survivors) - len(open_ones):9}")
    for mutant in open_ones:
        click.echo(f"    {mutant.function}\n      - {mutant.was}\n      + {mutant.became}")
    for entry in stale:
        click.echo(f"    forgiven, but caught or gone: {entry.function}\n      - {entry.was}\n      + {entry.became}")
    return not open_ones and not stale


def main() -> int:
    """1 when a mutant survives that should not, 2 when nothing could be tried."""
    rules = tomllib.loads(RULES.read_text("utf-8"))
    known: dict[str, list[str]] = rules["tests"]
    parser = argparse.ArgumentParser(
        prog="ops/mutate", description="Fails when a small change to a pure rule goes unnoticed by its tests."
    )
    parser.add_argument("files", nargs="*", default=list(known), metavar="FILE", help=f"some of: {', '.join(known)}")
    files: list[str] = parser.parse_args().files
    if strangers := set(files) - set(known):
        parser.error(f"rules.toml does not have {', '.join(sorted(strangers))}")
    tests = dict.fromkeys(test for file in files for test in known[file])
    with tempfile.TemporaryDirectory(prefix="vurksha-mutate-") as folder:
        shop = Workshop(Path(folder))
        shop.prepare(ROOT, files, list(tests))
        try:
            mutants = shop.run(os.cpu_count() or 1)
        except Broken as error:
            click.echo(error, err=True)
            return 2
    forgiven = [Forgiven(**entry) for entry in rules.get("forgiven", [])]
    click.echo(f"{'':28} {'mutants':>8} {'caught':>8} {'survived':>9} {'forgiven':>9}")
    held = [
        report(file, [m for m in mutants if m.file == file], [entry for entry in forgiven if entry.file == file])
        for file in files
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
