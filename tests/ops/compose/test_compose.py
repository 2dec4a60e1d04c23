"""compose.yaml keeps its promises: locked down, bounded, pinned, stores private, no secret in it."""

import re
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from tests.architecture.code import ROOT
from tests.ops.gateway.kong import document

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "ops/compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
STORES = {"postgres", "redis", "rabbitmq"}
REPLICAS = [name for name in SERVICES if name.startswith("app-")]
SILENT = {"jaeger", "loki", "alloy", "migrate"}
"""Without a program inside that could ask them, or over before anybody asks."""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "logging", "restart"} <= service.keys()
    assert ("healthcheck" in service) is (name not in SILENT)


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned(name: str) -> None:
    image = SERVICES[name]["image"]
    ours = image == "${VURKSHA_IMAGE:-vurksha:dev}"
    assert ours or re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-bookworm)?", image), image


@pytest.mark.parametrize("name", SERVICES)
def test_only_this_machine_reaches_a_port_and_no_store_has_one(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert not ports or name in {"kong", "prometheus", "alertmanager", "grafana", "jaeger"}


def test_stores_are_reached_by_the_shop_alone() -> None:
    networks = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert all(COMPOSE["networks"][name]["internal"] for name in ("shop", "steering", "stores", "watch"))
    assert {name for name, those in networks.items() if "stores" in those} == {*STORES, *REPLICAS, "ring", "migrate"}
    assert all(networks[name] <= {"stores", "watch"} for name in STORES)
    assert {name for name, those in networks.items() if "steering" in those} == {"kong", "ring"}
    assert {name for name, those in networks.items() if "shop" in those} == {"kong", *REPLICAS}


def test_an_address_of_ones_own_is_given_to_nobody_else() -> None:
    for name, service in SERVICES.items():
        networks = service["networks"] if isinstance(service["networks"], dict) else {}
        for network, how in networks.items():
            if how:
                (given,) = COMPOSE["networks"][network]["ipam"]["config"]
                own, handed_out = ip_address(how["ipv4_address"]), ip_network(given["ip_range"])
                assert own in ip_network(given["subnet"])
                assert handed_out.subnet_of(ip_network(given["subnet"]))
                assert own not in handed_out, name


def test_three_replicas_are_alike_and_stand_behind_the_gateway() -> None:
    plain = [{key: value for key, value in SERVICES[name].items() if key != "hostname"} for name in REPLICAS]
    assert plain[0] == plain[1] == plain[2]
    targets = [target["target"] for target in document()["upstreams"][0]["targets"]]
    assert targets == [f"{name}:8000" for name in REPLICAS]
    trusted = SERVICES["app-1"]["environment"]["VURKSHA_HTTP__TRUSTED_PROXIES"]
    assert trusted == COMPOSE["networks"]["shop"]["ipam"]["config"][0]["subnet"]
    cors = next(one["config"]["origins"] for one in document()["plugins"] if one["name"] == "cors")
    assert SERVICES["app-1"]["environment"]["VURKSHA_HTTP__CORS_ORIGINS"] == ",".join(cors)


def test_kong_loads_what_its_file_uses_and_is_steered_by_the_ring_alone() -> None:
    read, env = document(), SERVICES["kong"]["environment"]
    routes = [*read["routes"], *read["services"][0]["routes"]]
    used = {plugin["name"] for place in (read, *routes) for plugin in place.get("plugins", ())}
    assert used == set(env["KONG_PLUGINS"].split(","))
    address = SERVICES["kong"]["networks"]["steering"]["ipv4_address"]
    assert env["KONG_ADMIN_LISTEN"] == f"{address}:8001"
    assert SERVICES["ring"]["entrypoint"][-1] == f"http://{address}:8001"
    assert env["KONG_STATUS_LISTEN"].startswith("127.0.0.1:")


def test_secrets_come_from_files_that_a_script_makes() -> None:
    made = (ROOT / "ops/secrets").read_text("utf-8")
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f".secrets/{name}"}
        assert name in made
    wanted = {one if isinstance(one, str) else one["source"] for s in SERVICES.values() for one in s.get("secrets", ())}
    assert wanted == COMPOSE["secrets"].keys()
    assert "ops/.secrets/" in (ROOT / ".gitignore").read_text("utf-8").split()
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|TOKEN|KEY|PEPPER", name) or value.startswith("/run/secrets/"), name


def test_whatever_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            if source.startswith("./"):
                assert (ROOT / "ops" / source).is_dir(), source
                assert mount.endswith(":ro")
            else:
                assert source in COMPOSE["volumes"] or source == "/var/run/docker.sock"
