"""Finding plugins, ordering them by what they require, asking them what they declare."""

import graphlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

import pluggy

from core import hookspecs
from core.kernel import Kernel, Manifest

GROUP = "vurksha.plugins"


class PluginError(Exception):
    """A plugin that cannot be loaded, with the reason in one line."""


def find(names: Iterable[str]) -> list[type]:
    """The plugin classes behind the names in `config/*.toml`, by their entry points."""
    known = {point.name: point for point in entry_points(group=GROUP)}
    classes = []
    for name in names:
        if name not in known:
            raise PluginError(f"no installed package has the entry point {name!r} in the group {GROUP!r}")
        classes.append(cast("type", known[name].load()))
    return classes


def manifest_of(plugin: object) -> Manifest:
    """The plugin's manifest."""
    manifest = getattr(plugin, "manifest", None)
    if not isinstance(manifest, Manifest):
        raise PluginError(f"{plugin!r} has no manifest")
    return manifest


def ordered(plugins: Iterable[object]) -> list[object]:
    """Dependencies first. Raises PluginError for a missing or circular requirement."""
    by_name = {manifest_of(plugin).name: plugin for plugin in plugins}
    graph = {name: manifest_of(plugin).requires for name, plugin in by_name.items()}
    for name, requires in graph.items():
        for other in requires:
            if other not in by_name:
                raise PluginError(f"{name} requires {other}, which is not loaded")
    try:
        return [by_name[name] for name in graphlib.TopologicalSorter(graph).static_order()]
    except graphlib.CycleError as error:
        raise PluginError("plugins require each other: " + " -> ".join(error.args[1])) from None


class Plugins:
    """The loaded plugins in dependency order. Belongs to one app, like everything else."""

    def __init__(self, plugins: Iterable[object]) -> None:
        self.all = ordered(plugins)
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        for plugin in self.all:
            self._manager.register(plugin, manifest_of(plugin).name)
        self._manager.check_pending()

    @property
    def manifests(self) -> list[Manifest]:
        """In dependency order."""
        return [manifest_of(plugin) for plugin in self.all]

    def ask(self, hook: str, **arguments: object) -> Iterator[tuple[Manifest, Any]]:
        """What each plugin that implements the hook declares, in dependency order, one by one."""
        for plugin in self.all:
            others = [other for other in self.all if other is not plugin]
            for answer in self._manager.subset_hook_caller(hook, others)(**arguments):
                yield manifest_of(plugin), answer

    def declared(self, hook: str) -> list[Any]:
        """The same as one flat list, for hooks that answer sequences."""
        return [item for _, items in self.ask(hook) for item in cast("Sequence[Any]", items)]

    def provide(self, kernel: Kernel) -> None:
        """Build every plugin's services, dependencies first, collect what they contribute, and seal both registries."""
        for _, provided in self.ask("provides", kernel=kernel):
            for one in provided:
                kernel.services.add(one)
        kernel.services.seal()
        for manifest, contributed in self.ask("extends"):
            for one in contributed:
                kernel.extensions.add(manifest.name, one)
        kernel.extensions.seal()

    def migration_folders(self) -> Mapping[str, Path]:
        """The kernel's own folder first."""
        own = {"kernel": Path(__file__).parent / "store" / "migrations"}
        return own | {manifest.name: folder for manifest, folder in self.ask("migrations")}
