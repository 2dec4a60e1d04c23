"""The README's tables, made from the code. To write them anew: `.venv/bin/python -m tests.docs.tables`.

Only the last column of the settings is people's words; it is kept, by the setting's name.
"""

import importlib
import inspect
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import attrs
import click

from core import configuration, errors, hookspecs
from core.app import App, plugin_sections
from core.auth import Role
from core.cli import program
from core.convert import camel
from core.events.model import Event
from core.http.routing import Route
from core.observe.catalogue import PREFIX
from core.plugins import find
from core.settings import KERNEL_SECTIONS, Secret
from core.testing import settings_for
from tests.architecture.code import DOMAINS, ROOT

README = ROOT / "README.md"
REFRESH = ".venv/bin/python -m tests.docs.tables"
OVERRIDING = ("development", "production")
"""Environments whose own defaults are shown. Those of the test suite concern nobody else."""

Rows = Iterable[list[str]]


@cache
def built() -> App:
    """The app with every configured plugin, as `vurksha routes` builds it: nothing is opened."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for("postgresql:///none", "redis://none", Path(folder))
        return App(settings, [cls() for cls in find(settings.plugins)])


def code(text: object) -> str:
    """In backticks. A bar would end the cell."""
    return f"`{str(text).replace(' | ', ' or ')}`"


def sentence(docstring: str | None) -> str:
    """The first paragraph, on one line."""
    return " ".join(inspect.cleandoc(docstring or "").partition("\n\n")[0].split())


def domains() -> Rows:
    """Domain, what it is for, whom it requires, the schema it owns."""
    for manifest in built().plugins.manifests:
        about = sentence(importlib.import_module(f"plugins.{manifest.name}").__doc__)
        requires = ", ".join(manifest.requires) or "nobody"
        yield [code(manifest.name), about, requires, code(manifest.schema)]


def settings() -> Rows:
    """Setting, default, environment name, meaning."""
    meanings = {row[0]: row[-1] for row in rows(README.read_text("utf-8"), "Settings")}
    classes = find(built().settings.plugins)
    for section, cls in {**KERNEL_SECTIONS, **plugin_sections(classes)}.items():
        for field in attrs.fields(cls):
            key = code(f"{section}.{field.name}")
            yield [key, _defaults(section, field), code(_environment(section, field.name)), meanings.get(key, "")]


def _defaults(section: str, field: "attrs.Attribute[Any]") -> str:
    """The value that holds where nobody sets another, and those of environments that differ."""
    default = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, typed as a function
        default = default.factory()  # type: ignore[union-attr]  # see above
    if default is attrs.NOTHING:
        return "made once; production: none"
    if Secret in (field.type, *get_args(field.type)):
        return "none"
    base = _file("base").get(section, {}).get(field.name, default)
    parts = [_shown(base)]
    for environment in OVERRIDING:
        value = _file(environment).get(section, {}).get(field.name, base)
        if value != base:
            parts.append(f"{environment}: {_shown(value)}")
    return "; ".join(parts)


@cache
def _file(name: str) -> Mapping[str, Mapping[str, object]]:
    return tomllib.loads((ROOT / "config" / f"{name}.toml").read_text("utf-8"))


def _shown(value: object) -> str:
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if isinstance(value, bool):
        value = str(value).lower()
    return "none" if value == "" else code(value)


def _environment(section: str, key: str) -> str:
    given = {place: name for name, place in configuration.GIVEN_NAMES.items()}
    return given.get((section, key), f"VURKSHA_{section}__{key}".upper())


def hooks() -> Rows:
    """Hook, what it returns, what it is for."""
    for name, spec in vars(hookspecs).items():
        if hasattr(spec, f"{hookspecs.PROJECT}_spec"):
            signature = inspect.signature(spec)
            call = f"{name}({', '.join(signature.parameters)})"
            yield [code(call), code(str(signature.return_annotation).strip("\"'")), sentence(spec.__doc__)]


def metrics() -> Rows:
    """Metric, its type, its labels, what it tells."""
    for one in built().figures.metrics:
        yield [code(PREFIX + one.name), one.kind, ", ".join(one.labels) or "none", one.meaning]


def codes() -> Rows:
    """Code, status, message, whether a client may try again."""
    modules = [errors, *(importlib.import_module(f"plugins.{domain}.ports") for domain in DOMAINS)]
    found = {
        value.name: value for module in modules for value in vars(module).values() if isinstance(value, errors.Code)
    }
    for one in sorted(found.values(), key=lambda each: (each.status, each.name)):
        again = f"yes, after {one.retry_after} s" if one.retryable else "no"
        yield [code(one.name), str(one.status), one.message, again]


def event_types() -> dict[str, type[Event]]:
    """Every event class by its type; the class stands in its owner's ports."""
    modules = [importlib.import_module(f"plugins.{domain}.ports") for domain in DOMAINS]
    classes = [value for module in modules for value in vars(module).values() if inspect.isclass(value)]
    mine = [cls for cls in classes if issubclass(cls, Event) and hasattr(cls, "event_type")]
    return {cls.event_type: cls for cls in sorted(mine, key=lambda cls: cls.event_type)}


def events() -> Rows:
    """Event, who emits it, payload, who listens."""
    listeners: dict[str, list[str]] = {}
    for manifest, subscriptions in built().plugins.ask("subscriptions"):
        for one in subscriptions:
            listeners.setdefault(one.event.event_type, []).append(f"{manifest.name} ({code(one.consumer)})")
    for name, cls in event_types().items():
        payload = ", ".join(camel(field.name) for field in attrs.fields(cls))  # type: ignore[arg-type]  # attrs classes
        emitters = [domain for domain in DOMAINS if _emits(domain, cls)]
        heard = ", ".join(sorted(listeners.get(name, [])))
        yield [code(name), ", ".join(emitters) or "nobody yet", payload, heard or "nobody yet"]


def _emits(domain: str, cls: type[Event]) -> bool:
    """It makes such an object somewhere, or its SQL names the type."""
    folder = ROOT / "plugins" / domain
    python = (path.read_text("utf-8") for path in folder.rglob("*.py") if path.name != "ports.py")
    sql = (path.read_text("utf-8") for path in folder.rglob("*.sql"))
    return any(re.search(rf"\b{cls.__name__}\(", text) for text in python) or any(
        f"'{cls.event_type}'" in text for text in sql
    )


def routes() -> Rows:
    """Method and path, who may call it, how it may be repeated, what it does."""
    for route in sorted(built().routes, key=lambda each: (each.path, each.method)):
        yield [code(f"{route.method} {route.path}"), _who(route), route.repeat.value, route.summary]


def _who(route: Route) -> str:
    roles = route.policy.roles
    if roles is None:
        return "anybody"
    return "user" if roles == frozenset(Role) else ", ".join(sorted(roles))


def personal_data() -> Rows:
    """Table, what becomes of its rows when their person is erased, and why or for how long."""
    holdings = [holding for _, data in built().privacy.owners for holding in data.holdings]
    for one in sorted(holdings, key=lambda each: each.table):
        yield [code(one.table), one.fate.value, one.why or "nothing"]


def commands() -> Rows:
    """Command, what it does, an example."""
    extra = {command.name or "": command for command in built().plugins.declared("commands")}
    yield from _commands("vurksha", {**program.commands, **extra})


def _commands(prefix: str, group: Mapping[str, click.Command]) -> Iterator[list[str]]:
    for name, command in sorted(group.items()):
        if isinstance(command, click.Group):
            yield from _commands(f"{prefix} {name}", command.commands)
            continue
        words = [p.name.upper() for p in command.params if isinstance(p, click.Argument) and p.name]
        words += [f"[{p.opts[0]}]" for p in command.params if isinstance(p, click.Option)]
        example = (command.epilog or "").removeprefix("Example: ").partition(" | ")[0]
        yield [code(" ".join([prefix, name, *words])), sentence(command.help), code(example)]


TABLES: dict[str, tuple[list[str], Callable[[], Rows]]] = {
    "The domains": (["Domain", "What it is", "Requires", "Schema"], domains),
    "Commands": (["Command", "What it does", "Example"], commands),
    "Settings": (["Setting", "Default", "Environment", "Meaning"], settings),
    "Routes": (["Route", "Who", "Repeat", "What it does"], routes),
    "Error codes": (["Code", "Status", "Message", "Try again"], codes),
    "Events": (["Event", "Emitted by", "Payload", "Who listens"], events),
    "Metrics": (["Metric", "Type", "Labels", "Meaning"], metrics),
    "Hooks": (["Hook", "Returns", "Meaning"], hooks),
    "Personal data": (["Table", "When its person is erased", "What stays, and why"], personal_data),
}
"""By the README heading that each stands below."""


def table(heading: str) -> str:
    """The Markdown, its columns aligned for a terminal; the last one, usually prose, is as long as it is."""
    titles, make = TABLES[heading]
    body = [titles, *make()]
    widths = [max(len(row[column]) for row in body) for column in range(len(titles) - 1)]
    lines = [_line(row, widths) for row in body]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in [*widths, len(titles[-1])]) + "|")
    return "\n".join(lines) + "\n"


def _line(cells: list[str], widths: list[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
    return f"| {' | '.join([*padded, cells[-1]])} |"


def find_table(text: str, heading: str) -> re.Match[str]:
    """The first table below a heading."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(?:(?!#|\|).*\n)*?((?:\|.*\n)+)", text, re.MULTILINE)
    assert found, f"the README has no table below {heading!r}"
    return found


def rows(text: str, heading: str) -> list[list[str]]:
    """Its rows without the head, each cell as it is written."""
    lines = find_table(text, heading)[1].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def main() -> None:
    """Write every table anew."""
    text = README.read_text("utf-8")
    for heading in TABLES:
        found = find_table(text, heading)
        text = text[: found.start(1)] + table(heading) + text[found.end(1) :]
    README.write_text(text, "utf-8")
    click.echo(f"{README.name}: {len(TABLES)} tables written")
    from tests.docs import reference  # noqa: PLC0415  it is made with the functions above

    reference.main()


if __name__ == "__main__":
    main()
