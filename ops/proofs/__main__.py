"""Run the proofs and print the table: `python -m ops.proofs [--only TEXT]`. Exits with 1 when one did not hold."""

import argparse
import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

import ops.proofs
from ops.proofs.model import Proof

ROOT = Path(__file__).parents[2]
PROVED, READ, FAILED, LEFT = "proved", "read", "FAILED", "left out"
FIGURES = "figures: "


@attrs.frozen
class Outcome:
    """What became of one proof."""

    proof: Proof
    word: str
    seconds: float
    figures: str


def proofs() -> Iterator[Proof]:
    """Those of every file beside this one, in the order of their names."""
    for module in pkgutil.iter_modules(ops.proofs.__path__):
        if module.name not in {"__main__", "model"}:
            yield from importlib.import_module(f"ops.proofs.{module.name}").PROOFS


def proved(proof: Proof) -> Outcome:
    """Install what it needs and run it. What it prints goes to the screen only when it fails."""
    began = time.monotonic()
    environment = {**os.environ, "PATH": f"{ROOT}/.venv/bin:{ROOT}/.venv/ops/bin:{os.environ['PATH']}"}
    if proof.tools:
        subprocess.run((ROOT / "ops/tools", *proof.tools), check=False, cwd=ROOT, env=environment)
    absent = [
        need for need in proof.needs if shutil.which(need, path=environment["PATH"]) is None and not Path(need).exists()
    ]
    if absent:
        return Outcome(proof, LEFT, 0.0, f"needs {', '.join(absent)}")
    try:
        ended = subprocess.run(
            proof.command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=proof.seconds, check=False
        )
    except subprocess.TimeoutExpired as late:
        print(late.stdout, late.stderr, sep="\n")
        return Outcome(proof, FAILED, time.monotonic() - began, f"not done after {proof.seconds} s")
    figures = [line.removeprefix(FIGURES) for line in ended.stdout.splitlines() if line.startswith(FIGURES)]
    if ended.returncode:
        print(ended.stdout, ended.stderr, sep="\n")
    word = FAILED if ended.returncode else READ if proof.parsed else PROVED
    return Outcome(proof, word, time.monotonic() - began, figures[-1] if figures else "")


def table(outcomes: list[Outcome]) -> str:
    """For people: each row with what could not be proved below it."""
    lines = []
    for outcome in outcomes:
        proof = outcome.proof
        lines.append(f"{outcome.word:8}  {proof.artefact:14}  {proof.claim}  [{proof.tool}, {outcome.seconds:.0f} s]")
        for head, text in (("figures", outcome.figures), ("not here", proof.cannot)):
            if text:
                lines += textwrap.wrap(text, 116, initial_indent=f"{'':26}{head}: ", subsequent_indent=" " * 28)
    return "\n".join(lines)


def main() -> int:
    """All of them, one after the other."""
    parser = argparse.ArgumentParser(prog="ops/check --ops")
    parser.add_argument("--only", default="", help="those whose artefact or claim holds this text")
    only = parser.parse_args().only
    chosen = [proof for proof in proofs() if only in proof.artefact or only in proof.claim]
    outcomes = []
    for number, proof in enumerate(chosen, 1):
        print(f"[{number}/{len(chosen)}] {proof.artefact}: {proof.claim} ...", flush=True)
        outcomes.append(proved(proof))
        print(f"    {outcomes[-1].word} after {outcomes[-1].seconds:.0f} s", flush=True)
    print(f"\n{table(outcomes)}\n")
    return int(not chosen or any(outcome.word == FAILED for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
