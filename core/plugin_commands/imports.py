"""What a plugin's code uses of the kernel and of other domains, read from its source."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from core.api import PUBLIC, is_public

DOMAINS = "plugins"
"""The package that the shop's domains lie in, each with its door `ports`."""


def sources(package: str) -> Sequence[Path]:
    """The Python files of a package, or of the one module that a small plugin is."""
    spec = find_spec(package)
    if spec is None:
        return []
    if spec.submodule_search_locations is None:
        return [Path(spec.origin)] if spec.origin else []
    return sorted(path for folder in spec.submodule_search_locations for path in Path(folder).rglob("*.py"))


def trespasses(package: str, requires: Sequence[str], others: Mapping[str, str]) -> Iterator[str]:
    """Each import or use that is not allowed, with its place. `others` are plugins by their packages."""
    for path in sources(package):
        tree = _tree(path)
        for line, module, name in _imports(tree):
            if (why := _refused(module, name, package, requires, others)) is not None:
                yield f"{why} ({_short(path)}:{line})"
        yield from (f"{why} ({_short(path)}:{line})" for line, why in _reached(tree))


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


def _imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def _reached(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Private names of the kernel that are reached through a public module: `db.X` after `from core.store import db`.

    A variable that is bound anywhere else in the file as well may be something else: nothing is said of it.
    """
    modules = {alias: module for alias, module in _modules(tree) if module in PUBLIC}
    bound = Counter(_bound(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in modules and bound[name] == 1:
                if not is_public(modules[name], attr):
                    yield node.lineno, f"uses {modules[name]}.{attr}, which is private to the kernel"


def _modules(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Variables that imports bind, and what they may be."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name.partition(".")[0]
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
            case _:
                pass


def _refused(module: str, name: str, package: str, requires: Sequence[str], others: Mapping[str, str]) -> str | None:
    whole = f"{module}.{name}".rstrip(".")
    if whole.partition(".")[0] == "core":
        return None if is_public(module, name) else f"imports {whole}, which is private to the kernel"
    if f"{whole}.".startswith(f"{package}.") or (domain := _domain(whole, others)) is None:
        return None
    owner, door = domain
    if not f"{whole}.".startswith(f"{door}."):
        return f"imports {whole}: another domain is entered by its ports"
    if owner not in requires:
        return f"imports {whole}, and its manifest does not require {owner}"
    return None


def _domain(whole: str, others: Mapping[str, str]) -> tuple[str, str] | None:
    """Whose code it is, of those who are loaded or one of the shop's, and the module by which it is entered."""
    if found := [home for home in others if f"{whole}.".startswith(f"{home}.")]:
        home = max(found, key=len)
        spec = find_spec(home)
        is_lone = spec is not None and spec.submodule_search_locations is None  # a small plugin's one module
        return others[home], home if is_lone else f"{home}.ports"
    first, _, rest = whole.partition(".")
    name = rest.partition(".")[0]
    return (name, f"{DOMAINS}.{name}.ports") if first == DOMAINS else None


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def _short(path: Path) -> str:
    """From the folder that Python found it in."""
    for entry in sorted(filter(None, sys.path), key=len, reverse=True):
        if path.is_relative_to(entry):
            return str(path.relative_to(entry))
    return str(path)
