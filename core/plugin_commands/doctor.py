"""`vurksha plugins doctor`: everything that is declared, and everything that is wrong with it."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from core.api import API_VERSION
from core.commands.shared import WIDTH
from core.convert import dump_json
from core.extensions import Point
from core.isolation.model import PluginState
from core.plugin_commands.facts import LEFT_OUT, LOADED, Facts, several
from core.plugin_commands.imports import reads, trespasses

if TYPE_CHECKING:
    from core.app import App

ERROR, NOTE = "error", "note"
WRAP: Any = {"subsequent_indent": " " * 15, "break_long_words": False, "break_on_hyphens": False}
FEW = 8
"""Routes that are shown of each plugin; `vurksha routes` lists all."""


@attrs.frozen
class Finding:
    """One line of the report. A note is nothing to mend, but may not be meant."""

    level: str
    plugin: str
    text: str

    def __str__(self) -> str:
        return f"{self.level:5}  {self.plugin}: {self.text}"


@attrs.frozen
class Report:
    """What was found."""

    facts: Facts
    findings: Sequence[Finding]

    @property
    def errors(self) -> int:
        """How many have to be mended."""
        return sum(one.level == ERROR for one in self.findings)

    def as_json(self) -> str:
        """For programs."""
        plugins = [self.facts.all(name) for name in self.facts.names]
        found = [attrs.asdict(one) for one in self.findings]
        return dump_json({"api": API_VERSION, "plugins": plugins, "findings": found}).decode()

    def as_text(self) -> str:
        """For people."""
        blocks = ["\n".join(block(self.facts, name)) for name in self.facts.names]
        notes = len(self.findings) - self.errors
        last = [*map(str, self.findings), f"{self.errors} errors, {notes} notes; API {API_VERSION}"]
        return "\n\n".join([*blocks, "\n".join(last)])


def examined(app: "App", states: Mapping[str, PluginState] | None, lacking: Sequence[str]) -> Report:
    """`lacking` are migrations that the database has not seen."""
    facts = Facts(app, states)
    loaded = [manifest.name for manifest in facts.plugins.manifests]
    found = [Finding(ERROR, name, f"left out: {why}") for name, why in sorted(facts.plugins.left_out.items())]
    for name in loaded:
        found += _imports(facts, name)
        found += _loose_ends(facts, name)
    found += [
        Finding(ERROR, one.partition("/")[0], f"the database lacks {one}: run `vurksha migrate`") for one in lacking
    ]
    found += [Finding(NOTE, name, text) for name, text in _aside(facts)]
    return Report(facts, found)


def _imports(facts: Facts, name: str) -> Iterator[Finding]:
    manifest = facts.manifest(name)
    requires = manifest.requires if manifest else ()
    others = {facts.package(one.name): one.name for one in facts.plugins.manifests if one.name != name}
    return (Finding(ERROR, name, text) for text in trespasses(facts.package(name), requires, others))


def _loose_ends(facts: Facts, name: str) -> Iterator[Finding]:
    manifest = facts.manifest(name)
    if manifest is not None and not manifest.owner:
        yield Finding(NOTE, name, "its manifest names no owner")
    for event in facts.events(name):
        if not facts.listeners(event):
            yield Finding(NOTE, name, f"nobody listens to {event}")
    for variable, point in facts.named(name, Point):
        if point.name.startswith(f"{name}.") and not reads(facts.package(name), variable):
            yield Finding(ERROR, name, f"nobody reads its point {point.name}")
    for point in facts.contributes(name):
        if facts.manifest(point.partition(".")[0]) is None:
            yield Finding(ERROR, name, f"contributes to {point}, and nobody is loaded who reads it")


def _aside(facts: Facts) -> Iterator[tuple[str, str]]:
    for name, state in sorted((facts.states or {}).items()):
        known = "" if name in facts.names else ", and is not loaded here"
        yield name, f"{state.state}{known}: {state.reason} ({state.by})"


def block(facts: Facts, name: str) -> Iterator[str]:
    """Everything about one plugin."""
    manifest, (state, why) = facts.manifest(name), facts.state(name)
    if manifest is None:
        yield f"{name}  {LEFT_OUT}: {why}"
        return
    kind = "required" if manifest.required else "optional"
    yield f"{name} {manifest.version}  {kind}, {state}" + (f": {why}" if state != LOADED else "")
    routes, hears = facts.routes(name), facts.hears(name)
    rest = [f"and {len(routes) - FEW} more"] if len(routes) > FEW else []
    contributes = [f"{point} ({count})" for point, count in facts.contributes(name).items()]
    for title, listed in (
        ("owner", [manifest.owner] if manifest.owner else []),
        ("requires", manifest.requires),
        ("routes", [*routes[:FEW], *rest]),
        ("provides", facts.provides(name)),
        ("points", facts.points(name)),
        ("contributes", contributes),
        ("events", facts.events(name)),
        ("hears", [f"{event} as {consumer}" for consumer, events in hears.items() for event in events]),
        ("jobs", [one.name for one in facts.asked(name, "jobs")]),
        ("migrations", [f"{len(facts.migrations(name))} in schema {manifest.schema}"]),
    ):
        yield textwrap.fill(several(listed), WIDTH, initial_indent=f"  {title:12} ", **WRAP)
