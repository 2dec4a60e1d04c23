"""The runbooks, as tests read them."""

import re
import shlex
from collections.abc import Iterator

from tests.ops.watching.case import BY_NAME
from tests.ops.watching.tools import ROOT

FOLDER = ROOT / "ops/runbooks"
TEXTS = {name: (FOLDER / f"{name}.md").read_text() for name in BY_NAME if (FOLDER / f"{name}.md").exists()}
HOLDERS = {"NAME": "payment", "PID": "1", "ID": "0196b1a4-5f0e-7c3a-9d2e-4b8f6a1c2d3e"}
"""What stands for a word that the reader fills in, and one such word."""


def lines(language: str) -> Iterator[tuple[str, str]]:
    """Alert and line of every block in a language, with words filled in."""
    for name, text in TEXTS.items():
        for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL):
            for line in block.splitlines():
                yield name, re.sub(r"\b(NAME|PID|ID)\b", lambda found: HOLDERS[found[0]], line)


def commands() -> list[list[str]]:
    """Of the program, by their words, each once."""
    found = {line: shlex.split(line)[1:] for _, line in lines("bash") if line.startswith("vurksha ")}
    return list(found.values())
