"""What the cluster's Prometheus gets: replicas to ask, under the name that rules and panels know, and the rules."""

import re

import pytest

from ops.prometheus.alerts import GROUPS
from ops.prometheus.model import REAL
from tests.ops.k8s.rendered import KUBECTL, container, labels, of, takes
from tests.ops.watching.boards import queries

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
SHOPS = {"overlays/production": ("overlays/blue", "overlays/green"), "overlays/staging": ("overlays/staging",)}
JOB = re.compile(r'\bjob\s*=~?\s*"([^"]*)"')
SERIES = re.compile(r"\b[a-z]+[_:][a-z0-9_:]+\b(?!\s*\()")
"""Names that are no function's."""
OWN = ("vurksha_", "vurksha:", "process_")
"""Beginnings of what a replica tells, and of what rules record of it."""


def asked() -> list[str]:
    """Every question of rules and panels."""
    return [*(rule.expr for group in GROUPS for rule in group.rules), *(expr for *_, expr in queries())]


@pytest.mark.parametrize("shop", SHOPS)
def test_prometheus_asks_every_replica_with_the_token_and_knows_its_colour(shop: str) -> None:
    watched = of(shop, "PodMonitor")["spec"]
    assert all(takes(watched["selector"]["matchLabels"], labels(one)) for one in SHOPS[shop])
    assert not takes(watched["selector"]["matchLabels"], labels("migration/expand", "Job"))
    assert watched["podTargetLabels"] == ["color"]
    (way,) = watched["podMetricsEndpoints"]
    assert way["port"] in {port["name"] for port in container("overlays/green")["ports"]}
    key = way["authorization"]["credentials"]
    brought = of(shop, "ExternalSecret", key["name"])["spec"]["data"]
    assert key["key"] in {row["secretKey"] for row in brought}


@pytest.mark.parametrize("shop", SHOPS)
def test_replicas_are_the_job_that_rules_and_panels_ask_for(shop: str) -> None:
    watched = of(shop, "PodMonitor")["spec"]
    # The operator takes the job from this label of the pod; without it the job is <namespace>/<name of the PodMonitor>.
    given = {labels(one)[watched["jobLabel"]] for one in SHOPS[shop]}
    assert given == {job for expr in asked() for job in JOB.findall(expr)} == {"vurksha"}
    assert not [way for way in watched["podMetricsEndpoints"] if "relabelings" in way], "which could name it otherwise"


def test_nothing_is_asked_that_only_another_program_would_tell() -> None:
    names = {name for expr in asked() for name in SERIES.findall(re.sub(r'"[^"]*"|\$\w+', "", expr))}
    assert len(names) > 50
    assert [name for name in names if not name.startswith(OWN)] == []


@pytest.mark.parametrize("shop", SHOPS)
def test_the_rules_of_the_cluster_are_all_the_rules_there_are(shop: str) -> None:
    rules = of(shop, "PrometheusRule")
    assert rules["spec"]["groups"] == [group.rendered(REAL) for group in GROUPS]
    assert rules["metadata"]["namespace"] == of(shop, "PodMonitor")["metadata"]["namespace"]
