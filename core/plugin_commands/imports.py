"""What a plugin's code imports of the kernel and of other domains, read from its source."""

import ast
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from core.api import is_public

DOMAINS = "plugins"
"""The package that the domains lie in, each with its door `ports`."""


def sources(package: str) -> Sequence[Path]:
    """The Python files of a package, or of the one module that a small plugin is."""
    spec = find_spec(package)
    if spec is None:
        return []
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)] if spec.origin else []
    return sorted(path for folder in spec.submodule_search_locations for path in Path(folder).rglob("*.py"))


def trespasses(package: str, requires: Sequence[str]) -> Iterator[str]:
    """Each import that is not allowed, with its place."""
    for path in sources(package):
        for line, module, name in _imports(path):
            if (why := _refused(module, name, package, requires)) is not None:
                yield f"{why} ({_short(path)}:{line})"


def reads(package: str, variable: str) -> bool:
    """Whether somewhere in it `...of(VARIABLE)` is called: the contributions to a point are read."""
    for path in sources(package):
        for node in ast.walk(_tree(path)):
            match node:
                case ast.Call(func=ast.Attribute(attr="of"), args=[argument]) if _named(argument) == variable:
                    return True
    return False


def _named(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _imports(path: Path) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def _refused(module: str, name: str, package: str, requires: Sequence[str]) -> str | None:
    whole = f"{module}.{name}".rstrip(".")
    if whole.partition(".")[0] == "core":
        return None if is_public(module, name) else f"imports {whole}, which is private to the kernel"
    if f"{whole}.".startswith(f"{DOMAINS}.") and not f"{whole}.".startswith(f"{package}."):
        parts = whole.split(".")
        domain, room = [*parts, "", ""][1:3]
        if room != "ports":
            return f"imports {whole}: another domain is entered by its ports"
        if domain not in requires:
            return f"imports {whole}, and its manifest does not require {domain}"
    return None


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def _short(path: Path) -> str:
    """From the folder that Python found it in."""
    for entry in sorted(filter(None, sys.path), key=len, reverse=True):
        if path.is_relative_to(entry):
            return str(path.relative_to(entry))
    return str(path)
