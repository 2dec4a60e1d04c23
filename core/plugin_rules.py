"""What the loader holds manifests to: every name has one owner, and nobody starts without what it requires."""

import graphlib
import re
from collections.abc import Iterator, Mapping, Sequence

import attrs

from core.api import API_VERSION, OWN_RANGE
from core.kernel import Manifest
from core.settings import KERNEL_SECTIONS

NAME = re.compile(r"[a-z][a-z0-9_]*")
KERNEL_NAMES = frozenset({*KERNEL_SECTIONS, "core", "kernel", "plugins", "privacy"})
"""A plugin's name is also that of its settings and the beginning of what it declares."""
KERNEL_SCHEMAS = frozenset({"kernel", "public", "information_schema"})
ADMIN = "admin"
"""Routes for staff lie below it, and there below the paths of their plugin: `/admin/orders`."""
KERNEL_PATHS = frozenset({ADMIN, "api", "docs", "health", "openapi.json"})


@attrs.frozen
class Mistake:
    """What is wrong, and which plugin is to blame for it: another may be in the right."""

    plugin: str
    text: str
    shared: bool = False
    """Another plugin has a part in it: were that one away, all would be well."""

    def __str__(self) -> str:
        return f"{self.plugin}: {self.text}"


def paths_of(manifest: Manifest) -> tuple[str, ...]:
    """First segments of the plugin's routes."""
    return manifest.paths or (manifest.name,)


def events_of(manifest: Manifest) -> tuple[str, ...]:
    """First parts of the plugin's event types."""
    return manifest.events or (manifest.name,)


def of_manifests(manifests: Sequence[Manifest], absent: Mapping[str, str]) -> list[Mistake]:
    """All of them at once. `absent` are the plugins that were left out."""
    found = [Mistake(each.name, text) for each in manifests for text in _alone(each)]
    found += [*_clashes(manifests), *_conflicts(manifests)]
    return [*found, *_requirements(manifests, absent), *_circle(manifests)]


def suits(specifier: str) -> bool:
    """Whether a range of API versions (PEP 440) holds that of this kernel. Raises ValueError for what is no range."""
    if specifier == OWN_RANGE:
        return True  # without the import below, which takes a twentieth of the whole start
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415  as above

    return API_VERSION in SpecifierSet(specifier)


def _alone(manifest: Manifest) -> Iterator[str]:
    if not NAME.fullmatch(manifest.name) or manifest.name in KERNEL_NAMES:
        yield f"{manifest.name!r} is no name for a plugin: lower case, and none of the kernel's own"
    if not NAME.fullmatch(manifest.schema) or manifest.schema in KERNEL_SCHEMAS or manifest.schema.startswith("pg_"):
        yield f"{manifest.schema!r} is no name for its schema: lower case, and none of the database's own"
    yield from (f"the path {one!r} is the kernel's" for one in manifest.paths if one in KERNEL_PATHS)
    try:
        if not suits(manifest.api):
            yield f"works with API versions {manifest.api}, and this kernel has {API_VERSION}"
    except ValueError:
        yield f"its range of API versions, {manifest.api!r}, cannot be read"


def _clashes(manifests: Sequence[Manifest]) -> Iterator[Mistake]:
    owners: dict[tuple[str, str], Manifest] = {}
    for manifest in manifests:
        claims = [("name", manifest.name), ("schema", manifest.schema)]
        claims += [("path", one) for one in paths_of(manifest)]
        claims += [("event prefix", one) for one in events_of(manifest)]
        for claim in claims:
            other = owners.setdefault(claim, manifest)
            if other is not manifest:
                wrong, right = _blamed(other, manifest)
                yield Mistake(wrong.name, f"the {claim[0]} {claim[1]!r} belongs to {right.name}", shared=True)


def _conflicts(manifests: Sequence[Manifest]) -> Iterator[Mistake]:
    by_name = {manifest.name: manifest for manifest in manifests}
    told = set()
    for one in manifests:
        for name in one.conflicts:
            pair = frozenset((one.name, name))
            if (other := by_name.get(name)) is not None and pair not in told:
                told.add(pair)
                first, second = sorted((one, other), key=manifests.index)
                wrong, right = _blamed(first, second)
                text = f"does not go together with {right.name}, by the manifest of {one.name}"
                yield Mistake(wrong.name, text, shared=True)


def _blamed(first: Manifest, second: Manifest) -> tuple[Manifest, Manifest]:
    """Of two that cannot both stay: who goes, and who stays. What is required stays, else who was there first."""
    return (first, second) if second.required and not first.required else (second, first)


def _requirements(manifests: Sequence[Manifest], absent: Mapping[str, str]) -> Iterator[Mistake]:
    by_name = {manifest.name: manifest for manifest in manifests}
    for one in manifests:
        for name in one.requires:
            if name not in by_name:
                why = "was left out" if name in absent else "is not loaded"
                yield Mistake(one.name, f"requires {name}, which {why}")
            elif one.required and not by_name[name].required:
                yield Mistake(one.name, f"is required itself, but requires {name}, which is optional")


def _circle(manifests: Sequence[Manifest]) -> Iterator[Mistake]:
    try:
        graphlib.TopologicalSorter({one.name: one.requires for one in manifests}).prepare()
    except graphlib.CycleError as error:
        way = " -> ".join(error.args[1])
        yield from (Mistake(name, f"plugins require each other: {way}") for name in sorted(set(error.args[1])))
