"""The loaded plugins: put in order, held to the rules, asked what they declare.

What goes wrong with a required plugin stops the start, every mistake in one message. An optional one is left out, with
those that require it; the rest starts without them.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import pluggy

from core import hookspecs
from core.kernel import Kernel, Manifest
from core.plugin_declared import Accepted, Declared, mistakes, package_of
from core.plugin_finding import GROUP, PluginError, find, manifest_of, told
from core.plugin_rules import Mistake, of_manifests, paths_of
from core.settings import BadSettings
from core.store.schema import read

__all__ = ["GROUP", "PluginError", "Plugins", "find", "manifest_of", "ordered"]

ASKED = ("extends", "routes", "subscriptions", "jobs", "health_checks", "metrics")
LISTS = frozenset({"provides", *ASKED, "commands", "seeds"})
"""Hooks that answer sequences."""
AT_START = (*ASKED, "migrations", "lifespan", "personal_data")
"""Hooks whose answers are kept, so that each is called once."""
NOBODY: Mapping[str, str] = MappingProxyType({})
log = logging.getLogger("core.plugins")


def ordered(plugins: Iterable[object]) -> list[object]:
    """Dependencies first, and otherwise as given. None may require another in a circle."""
    by_name = {manifest_of(plugin).name: plugin for plugin in plugins}
    found: dict[str, object] = {}

    def take(name: str) -> None:
        if name in by_name and name not in found:
            for other in manifest_of(by_name[name]).requires:
                take(other)
            found[name] = by_name[name]

    for name in by_name:
        take(name)
    return list(found.values())


class Plugins:
    """The plugins of one app in dependency order, and those that it goes without."""

    def __init__(self, plugins: Iterable[object], left_out: Mapping[str, str] = NOBODY) -> None:
        """`left_out` are those that could not even be imported, with the reason. Raises PluginError."""
        self.left_out = dict(left_out)
        """Names and reasons, for people."""
        self._answers: dict[tuple[str, str], Any] = {}
        self._managers: dict[str, pluggy.PluginManager] = {}
        self._kernel: Kernel | None = None
        given = list(plugins)
        self._known = {manifest_of(plugin).name: manifest_of(plugin) for plugin in given}
        self.all = self._suitable(given)
        for plugin in list(self.all):
            with self.surviving(manifest_of(plugin), "its hooks"):
                self._managers[manifest_of(plugin).name] = _manager(plugin)

    def _suitable(self, plugins: list[object]) -> list[object]:
        """Those whose manifests agree, in order. One that goes may take others with it: look until all are content."""
        while wrong := of_manifests([manifest_of(one) for one in plugins], self.left_out):
            required = [manifest_of(one).name for one in plugins if manifest_of(one).required]
            _sentenced(wrong, required)
            gone = _sentenced([one for one in wrong if not one.shared] or wrong, ())
            for name, why in gone.items():
                self._note(name, why)
            plugins = [one for one in plugins if manifest_of(one).name not in gone]
        return ordered(plugins)

    def _note(self, name: str, why: str) -> None:
        self.left_out[name] = why
        log.error("plugin %s is left out: %s", name, why)

    @contextmanager
    def surviving(self, manifest: Manifest, what: str) -> Iterator[None]:
        """Leave a plugin out when the block fails. Raises PluginError, or BadSettings, for a required one."""
        try:
            yield
        except (Exception, SystemExit) as error:
            if manifest.required and isinstance(error, BadSettings | PluginError):
                raise
            why = str(error) if isinstance(error, PluginError) else f"{what} failed: {told(error)}"
            if manifest.required:
                raise PluginError(f"{manifest.name}: {why}") from error
            log.debug("plugin %s", manifest.name, exc_info=error)
            self.leave_out(manifest.name, why)

    def leave_out(self, name: str, why: str) -> None:
        """Go on without an optional plugin and without those that require it."""
        self._note(name, why)
        self.all = [one for one in self.all if manifest_of(one).name != name]
        if self._kernel is not None:
            self._kernel.services.drop(name)
            self._kernel.extensions.drop(name)
        for manifest in self.manifests:
            if name in manifest.requires and manifest.name not in self.left_out:
                self.leave_out(manifest.name, f"requires {name}, which was left out")

    @property
    def manifests(self) -> list[Manifest]:
        """In dependency order."""
        return [manifest_of(plugin) for plugin in self.all]

    def absent_paths(self) -> Mapping[str, str]:
        """Who was left out, by the first segments of the routes that are missing now.

        Those of a plugin that could not be imported are not known: its name stands for them.
        """
        taken = {path for manifest in self.manifests for path in paths_of(manifest)}
        return {
            path: name
            for name in self.left_out
            for path in (paths_of(self._known[name]) if name in self._known else (name,))
            if path not in taken
        }

    def ask(self, hook: str, **arguments: object) -> Iterator[tuple[Manifest, Any]]:
        """What each plugin that implements the hook declares, in dependency order, one by one."""
        for plugin in list(self.all):
            manifest = manifest_of(plugin)
            answers: list[Any] = []
            with self.surviving(manifest, f"its hook `{hook}`"):
                answers = self._asked(manifest.name, hook, arguments)
            for answer in answers:
                yield manifest, answer

    def _asked(self, name: str, hook: str, arguments: Mapping[str, object]) -> list[Any]:
        """Its one answer, in a list; an empty list if it does not implement the hook."""
        if (name, hook) in self._answers:
            return [self._answers[name, hook]]
        answers = self.anew(name, hook, **arguments)
        if answers and hook in AT_START:
            self._answers[name, hook] = answers[0]
        return answers

    def anew(self, name: str, hook: str, **arguments: object) -> list[Any]:
        """Ask one plugin, whatever it answered before. Raises what it raises."""
        call: Callable[..., list[Any]] = getattr(self._managers[name].hook, hook)
        answers = call(**arguments)
        return [list(answer) for answer in answers] if hook in LISTS else answers

    def declared(self, hook: str) -> list[Any]:
        """The same as one flat list, for hooks that answer sequences."""
        return [item for _, items in self.ask(hook) for item in cast("Sequence[Any]", items)]

    def provide(self, kernel: Kernel, kernel_of: Callable[[Manifest], Kernel] | None = None) -> None:
        """Build every plugin's services, dependencies first; collect what they contribute, then all that they declare.

        All of it is held to the rules. `kernel_of` makes the kernel that one plugin sees.
        """
        self._kernel, provided = kernel, {}
        for plugin in list(self.all):
            manifest = manifest_of(plugin)
            if manifest.name in self.left_out:  # with one that it requires
                continue
            with self.surviving(manifest, "its hook `provides`"):
                own = kernel_of(manifest) if kernel_of is not None else kernel
                answers = self.anew(manifest.name, "provides", kernel=own)
                provided[manifest.name] = answers[0] if answers else []
                for one in provided[manifest.name]:
                    kernel.services.add(one, manifest.name)
        kernel.services.seal()
        for manifest, contributed in list(self.ask("extends")):
            with self.surviving(manifest, "its hook `extends`"):
                for one in contributed:
                    kernel.extensions.add(manifest.name, one)
        kernel.extensions.seal()
        for hook in AT_START:
            list(self.ask(hook))
        self._judge(provided)

    def _judge(self, provided: Mapping[str, Sequence[Any]]) -> None:
        schemas = {manifest.name: manifest.schema for manifest in self.manifests}
        wrong, accepted = list[Mistake](), Accepted()
        for plugin in sorted(self.all, key=lambda one: not manifest_of(one).required):  # what these claim is theirs
            manifest = manifest_of(plugin)
            with self.surviving(manifest, "what it declares"):
                declared = self._declared(plugin, provided)
                if found := mistakes(declared, schemas, accepted):
                    wrong += [Mistake(manifest.name, text) for text in found]
                else:
                    accepted.add(declared)
        required = [manifest.name for manifest in self.manifests if manifest.required]
        for name, why in _sentenced(wrong, required).items():
            if name not in self.left_out:
                self.leave_out(name, why)

    def _declared(self, plugin: object, provided: Mapping[str, Sequence[Any]]) -> Declared:
        manifest = manifest_of(plugin)
        answers = {hook: answer for (name, hook), answer in self._answers.items() if name == manifest.name}
        answers["provides"] = provided.get(manifest.name, ())
        folder = answers.get("migrations")
        return Declared(
            manifest=manifest,
            package=package_of(plugin),
            answers=answers,
            migrations=read({manifest.name: folder}) if folder is not None else (),
        )

    def migration_folders(self) -> Mapping[str, Path]:
        """The kernel's own folder first."""
        own = {"kernel": Path(__file__).parent / "store" / "migrations"}
        return own | {manifest.name: folder for manifest, folder in self.ask("migrations")}


def _sentenced(wrong: Iterable[Mistake], required: Iterable[str]) -> dict[str, str]:
    """Who has to go, and why. Raises PluginError with all mistakes of required plugins."""
    reasons: dict[str, list[str]] = {}
    for one in wrong:
        reasons.setdefault(one.plugin, []).append(one.text)
    if fatal := [f"{name}: {text}" for name in required for text in reasons.get(name, ())]:
        raise PluginError("\n".join(fatal))
    return {name: "; ".join(texts) for name, texts in reasons.items()}


def _manager(plugin: object) -> pluggy.PluginManager:
    """One for each, so that who has a wrong hook is known. Raises pluggy's PluginValidationError."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, manifest_of(plugin).name)
    manager.check_pending()
    return manager
