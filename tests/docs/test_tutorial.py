"""The tutorial for authors of plugins, done as it is written: each file, each command, in its order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.code import ROOT
from tests.docs.pages import Block, blocks, page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PIP = f'#!/bin/sh\nexec "{sys.executable}" -m pip install --quiet --no-deps --no-build-isolation --no-index --target'
"""In place of `pip install -e .`: nothing is downloaded, and files are found where they are written."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty one, with programs that a person would have."""
    programs, here = tmp_path / "bin", tmp_path / "vurksha-ratings"
    for made in (programs, here):
        made.mkdir()
    for name, text in (
        ("pip", f'{PIP} "{tmp_path / "site"}" .\n'),
        ("pytest", f'#!/bin/sh\nexec "{sys.executable}" -m pytest -p no:valkey -p no:schemathesis "$@"\n'),
        ("vurksha", f'#!/bin/sh\nexec "{sys.executable}" -m core "$@"\n'),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return here


def told(block: Block, folder: Path) -> str:
    """What the commands say, which must end well."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    paths = (folder, folder.parent / "site", ROOT)
    env = {
        **kept,
        "PATH": f"{folder.parent / 'bin'}:{kept['PATH']}",
        "PYTHONPATH": ":".join(map(str, paths)),
        "DATA_DIR": str(folder.parent / "data"),
    }
    command = ["bash", "-euc", block.text]
    said = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=200)
    assert said.returncode == 0, f"{block.text}\n{said.stdout}{said.stderr}"
    return said.stdout


def test_the_tutorial_works_as_it_is_written(folder: Path) -> None:
    said = ""
    for block in blocks(page("tutorial.md")):
        if block.file:
            (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.file).write_text(block.text)
        elif block.language == "bash":
            said = told(block, folder)
        elif block.language == "text":
            missing = [line for line in block.text.splitlines() if line.strip() and line.strip() not in said]
            assert missing == [], said
    assert (folder / "tests" / "test_contract.py").exists()
