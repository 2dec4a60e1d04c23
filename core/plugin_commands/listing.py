"""`vurksha plugins list`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.api import API_VERSION
from core.commands.shared import table
from core.convert import dump_json
from core.isolation.model import PluginState
from core.plugin_commands.facts import Facts

if TYPE_CHECKING:
    from core.app import App

TITLES = ("NAME", "VERSION", "OWNER", "KIND", "STATE", "WHY")


def shown(app: "App", states: Mapping[str, PluginState] | None, _: Sequence[str], *, as_json: bool) -> str:
    """All plugins: in the order in which they start, then those that were left out."""
    facts = Facts(app, states)
    if as_json:
        return dump_json({"api": API_VERSION, "plugins": [facts.all(name) for name in facts.names]}).decode()
    return table(TITLES, [_row(facts, name) for name in facts.names])


def _row(facts: Facts, name: str) -> Sequence[object]:
    manifest, (state, why) = facts.manifest(name), facts.state(name)
    if manifest is None:
        return (name, None, None, None, state, why)
    kind = "required" if manifest.required else "optional"
    return (name, manifest.version, manifest.owner or None, kind, state, why)
