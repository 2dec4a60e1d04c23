"""The project's own code, as the tests of its shape read it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOMAINS = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py"))


def files(*folders: str) -> list[Path]:
    """Python files below these folders, as paths from the root."""
    found = (path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if "__pycache__" not in path.parts)


def module(path: Path) -> str:
    """`core/http/table.py` as `core.http.table`."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@cache
def tree(path: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse((ROOT / path).read_text("utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, wherever in the file it does so."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def readme_table(heading: str) -> dict[str, list[str]]:
    """The first table below a README heading: its rows by their first cell, without backticks."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no heading {heading!r}"
    rows = [line.strip().strip("|").split("|") for line in found[1].splitlines() if line.strip().startswith("|")]
    cells = [[cell.strip().replace("`", "") for cell in row] for row in rows[2:]]
    assert cells, f"the README has no table below {heading!r}"
    return {row[0]: row[1:] for row in cells}
