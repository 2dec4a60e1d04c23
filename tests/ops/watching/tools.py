"""Programs, YAML and figures."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it ships no types

ROOT = Path(__file__).parents[3]


def run(*command: str | Path) -> str:
    """What it wrote; it must end well."""
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def load(path: Path) -> Any:
    """A YAML file."""
    return yaml.safe_load(path.read_text())


def dump(content: object, path: Path) -> Path:
    """Into a YAML file."""
    path.write_text(yaml.safe_dump(content))
    return path


def figures(text: str) -> None:
    """For the table of proofs."""
    sys.stdout.write(f"\nfigures: {text}\n")
