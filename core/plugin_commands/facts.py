"""What the loaded plugins declare, as people and programs want it."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.events.model import Event
from core.extensions import Point
from core.http.routing import Files, Route
from core.isolation.model import PluginState
from core.kernel import Manifest
from core.plugin_declared import package_of
from core.plugin_finding import manifest_of

if TYPE_CHECKING:
    from core.app import App

LEFT_OUT, LOADED, UNKNOWN = "left out", "loaded", "unknown"


class Facts:
    """Of one app that is not started."""

    def __init__(self, app: "App", states: Mapping[str, PluginState] | None = None) -> None:
        """`states` say who is put aside; None where that is not known."""
        self.app, self.plugins, self.states = app, app.plugins, states

    @property
    def names(self) -> list[str]:
        """In dependency order, those that were left out last."""
        return [*(manifest.name for manifest in self.plugins.manifests), *sorted(self.plugins.left_out)]

    def manifest(self, name: str) -> Manifest | None:
        """That of a loaded plugin."""
        return next((one for one in self.plugins.manifests if one.name == name), None)

    def package(self, name: str) -> str:
        """Where a loaded plugin's modules lie."""
        return next(package_of(one) for one in self.plugins.all if manifest_of(one).name == name)

    def state(self, name: str) -> tuple[str, str]:
        """Its state and why it is in it."""
        if name in self.plugins.left_out:
            return LEFT_OUT, self.plugins.left_out[name]
        if self.states is None:
            return LOADED, ""
        aside = self.states.get(name)
        return (aside.state, f"{aside.reason} ({aside.by})") if aside else (LOADED, "")

    def asked(self, name: str, hook: str) -> list[Any]:
        """What one plugin answered to a hook that asks for a list."""
        return [one for manifest, listed in self.plugins.ask(hook) if manifest.name == name for one in listed]

    def routes(self, name: str) -> list[str]:
        """Method and path of each; folders of files as such."""
        return [_route(one) for one in self.asked(name, "routes")]

    def dependents(self, name: str) -> list[str]:
        """Who requires it, directly or through others, in dependency order."""
        found = {name}
        for manifest in self.plugins.manifests:
            if found & set(manifest.requires):
                found.add(manifest.name)
        return [one for one in self.names if one in found - {name}]

    def hears(self, name: str) -> dict[str, list[str]]:
        """Event types by consumer."""
        found: dict[str, list[str]] = {}
        for one in self.asked(name, "subscriptions"):
            found.setdefault(one.consumer, []).append(one.event.event_type)
        return found

    def listeners(self, event_type: str) -> list[str]:
        """Plugins that hear of an event."""
        return [name for name in self.names if any(event_type in types for types in self.hears(name).values())]

    def events(self, name: str) -> list[str]:
        """Event types that it declares in its `ports`."""
        own = f"{self.package(name)}."
        classes = [cls for cls in self.declared(name, type) if _is_event(cls) and f"{cls.__module__}.".startswith(own)]
        return sorted({cls.event_type for cls in classes})

    def points(self, name: str) -> list[str]:
        """Extension points that it declares."""
        return sorted(one.name for one in self.declared(name, Point) if one.name.startswith(f"{name}."))

    def declared(self, name: str, kind: type) -> Iterator[Any]:
        """What its `ports` hold of a kind."""
        yield from (value for _, value in self.named(name, kind))

    def named(self, name: str, kind: type) -> Iterator[tuple[str, Any]]:
        """The same, with the names of the variables."""
        module = sys.modules.get(f"{self.package(name)}.ports")
        for variable, value in vars(module).items() if module else ():
            if isinstance(value, kind):
                yield variable, value

    def provides(self, name: str) -> list[str]:
        """Names of its ports."""
        return sorted(port.name for port, owner in self.app.kernel.services.owners.items() if owner == name)

    def contributes(self, name: str) -> dict[str, int]:
        """How many things to which point."""
        given = self.app.kernel.extensions.all
        counts = {point.name: sum(one.plugin == name for one in listed) for point, listed in given.items()}
        return {point: count for point, count in sorted(counts.items()) if count}

    def migrations(self, name: str) -> list[str]:
        """Its files."""
        return [one.name for one in self.app.migrations if one.owner == name]

    def all(self, name: str) -> dict[str, object]:
        """Everything, for JSON."""
        manifest, (state, why) = self.manifest(name), self.state(name)
        if manifest is None:
            return {"name": name, "state": state, "why": why}
        return {
            "name": name,
            "version": manifest.version,
            "owner": manifest.owner,
            "required": manifest.required,
            "state": state,
            "why": why,
            "schema": manifest.schema,
            "requires": list(manifest.requires),
            "routes": self.routes(name),
            "ports": self.provides(name),
            "points": self.points(name),
            "contributes": self.contributes(name),
            "events": self.events(name),
            "hears": self.hears(name),
            "jobs": [one.name for one in self.asked(name, "jobs")],
            "migrations": self.migrations(name),
        }


def _route(one: Route | Files) -> str:
    return f"{one.method} {one.path}" if isinstance(one, Route) else f"GET {one.prefix}/..."


def _is_event(cls: type) -> bool:
    return issubclass(cls, Event) and hasattr(cls, "event_type")


def several(names: Sequence[str]) -> str:
    """A list on one line."""
    return ", ".join(names) or "nothing"
