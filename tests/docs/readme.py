"""The README, taken apart."""

import re
from collections.abc import Iterator

import attrs

from tests.docs.tables import README

JOURNEY = "The app's journey"
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Block:
    """A fenced block, and the chapter it stands in."""

    chapter: str
    language: str
    text: str


def blocks() -> list[Block]:
    """All of them, in order."""
    chapters = re.split(r"^## ", README.read_text("utf-8"), flags=re.MULTILINE)
    return [Block(one.partition("\n")[0], *found.groups()) for one in chapters for found in FENCED.finditer(one)]


def steps() -> Iterator[tuple[str, str]]:
    """The journey's commands, each with the output that the README shows right after it."""
    told = [block for block in blocks() if block.chapter == JOURNEY]
    for block, after in zip(told, [*told[1:], None], strict=True):
        if block.language == "bash":
            yield block.text, after.text if after and after.language == "text" else ""
