"""Finding plugins: which names the settings ask for, which installed packages answer to them, what imports."""

import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

import attrs

from core.configuration import ALL
from core.isolation.culprit import home
from core.kernel import Manifest

GROUP = "vurksha.plugins"


class PluginError(Exception):
    """A plugin that cannot be loaded, with the reason in one line; several, one a line."""


@attrs.frozen
class Found:
    """What could be imported, and what could not, with the reason."""

    classes: Sequence[type]
    left_out: Mapping[str, str]

    def built(self) -> tuple[list[object], dict[str, str]]:
        """An object of each class, and all that are left out. Raises PluginError for a required one."""
        plugins: list[object] = []
        left_out = dict(self.left_out)
        for cls in self.classes:
            manifest = manifest_of(cls)
            try:
                plugins.append(cls())
            except (Exception, SystemExit) as error:
                if manifest.required:
                    raise PluginError(f"{manifest.name}: cannot be built: {told(error)}") from error
                left_out[manifest.name] = f"cannot be built: {told(error)}"
        return plugins, left_out


def told(error: BaseException) -> str:
    """An exception on one line, with the place where it was raised."""
    text = " ".join([f"{type(error).__name__}:", *str(error).split()]).rstrip(":")
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    return f"{text} ({frames[0].filename}:{frames[0].lineno})" if frames else text


def installed() -> Mapping[str, EntryPoint]:
    """Every plugin that an installed package brings, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def manifest_of(plugin: object) -> Manifest:
    """The manifest of a plugin or its class."""
    manifest = getattr(plugin, "manifest", None)
    if not isinstance(manifest, Manifest):
        raise PluginError(f"{plugin!r} has no manifest")
    return manifest


def search(names: Iterable[str], required: Iterable[str] = ()) -> Found:
    """Import the plugins that the settings name.

    Raises PluginError for a name that nobody installed, which is a slip, and for a required plugin that does not
    import. An optional one is left out.
    """
    known, needed = installed(), set(required)
    asked = list(dict.fromkeys(names))
    if ALL in asked:
        asked = [name for name in asked if name != ALL]
        asked += sorted(name for name in known if name not in asked)
    classes: list[type] = []
    left_out: dict[str, str] = {}
    wrong: list[str] = []
    for name in asked:
        if name not in known:
            wrong.append(f"no installed package has the entry point {name!r} in the group {GROUP!r}")
            continue
        try:
            classes.append(_loaded(name, known[name]))
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a module does when it is imported
            why = str(error) if isinstance(error, PluginError) else f"cannot be imported: {told(error)}"
            left_out[name] = why
            wrong += [f"{name}: {why}"] if name in needed else []
    needed |= {manifest.name for manifest in map(manifest_of, classes) if manifest.required}
    for name, why in _sharing(classes, needed):
        left_out[name] = why
        wrong += [f"{name}: {why}"] if name in needed else []
    if wrong:
        raise PluginError("\n".join(wrong))
    return Found([cls for cls in classes if manifest_of(cls).name not in left_out], left_out)


def _sharing(classes: Iterable[type], needed: Collection[str]) -> Iterator[tuple[str, str]]:
    """Who has to go because another is there already: of one folder's code nobody could say whose it is (ADR 22)."""
    owners: dict[Path, str] = {}
    for cls in sorted(classes, key=lambda cls: manifest_of(cls).name not in needed):  # what is required stays
        name = manifest_of(cls).name
        if (owner := owners.setdefault(home(cls), name)) != name:
            yield name, f"lies in the folder of {owner}, {home(cls)}: each plugin needs one of its own"


def _loaded(name: str, point: EntryPoint) -> type:
    cls = cast("type", point.load())
    manifest = getattr(cls, "manifest", None)
    if not isinstance(manifest, Manifest) or not isinstance(cls, type):
        raise PluginError(f"{point.value} is no class with a manifest")
    if manifest.name != name:
        raise PluginError(f"its entry point is {name!r} and its manifest says {manifest.name!r}")
    home(cls)  # raises for code that lies nowhere
    return cls


def find(names: Iterable[str]) -> list[type]:
    """The plugin classes behind some names. Raises PluginError for any that cannot be imported."""
    asked = list(names)
    return list(search(asked, required=asked).classes)
