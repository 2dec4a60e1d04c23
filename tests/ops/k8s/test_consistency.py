from itertools import product

import pytest

from ops.deploying.kubernetes import APP
from ops.deploying.model import COLORS
from tests.ops.k8s.rendered import KUBECTL, Object, container, labels, objects, of, takes

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
REPLICAS = ("overlays/blue", "overlays/green", "overlays/staging")
JOBS = ("migration/expand", "migration/plan", "overlays/staging")
WORKLOADS = [*((folder, "Deployment") for folder in REPLICAS), *((folder, "Job") for folder in JOBS)]


def selectors(folder: str) -> dict[str, Object]:
    """Whatever chooses pods, by its kind."""
    pod = of(folder, "Deployment")["spec"]["template"]["spec"]
    spread = pod["topologySpreadConstraints"]
    return {
        "Deployment": of(folder, "Deployment")["spec"]["selector"]["matchLabels"],
        "Service": of(folder, "Service")["spec"]["selector"],
        "PodDisruptionBudget": of(folder, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        **{one["topologyKey"]: one["labelSelector"]["matchLabels"] for one in spread},
    }


@pytest.mark.parametrize(("folder", "other"), list(product(REPLICAS[:2], REPLICAS[:2])))
def test_a_colour_chooses_its_own_pods_and_no_others(folder: str, other: str) -> None:
    assert len(selectors(folder)) == 5
    for what, selector in selectors(folder).items():
        assert selector, what
        assert takes(selector, labels(other)) is (folder == other), what


def test_nothing_that_chooses_replicas_chooses_migrations() -> None:
    for selector in (*selectors("overlays/staging").values(), *selectors("overlays/blue").values()):
        assert not takes(selector, labels("migration/expand", "Job"))


@pytest.mark.parametrize("folder", REPLICAS)
def test_the_autoscaler_names_its_deployment_which_has_no_count_of_its_own(folder: str) -> None:
    target, deployment = of(folder, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"], of(folder, "Deployment")
    assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]


def test_the_names_are_those_that_ops_deploy_uses() -> None:
    for color in COLORS:
        folder = f"overlays/{color}"
        assert {of(folder, kind)["metadata"]["name"] for kind in ("Deployment", "Service")} == {f"{APP}-{color}"}
        assert labels(folder)["color"] == color
        assert container(folder)["image"].partition(":")[0] == APP
    assert of("migration/expand", "Job")["metadata"]["name"] == f"{APP}-expand"
    assert of("migration/plan", "Job")["metadata"]["name"] == f"{APP}-plan"
    assert container("migration/expand", "Job")["args"] == ["migrate", "--expand"]
    assert container("migration/plan", "Job")["args"] == ["migrate", "--expand", "--plan"]
    refs = of("route", "HTTPRoute")["spec"]["rules"][0]["backendRefs"]
    assert [(ref["name"], ref["weight"]) for ref in refs] == [(f"{APP}-blue", 100), (f"{APP}-green", 0)]


@pytest.mark.parametrize("folder", [*REPLICAS[:2], "route"])
def test_what_the_route_names_is_there(folder: str) -> None:
    refs = of("route", "HTTPRoute")["spec"]["rules"][0]["backendRefs"]
    for color, ref in zip(COLORS, refs, strict=True):
        service = of(f"overlays/{color}", "Service")
        assert (ref["name"], ref["port"]) == (service["metadata"]["name"], service["spec"]["ports"][0]["port"])
    (staged,) = of("overlays/staging", "HTTPRoute")["spec"]["rules"][0]["backendRefs"]
    assert staged == {"name": of("overlays/staging", "Service")["metadata"]["name"], "port": 80}


@pytest.mark.parametrize(("folder", "kind"), WORKLOADS, ids=str)
def test_the_pod_keeps_to_the_restricted_standard(folder: str, kind: str) -> None:
    pod, box = of(folder, kind)["spec"]["template"]["spec"], container(folder, kind)
    assert pod["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip
    assert box["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert all({"secret", "configMap", "emptyDir"} & volume.keys() for volume in pod["volumes"])
    namespace = of("overlays/production", "Namespace")["metadata"]["labels"]
    assert namespace["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("folder", ["overlays/production", "overlays/staging"])
def test_nobody_comes_in_but_the_gateway_and_to_operations_but_prometheus(folder: str) -> None:
    policies = [one["spec"] for one in objects(folder) if one["kind"] == "NetworkPolicy"]
    (closed,) = [one for one in policies if one["podSelector"] == {}]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    doors = {
        port["port"]: source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for one in policies
        for rule in one.get("ingress", [])
        for port in rule["ports"]
        for source in rule["from"]
    }
    assert doors == {"http": "kong", "operations": "monitoring"}
    assert set(doors) == {port["name"] for port in container("overlays/green")["ports"]}
    pods = [labels("overlays/green"), labels("migration/expand", "Job")]
    out = [one for one in policies if "egress" in one]
    for one in out:
        assert any(takes(one["podSelector"]["matchLabels"], pod) for pod in pods)
    for_all = next(one for one in out if takes(one["podSelector"]["matchLabels"], pods[1]))
    assert takes(for_all["podSelector"]["matchLabels"], pods[0]), "migrations and replicas reach the database"
    assert 5432 in {port["port"] for rule in for_all["egress"] for port in rule["ports"]}
    assert len(out) == 2
    assert not takes(next(one for one in out if one is not for_all)["podSelector"]["matchLabels"], pods[1])
