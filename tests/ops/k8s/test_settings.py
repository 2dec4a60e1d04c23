import re
from pathlib import Path

import pytest

from core.app import assembled
from core.serve import CLOSING, GRACE
from core.settings import BadSettings, StopSettings
from tests.ops.k8s.rendered import KUBECTL, ROOT, container, objects, of
from tests.ops.k8s.settings import built, environment, unknown

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
REPLICAS = ("overlays/blue", "overlays/green", "overlays/staging")
JOBS = ("migration/expand", "migration/plan", "overlays/staging")
WORKLOADS = [*((folder, "Deployment") for folder in REPLICAS), *((folder, "Job") for folder in JOBS)]
MEGABYTE = 2**20
UNDER_LOAD, AT_REST, GROWTH = 110, 81, 64
"""Megabytes of one replica, as measured, and the growth from which it looks for who grows (isolation.memory)."""


@pytest.mark.parametrize(("folder", "kind"), WORKLOADS, ids=str)
def test_the_app_takes_the_settings_it_is_given(folder: str, kind: str, tmp_path: Path) -> None:
    env = environment(folder, kind)
    assert unknown(env) == set()
    settings, _ = built(env, tmp_path)
    assert settings.environment == "production"
    assert settings.operations.host == "0.0.0.0"  # noqa: S104  a NetworkPolicy keeps others out


def test_the_settings_make_an_app(tmp_path: Path) -> None:
    settings, found = built(environment("overlays/green"), tmp_path)
    assert any("/payments/" in route.path for route in assembled(settings, found).routes)


@pytest.mark.parametrize("name", ["VURKSHA_HTTP__PROT", "VURKSHA_HTPP__PORT", "JWT_SECRETS", "VURKSHA_PORT"])
def test_a_name_that_the_app_does_not_know_is_found(name: str, tmp_path: Path) -> None:
    env = {**environment("overlays/green"), name: "1"}
    if unknown(env) != {name}:
        with pytest.raises(BadSettings, match="is no se"):
            built(env, tmp_path)


@pytest.mark.parametrize("folder", REPLICAS)
def test_ports_are_those_that_the_app_listens_on(folder: str) -> None:
    env = environment(folder)
    ports = {port["name"]: port["containerPort"] for port in container(folder)["ports"]}
    assert ports == {"http": int(env["PORT"]), "operations": int(env["VURKSHA_OPERATIONS__PORT"])}
    (way,) = of(folder, "Service")["spec"]["ports"]
    assert way["targetPort"] in ports
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container(folder)[probe]["httpGet"]["port"] == "http"


@pytest.mark.parametrize("folder", REPLICAS)
def test_the_staged_stop_fits_into_the_grace_period(folder: str) -> None:
    pod, stop = of(folder, "Deployment")["spec"]["template"]["spec"], StopSettings()
    before = container(folder)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= before + stop.drain + stop.finish + CLOSING + GRACE
    ready = container(folder)["readinessProbe"]
    assert ready["periodSeconds"] * ready["failureThreshold"] + ready["timeoutSeconds"] <= 3  # RELIABILITY 2
    assert ready["httpGet"]["path"] == "/health/ready"
    assert {container(folder)[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe")} == {
        "/health/live"
    }


@pytest.mark.parametrize("folder", REPLICAS)
def test_memory_fits_what_was_measured(folder: str) -> None:
    resources = container(folder)["resources"]
    request, limit = (int(resources[which]["memory"].removesuffix("Mi")) for which in ("requests", "limits"))
    assert request >= UNDER_LOAD
    assert limit >= (AT_REST + GROWTH) * 1.2
    (processor,) = of(folder, "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert processor["resource"]["target"]["averageValue"] == "600m"


@pytest.mark.parametrize(("folder", "kind"), WORKLOADS, ids=str)
def test_every_secret_is_a_file_that_somebody_brings(folder: str, kind: str) -> None:
    brought = {
        one["metadata"]["name"]: {row["secretKey"] for row in one["spec"]["data"]}
        for one in objects("overlays/staging" if "staging" in folder else "overlays/production")
        if one["kind"] == "ExternalSecret"
    }
    pod, box = of(folder, kind)["spec"]["template"]["spec"], container(folder, kind)
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    mounts = {mount["mountPath"]: secrets[mount["name"]] for mount in box["volumeMounts"] if mount["name"] in secrets}
    named = {one["name"]: one["value"] for one in box["env"] if one["name"].endswith("_FILE")}
    for path in named.values():
        place, _, key = path.rpartition("/")
        assert key in brought[mounts[place]], path
    if kind == "Deployment":
        assert {path.rpartition("/")[2] for path in named.values()} == brought["vurksha-secrets"]
    assert not [name for name in environment(folder, kind) if re.search("(SECRETS?|TOKEN|PEPPER|KEY)$", name)]


@pytest.mark.parametrize(("folder", "kind"), WORKLOADS, ids=str)
def test_the_database_has_to_prove_who_it_is(folder: str, kind: str) -> None:
    env = environment(folder, kind)
    assert env["PGSSLMODE"] == "verify-full", "for every URL that does not say otherwise"
    place, _, file = env["PGSSLROOTCERT"].rpartition("/")
    (mount,) = [mount for mount in container(folder, kind)["volumeMounts"] if mount["mountPath"] == place]
    volumes = {one["name"]: one for one in of(folder, kind)["spec"]["template"]["spec"]["volumes"]}
    # Of a name without a hash, made by whoever made the cluster; not optional: without it no pod starts.
    assert volumes[mount["name"]]["configMap"] == {"name": "database-ca"}
    readme = (ROOT / "ops/terraform/README.md").read_text()
    assert f"create configmap database-ca --from-file={file}=" in readme


@pytest.mark.parametrize("folder", ["overlays/production", "overlays/staging"])
def test_every_secret_is_one_that_terraform_makes(folder: str) -> None:
    text = (ROOT / "ops/terraform/modules/secrets/main.tf").read_text()
    made = {f"vurksha-{folder.partition('/')[2]}/{name}" for name in re.findall(r'"([a-z-]+)"', text)}
    for one in objects(folder):
        if one["kind"] == "ExternalSecret":
            assert {row["remoteRef"]["key"] for row in one["spec"]["data"]} <= made
