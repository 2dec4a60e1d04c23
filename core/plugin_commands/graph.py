"""`vurksha plugins graph`: trees for a terminal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from core.plugin_commands.facts import Facts

if TYPE_CHECKING:
    from core.app import App

Tree = Sequence[tuple[str, "Tree"]]


def drawn(app: "App") -> str:
    """Who requires whom; ports; points and who contributes; events, who declares and who hears them."""
    facts = Facts(app)
    parts: dict[str, Tree] = {
        "REQUIRES": [(name, _below(facts, name)) for name in facts.names if not _needs(facts, name)],
        "PORTS": [(name, [(port, ()) for port in ports]) for name in facts.names if (ports := facts.provides(name))],
        "POINTS": [(point, [(who, ()) for who in given]) for point, given in sorted(_points(facts).items())],
        "EVENTS": [(event, [(f"{who} hears it", ()) for who in facts.listeners(event)]) for event in _events(facts)],
    }
    return "\n\n".join("\n".join([title, *lines(tree)]) for title, tree in parts.items() if tree)


def _needs(facts: Facts, name: str) -> Sequence[str]:
    manifest = facts.manifest(name)
    return manifest.requires if manifest else ()


def _below(facts: Facts, name: str) -> Tree:
    """Those that require it, each with those that require them."""
    return [(other, _below(facts, other)) for other in facts.names if name in _needs(facts, other)]


def _points(facts: Facts) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in facts.names:
        if facts.manifest(name) is not None:
            for point in facts.points(name):
                found.setdefault(point, [])
            for point, count in facts.contributes(name).items():
                found.setdefault(point, []).append(f"{name} ({count})")
    return found


def _events(facts: Facts) -> list[str]:
    return sorted({event for name in facts.names if facts.manifest(name) for event in facts.events(name)})


def lines(tree: Tree, before: str = "") -> Iterator[str]:
    """The tree, drawn."""
    for place, (name, below) in enumerate(tree, 1):
        last = place == len(tree)
        yield f"{before}{'└─ ' if last else '├─ '}{name}"
        yield from lines(below, before + ("   " if last else "│  "))
