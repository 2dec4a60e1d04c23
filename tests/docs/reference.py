"""The reference for authors of plugins, made from the code.

To write it anew: `.venv/bin/python -m tests.docs.reference`.
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import click

from core import api, testing
from core.convert import camel
from core.events.model import Event
from core.extensions import Point
from core.kernel import Manifest
from core.services import Port
from tests.architecture.code import DOMAINS, ROOT, files, imports
from tests.docs.pages import PAGES, blocks, page
from tests.docs.tables import code, event_types, hooks, sentence

REFERENCE = PAGES / "reference.md"
REFRESH = ".venv/bin/python -m tests.docs.reference"
KERNEL_DOORS = ("core.auth", "core.privacy.model")
"""Where the kernel declares what it asks of plugins."""
HEAD = f"""# Reference

Made from the code by `{REFRESH}`, and tested against it. What is not listed here is private:
`vurksha plugins doctor` flags imports of it. What may change, and how: [upgrade-policy.md](upgrade-policy.md).
"""


def document() -> str:
    """All of it."""
    parts = [HEAD, f"API version: **{api.API_VERSION}**\n", *_hooks(), *_manifest(), *_names(), *_harness()]
    return "\n".join([*parts, *_points(), *_ports(), *_events()])


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(titles), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cell.replace('|', 'or') for cell in line)} |\n" for line in lines)


def _hooks() -> Iterator[str]:
    yield "## Hooks\n\nEach with an example in [hooks.md](hooks.md).\n"
    yield _table(("Hook", "Returns", "Meaning"), hooks())


def _manifest() -> Iterator[str]:
    yield "## The manifest\n\n`core.kernel.Manifest`, the attribute `manifest` of the plugin's class.\n"
    notes = _notes(Path("core/kernel.py"), "Manifest")
    rows = []
    for field in attrs.fields(Manifest):
        default = "needed" if field.default is attrs.NOTHING else code(repr(field.default))
        rows.append([code(field.name), default, notes.get(field.name, "")])
    yield _table(("Field", "Default", "Meaning"), rows)


def _notes(path: Path, cls: str | None = None) -> dict[str, str]:
    """The texts that stand below assignments, by the name that is assigned."""
    body: list[ast.stmt] = ast.parse((ROOT / path).read_text("utf-8")).body
    if cls is not None:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == cls)
    found = {}
    for node, below in zip(body, [*body[1:], None], strict=True):
        text = below.value if isinstance(below, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and (name := _declares(node)):
            found[name] = " ".join(text.value.split())
    return found


def _names() -> Iterator[str]:
    yield "## Public names\n"
    for module, names in api.PUBLIC.items():
        yield f"### {module}\n"
        rows = [[code(name), what, _about(module, name), code(used(module, name))] for name, what in names.items()]
        yield _table(("Name", "What it is for", "What it says of itself", "Used in"), rows)


def _about(module: str, name: str) -> str:
    found = getattr(importlib.import_module(module), name)
    if inspect.isclass(found) or inspect.isfunction(found):
        return sentence(found.__doc__)
    return _notes(Path(*module.split(".")).with_suffix(".py")).get(name, "")


@cache
def _uses() -> Mapping[str, str]:
    """A file that tests run, by the full name that it imports: pages first, then templates, then built-in plugins."""
    found: dict[str, str] = {}
    shown = [(name, block.text) for name in ("tutorial.md", "hooks.md") for block in blocks(page(name))]
    templates = sorted((ROOT / "core" / "scaffold" / "templates").glob("*.py.tmpl"))
    shown += [(path.name, path.read_text("utf-8").replace("$", "")) for path in templates]
    for where, text in shown:
        for full in _imported(text):
            found.setdefault(full, where)
    for path in files("plugins", "tests"):
        for full in (*(full for _, full in imports(path)), *_attributes((ROOT / path).read_text("utf-8"))):
            found.setdefault(full, str(path))
    return found


def _attributes(text: str) -> Iterator[str]:
    """`core.audit.person` of `from core import audit` and `audit.person(...)`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"core.{node.value.id}.{node.attr}"


def _imported(text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # not Python, or a template's own words
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used(module: str, name: str) -> str:
    """Where a test runs code that uses it; empty if nowhere."""
    return _uses().get(f"{module}.{name}", "")


def _harness() -> Iterator[str]:
    yield '## The harness\n\n`pytest_plugins = ["core.testing"]`; every name in `core.testing` is public.\n'
    rows = []
    for name in testing.__all__:
        found = getattr(testing, name)
        kind = "class" if inspect.isclass(found) else "function" if inspect.isfunction(found) else "fixture"
        kind = kind if kind != "fixture" or hasattr(found, "_fixture_function") else "type"
        rows.append([code(name), kind, sentence(found.__doc__) if kind != "type" else ""])
    yield _table(("Name", "Kind", "What it is"), rows)


def _doors() -> Iterator[tuple[str, str, object]]:
    """Module, name and object of all that doors declare."""
    for module in (*KERNEL_DOORS, *(f"plugins.{domain}.ports" for domain in DOMAINS)):
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, Port | Point) and name in _annotations(module):
                yield module, name, value


def _annotations(module: str) -> Mapping[str, ast.expr]:
    """Of the names that a module itself declares."""
    tree = ast.parse((ROOT / Path(*module.split(".")).with_suffix(".py")).read_text("utf-8"))
    return {
        name: node.annotation for node in tree.body if isinstance(node, ast.AnnAssign) and (name := _declares(node))
    }


def _declares(node: ast.stmt) -> str:
    """The name in `NAME: type = value`."""
    return node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else ""


def _typed(module: str, name: str) -> str:
    """What stands in the brackets of `X: Port[Catalog]`."""
    annotation = _annotations(module)[name]
    assert isinstance(annotation, ast.Subscript)
    return ast.unparse(annotation.slice).strip("'")


def _points() -> Iterator[str]:
    yield "## Points\n\nWhat a domain leaves open to others: contribute by the hook `extends`.\n"
    rows = []
    for module, name, value in _doors():
        if isinstance(value, Point):
            notes = _notes(Path(*module.split(".")).with_suffix(".py"))
            rows.append([code(value.name), code(f"{module}.{name}"), code(_typed(module, name)), notes.get(name, "")])
    yield _table(("Point", "Import", "Of", "Meaning"), rows)


def _ports() -> Iterator[str]:
    yield "## Ports\n\nWhat a domain answers to others: `kernel.services.get(PORT)`.\n"
    for module, name, value in _doors():
        if isinstance(value, Port):
            yield f"### {value.name}\n\n`from {module} import {name}`\n"
            protocol = getattr(importlib.import_module(module), _typed(module, name))
            yield _table(("Method", "Meaning"), _methods(protocol))


def _methods(protocol: type[Any]) -> Iterator[list[str]]:
    for name, method in vars(protocol).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            node = ast.parse(textwrap.dedent(inspect.getsource(method))).body[0]
            assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            node.args.args = node.args.args[1:]
            begin = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            yield [code(f"{begin}{name}({ast.unparse(node.args)}){returns}".replace("'", "")), sentence(method.__doc__)]


def _events() -> Iterator[str]:
    yield "## Events\n\nListen to one by the hook `subscriptions`.\n"
    yield _table(("Event", "Import", "Version", "Payload", "Meaning"), map(_event, event_types().values()))


def _event(cls: type[Event]) -> list[str]:
    payload = ", ".join(camel(field.name) for field in attrs.fields(cls))  # type: ignore[arg-type]  # every event is an attrs class
    full = f"{cls.__module__}.{cls.__name__}"
    return [code(cls.event_type), code(full), str(cls.version), payload, sentence(cls.__doc__)]


def main() -> None:
    """Write it anew."""
    REFERENCE.write_text(document(), "utf-8")
    click.echo(f"{REFERENCE.relative_to(ROOT)} written")


if __name__ == "__main__":
    main()
