"""The pages for authors of plugins, taken apart: files that they show, commands, and what these say."""

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.architecture.code import ROOT

PAGES = ROOT / "ops" / "docs" / "plugins"
FENCED = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Block:
    """A fenced block: its language, the file that it is the content of, if any, and the text."""

    language: str
    file: str
    text: str


def blocks(text: str) -> list[Block]:
    """All of a page's, in order."""
    return [Block(language, file or "", inner) for language, file, inner in FENCED.findall(text)]


def page(name: str) -> str:
    """A page's text."""
    return (PAGES / name).read_text("utf-8")


def chapters(text: str) -> Iterator[tuple[str, str]]:
    """Headings of the second level, and what stands below each."""
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, below = part.partition("\n")
        yield heading, below


def links(path: Path) -> list[str]:
    """Files beside it that a page leads to."""
    return [found for found in re.findall(r"\]\(([^)#]+)", path.read_text("utf-8")) if "://" not in found]
