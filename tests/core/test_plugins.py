"""Loading plugins: order, requirements, what stops the start and what is gone without."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest

from core.api import API_VERSION
from core.app import App
from core.events.bus import Bus
from core.events.inbox import InboxRows
from core.events.subscription import Subscription
from core.extensions import Extends, Extensions, Point
from core.hookspecs import hookimpl
from core.kernel import Kernel, Manifest
from core.plugin_finding import Found, search, told
from core.plugins import PluginError, Plugins, find, ordered
from core.services import Port, Provided, Services
from core.settings import BadSettings
from tests.core.events.samples import ParcelArrived
from tests.core.harness import settings_of
from tests.core.http.probe import ProbePlugin

GREETINGS: Point[str] = Point("b.greetings")
VOICE: Port[str] = Port("a.voice")


def make(name: str, *requires: str, required: bool = False, **hooks: Any) -> Any:
    manifest = Manifest(name=name, version="1.0.0", schema=f"{name}s", requires=requires, required=required)
    return type(name, (), {"manifest": manifest, **{k: hookimpl(v) for k, v in hooks.items()}})()


def names(plugins: Iterable[Any]) -> list[str]:
    return [plugin.manifest.name for plugin in plugins]


def fail(*_: object) -> None:
    raise LookupError("no luck")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """One with empty registries, never opened."""
    app = App(settings_of("postgresql:///none", "redis://none", tmp_path), [ProbePlugin()])
    return attrs.evolve(app.kernel, services=Services(), extensions=Extensions())


def test_dependencies_come_first_whatever_the_order_given() -> None:
    cart, product, order = make("cart", "product"), make("product"), make("order", "cart", "product")
    for given in ([cart, product, order], [order, cart, product]):
        assert names(ordered(given)) == ["product", "cart", "order"]


def test_a_plugin_that_lacks_what_it_requires_is_left_out_with_those_that_require_it() -> None:
    plugins = Plugins([make("gift", "cart"), make("cart", "product"), make("user")])
    assert names(plugins.all) == ["user"]
    assert plugins.left_out == {
        "cart": "requires product, which is not loaded",
        "gift": "requires cart, which was left out",
    }


def test_a_required_one_stops_the_start_with_every_mistake() -> None:
    with pytest.raises(PluginError) as caught:
        Plugins([make("cart", "product", required=True), make("order", "stock", required=True)])
    assert str(caught.value).splitlines() == [
        "cart: requires product, which is not loaded",
        "order: requires stock, which is not loaded",
    ]


def test_plugins_that_require_each_other_are_left_out_or_stop_the_start() -> None:
    assert set(Plugins([make("a", "b"), make("b", "a")]).left_out) == {"a", "b"}
    with pytest.raises(PluginError, match=r"a -> b -> a|b -> a -> b"):
        Plugins([make("a", "b", required=True), make("b", "a", required=True)])


def test_a_plugin_needs_a_manifest() -> None:
    with pytest.raises(PluginError, match="no manifest"):
        Plugins([object()])


@pytest.mark.parametrize("required", [False, True])
def test_an_unknown_hook_is_a_mistake(required: bool) -> None:
    class Wrong:
        manifest: ClassVar = Manifest(name="wrong", version="1", schema="wrongs", required=required)

        @hookimpl
        def rotues(self) -> list[object]:
            return []

    if required:
        with pytest.raises(PluginError, match="unknown hook 'rotues'"):
            Plugins([Wrong()])
    else:
        assert "unknown hook 'rotues'" in Plugins([Wrong()]).left_out["wrong"]


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(PluginError, match="'nothing'"):
        find(["nothing"])


def test_the_five_domains_are_found() -> None:
    assert len(find(["user", "product", "cart", "order", "notification"])) == 5


def test_answers_are_told_apart_by_plugin() -> None:
    plugins = Plugins([make("a", routes=lambda _: [1, 2]), make("b"), make("c", "a", routes=lambda _: [3])])
    assert [(m.name, answer) for m, answer in plugins.ask("routes")] == [("a", [1, 2]), ("c", [3])]
    assert plugins.declared("routes") == [1, 2, 3]
    assert [m.name for m in plugins.manifests] == ["a", "b", "c"]


@pytest.mark.parametrize("hook", ["provides", "extends", "routes", "migrations", "subscriptions", "jobs", "lifespan",
                                  "health_checks", "personal_data", "seeds"])  # fmt: skip
def test_an_optional_plugin_whose_hook_raises_is_left_out_and_the_rest_goes_on(
    kernel: Kernel, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(*_: object, **__: object) -> None:
        raise LookupError("no luck")

    hooks: dict[str, Any] = {hook: bad}
    plugins = Plugins([make("a", provides=lambda _: [Provided(VOICE, "tenor")]), make("b", "a"), make("c")])
    plugins = Plugins([make("bad", **hooks), *plugins.all, make("d", "bad")])
    with caplog.at_level(logging.ERROR):
        plugins.provide(kernel)
        plugins.declared("seeds")
    assert names(plugins.all) == ["a", "b", "c"]
    assert plugins.left_out["bad"].startswith(f"its hook `{hook}` failed: LookupError: no luck (")
    assert plugins.left_out["d"] == "requires bad, which was left out"
    assert "plugin bad is left out" in caplog.text
    assert kernel.services.get(VOICE) == "tenor"


def test_a_required_plugin_whose_hook_raises_stops_the_start(kernel: Kernel) -> None:
    with pytest.raises(PluginError, match="bad: its hook `routes` failed: LookupError: no luck"):
        Plugins([make("bad", required=True, routes=fail)]).provide(kernel)


def test_settings_that_a_required_plugin_refuses_are_told_in_its_words(kernel: Kernel) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BadSettings(["bad.key is missing"])

    with pytest.raises(BadSettings, match=r"bad\.key is missing"):
        Plugins([make("bad", required=True, provides=refuse)]).provide(kernel)


def test_what_a_plugin_gave_goes_with_it(kernel: Kernel) -> None:
    bad = make("a", provides=lambda _: [Provided(VOICE, "tenor")], extends=lambda _: [Extends(GREETINGS, "hello")],
               jobs=fail)  # fmt: skip
    plugins = Plugins([bad, make("b", extends=lambda _: [Extends(GREETINGS, "namaste")])])
    plugins.provide(kernel)
    assert (names(plugins.all), kernel.services.has(VOICE)) == (["b"], False)
    assert [one.item for one in kernel.extensions.of(GREETINGS)] == ["namaste"]


def test_what_is_no_contribution_is_a_mistake(kernel: Kernel) -> None:
    plugins = Plugins([make("a", extends=lambda _: ["hello"])])
    plugins.provide(kernel)
    assert "a contribution is an Extends, not str" in plugins.left_out["a"]


@pytest.mark.parametrize("required", [False, True])
def test_of_two_who_claim_one_consumer_the_required_or_the_first_keeps_it(kernel: Kernel, required: bool) -> None:
    """Both names fit into it, and the bus would not start with both."""

    def hears(*_: object) -> list[Subscription]:
        return [Subscription("shop.payments", ParcelArrived, handle)]

    shop, pay = make("shop", required=True), make("pay", "shop", subscriptions=hears)
    payment = make("payment", "shop", required=required, subscriptions=hears)
    plugins = Plugins([shop, pay, payment])
    plugins.provide(kernel)
    keeps, goes = ("payment", "pay") if required else ("pay", "payment")
    assert plugins.left_out == {goes: f"the consumer shop.payments belongs to {keeps}"}
    Bus(InboxRows(kernel.db), kernel.tasks, plugins.declared("subscriptions"))


async def handle(*_: object) -> None:
    """Nothing."""


def test_paths_of_who_was_left_out_are_known_by_manifest_or_name() -> None:
    gone = make("gone", "nobody")
    gone.manifest = attrs.evolve(gone.manifest, paths=("gifts", "cards", "b"))
    plugins = Plugins([gone, make("b")], {"broken": "cannot be imported"})
    assert plugins.absent_paths() == {"gifts": "gone", "cards": "gone", "broken": "broken"}


class Fussy:
    """A plugin that cannot be built."""

    manifest = Manifest(name="fussy", version="1", schema="fussy")

    def __init__(self) -> None:
        raise SystemExit("not today")


def test_a_plugin_that_cannot_be_built_is_left_out_or_stops_the_start() -> None:
    class Needed(Fussy):
        manifest = attrs.evolve(Fussy.manifest, required=True)

    plugins, left_out = Found([Fussy], {"other": "gone"}).built()
    assert plugins == []
    assert left_out.pop("fussy").startswith("cannot be built: SystemExit: not today (")
    assert left_out == {"other": "gone"}
    with pytest.raises(PluginError, match="fussy: cannot be built"):
        Found([Needed], {}).built()


def test_an_error_is_told_on_one_line() -> None:
    assert told(ValueError("a\n  b")) == "ValueError: a b"
    assert told(ValueError()) == "ValueError"


class Site:
    """A folder of installed packages with plugins in them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        monkeypatch.syspath_prepend(str(folder))

    def install(self, name: str, code: str, place: str = "") -> None:
        package = self._folder / f"{name}-1.0.0.dist-info"
        package.mkdir()
        (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n")
        (package / "entry_points.txt").write_text(f"[vurksha.plugins]\n{name} = {place or name + ':Plugin'}\n")
        (self._folder / f"{name}.py").write_text(code)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An empty one."""
    return Site(tmp_path, monkeypatch)


GOOD = "from core.kernel import Manifest\nclass Plugin:\n    manifest = Manifest(name={!r}, version='1', schema='zs')\n"


def test_installed_plugins_are_found_by_name_and_all_of_them_by_a_star(site: Site) -> None:
    site.install("zebra", GOOD.format("zebra"))
    site.install("yak", GOOD.format("yak"))
    assert names(search(["zebra"]).classes) == ["zebra"]
    found = names(search(["zebra", "*"]).classes)
    assert found[0] == "zebra"
    assert {"yak", "user", "order"} <= set(found)
    assert len(found) == len(set(found))


def test_a_plugin_that_does_not_import_is_left_out_unless_it_is_required(site: Site) -> None:
    site.install("broken", "import no_such_thing")
    site.install("leaver", "raise SystemExit(3)")
    site.install("liar", GOOD.format("other"))
    site.install("empty", "", "empty:Nothing")
    site.install("plain", "Plugin = 3")
    names = ["broken", "leaver", "liar", "empty", "plain"]
    found = search(names)
    assert list(found.classes) == []
    assert list(found.left_out) == names
    assert found.left_out["broken"].startswith(
        "cannot be imported: ModuleNotFoundError: No module named 'no_such_thing'"
    )
    assert "broken.py:1)" in found.left_out["broken"]
    assert found.left_out["liar"] == "its entry point is 'liar' and its manifest says 'other'"
    assert found.left_out["plain"] == "plain:Plugin is no class with a manifest"
    with pytest.raises(PluginError) as caught:
        search([*names, "nobody"], required=["broken", "plain"])
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "broken", "plain", "no installed package has the entry point 'nobody' in the group 'vurksha.plugins'",
    ]  # fmt: skip


def test_the_default_range_of_a_manifest_holds_this_version() -> None:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415  as the loader does

    assert API_VERSION in SpecifierSet(Manifest(name="a", version="1", schema="a").api)
