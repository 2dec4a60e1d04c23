"""Loading plugins: order, requirements, and what pluggy refuses."""

from typing import Any, ClassVar

import pytest

from core.hookspecs import hookimpl
from core.kernel import Manifest
from core.plugins import PluginError, Plugins, find, ordered


def make(name: str, *requires: str, **hooks: Any) -> object:
    manifest = Manifest(name=name, version="1.0.0", schema=f"{name}s", requires=requires)
    return type(name, (), {"manifest": manifest, **{k: hookimpl(v) for k, v in hooks.items()}})()


def names(plugins: list[object]) -> list[str]:
    return [plugin.manifest.name for plugin in plugins]  # type: ignore[attr-defined]


def test_dependencies_come_first_whatever_the_order_given() -> None:
    cart, product, order = make("cart", "product"), make("product"), make("order", "cart", "product")
    for given in ([cart, product, order], [order, cart, product]):
        assert names(ordered(given)) == ["product", "cart", "order"]


def test_missing_and_circular_requirements_are_named() -> None:
    with pytest.raises(PluginError, match="cart requires product"):
        ordered([make("cart", "product")])
    with pytest.raises(PluginError, match=r"a -> b -> a|b -> a -> b"):
        ordered([make("a", "b"), make("b", "a")])


def test_a_plugin_needs_a_manifest() -> None:
    with pytest.raises(PluginError, match="no manifest"):
        Plugins([object()])


def test_an_unknown_hook_is_refused() -> None:
    class Wrong:
        manifest: ClassVar = Manifest(name="wrong", version="1", schema="wrongs")

        @hookimpl
        def rotues(self) -> list[object]:
            return []

    with pytest.raises(Exception, match="rotues"):
        Plugins([Wrong()])


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
