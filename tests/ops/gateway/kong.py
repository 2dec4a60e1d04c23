"""kong.yml as Kong would read it: which route takes a request, and which plugins with what settings then run."""

import re
from typing import Any

import attrs
import yaml  # type: ignore[import-untyped]  # it ships no types

from tests.architecture.code import ROOT

KONG = ROOT / "ops/kong/kong.yml"


def document() -> dict[str, Any]:
    """All of it."""
    read: dict[str, Any] = yaml.safe_load(KONG.read_text("utf-8"))
    return read


@attrs.frozen
class Gate:
    """A route, with the plugins that hold for it by name: its own before those for all."""

    name: str
    paths: tuple[str, ...]
    methods: frozenset[str]
    plugins: dict[str, dict[str, Any]]
    proxied: bool

    def weight(self, method: str, path: str) -> tuple[int, int] | None:
        """How well it fits; None when it does not. Regular expressions come first, then the longest prefix."""
        if self.methods and method not in self.methods:
            return None
        fits = [
            (1, 0) if one.startswith("~") else (0, len(one))
            for one in self.paths
            if (re.match(one[1:], path) if one.startswith("~") else path.startswith(one))
        ]
        return max(fits, default=None)


def gates() -> list[Gate]:
    """Every route of the file."""
    read = document()
    everywhere = {plugin["name"]: plugin["config"] for plugin in read["plugins"]}
    found = []
    for routes, proxied in [(service["routes"], True) for service in read["services"]] + [(read["routes"], False)]:
        for route in routes:
            own = {plugin["name"]: plugin["config"] for plugin in route.get("plugins", ())}
            methods = frozenset(route.get("methods", ()))
            found.append(Gate(route["name"], tuple(route["paths"]), methods, everywhere | own, proxied))
    return found


def gate(method: str, path: str) -> Gate:
    """The one that takes a request."""
    return max(
        (one for one in gates() if one.weight(method, path)), key=lambda one: one.weight(method, path) or (-1, 0)
    )
