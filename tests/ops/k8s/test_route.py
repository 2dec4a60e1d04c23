"""The HTTPRoute and its KongPlugins mean what ops/kong/kong.yml means, less what needs the keys of the ring."""

from itertools import product
from typing import Any

import pytest

from tests.ops.gateway.kong import document, known
from tests.ops.k8s.rendered import KUBECTL, Object, objects, of

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
PAIRS = [("route", "overlays/production"), ("overlays/staging", "overlays/staging")]
"""Where the route lies, and where its plugins."""
GROUP, ANNOTATION = "configuration.konghq.com", "konghq.com/plugins"
FIELDS = {"apiVersion", "kind", "metadata", "plugin", "config"}
"""Those that are used of what a KongPlugin may have. It has no `spec`."""
CLUSTERS_OWN, OF_KEYS = "health", {"jwt", "pre-function"}
BY_TOKEN = {"second": 100, "limit_by": "header", "header_name": "Authorization", "policy": "local"}


def plugins(folder: str) -> dict[str, Object]:
    """By name."""
    return {one["metadata"]["name"]: one for one in objects(folder) if one["kind"] == "KongPlugin"}


def rules(folder: str) -> list[Object]:
    """In their order."""
    return list(of(folder, "HTTPRoute")["spec"]["rules"])


def named(folder: str, rule: Object) -> list[str]:
    """The KongPlugins that hold for a rule: those of the whole route, then its own."""
    everywhere = of(folder, "HTTPRoute")["metadata"]["annotations"][ANNOTATION].split(",")
    for one in rule["filters"]:
        assert one["type"] == "ExtensionRef"
        assert (one["extensionRef"]["group"], one["extensionRef"]["kind"]) == (GROUP, "KongPlugin")
    return everywhere + [one["extensionRef"]["name"] for one in rule["filters"]]


def of_kong() -> list[dict[str, Any]]:
    """The routes of kong.yml that lead to the shop, but for the one that is the cluster's own business here."""
    (service,) = document()["services"]
    return [one for one in service["routes"] if one["name"] != CLUSTERS_OWN]


def matches(route: dict[str, Any]) -> list[Object]:
    """Of a route of kong.yml, as a rule would have them."""
    paths = [("RegularExpression", path[1:]) if path[0] == "~" else ("PathPrefix", path) for path in route["paths"]]
    return [
        ({"method": method} if method else {}) | {"path": {"type": kind, "value": value}}
        for method, (kind, value) in product(route.get("methods", [None]), paths)
    ]


@pytest.mark.parametrize("folder", [folder for folder, _ in PAIRS])
def test_the_rules_open_the_paths_of_kong_yml_and_no_others(folder: str) -> None:
    for rule, route in zip(rules(folder), of_kong(), strict=True):
        assert rule["matches"] == matches(route), route["name"]
        assert rule["backendRefs"] == rules(folder)[0]["backendRefs"], "a switch is one for all of them"
        (service,) = document()["services"]
        assert rule["timeouts"] == {"backendRequest": f"{service['read_timeout'] // 1000}s"}


@pytest.mark.parametrize(("folder", "shop"), PAIRS)
def test_each_rule_has_the_plugins_and_figures_of_kong_yml(folder: str, shop: str) -> None:
    for rule, route in zip(rules(folder), of_kong(), strict=True):
        there = {one["name"]: one["config"] for one in (*document()["plugins"], *route.get("plugins", ()))}
        if OF_KEYS & there.keys():  # what proves tokens does not run here, so nothing that they say may be counted
            assert there["rate-limiting"]["second"] == BY_TOKEN["second"]
            there = {name: there[name] for name in there.keys() - OF_KEYS} | {"rate-limiting": BY_TOKEN}
        here = [plugins(shop)[name] for name in named(folder, rule)]
        assert len(here) == len({one["plugin"] for one in here}), "Kong takes one of a kind for a route"
        assert {one["plugin"]: one["config"] for one in here} == there, route["name"]


@pytest.mark.parametrize(("folder", "shop"), PAIRS)
def test_every_plugin_is_used_and_of_the_routes_own_namespace(folder: str, shop: str) -> None:
    assert {name for rule in rules(folder) for name in named(folder, rule)} == plugins(shop).keys()
    assert {one["metadata"]["namespace"] for one in (of(folder, "HTTPRoute"), *plugins(shop).values())} == {
        "vurksha-staging" if shop == "overlays/staging" else "vurksha"
    }


def test_a_plugin_has_the_fields_and_settings_that_there_are() -> None:
    for one in plugins("overlays/production").values():
        assert one["apiVersion"] == f"{GROUP}/v1"
        assert one.keys() == FIELDS
        known(one["plugin"], one["config"])


@pytest.mark.parametrize("color", ["blue", "green"])
def test_a_colours_service_says_nothing_to_kong(color: str) -> None:
    service = of(f"overlays/{color}", "Service")
    assert not [name for name in service["metadata"].get("annotations", ()) if "konghq.com" in name], (
        "its controller leaves out a route whose Services differ in such annotations, as two releases may"
    )
