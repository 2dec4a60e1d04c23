"""Staging is applied as a whole: what its replicas wait for must come with it, and be where they are."""

import re

import pytest

from tests.ops.k8s.rendered import KUBECTL, ROOT, container, labels, objects, of, takes

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
STAGING = "overlays/staging"
IMAGE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+/vurksha:staging")
"""With a registry's host: a name without one would be Docker Hub's."""


def test_the_image_is_a_registrys_and_the_same_for_all() -> None:
    assert IMAGE.fullmatch(container(STAGING)["image"])
    assert container(STAGING, "Job")["image"] == container(STAGING)["image"]


def test_the_schema_that_replicas_wait_for_comes_by_the_job_of_a_deploy() -> None:
    staged, deployed = (of(folder, "Job")["spec"] for folder in (STAGING, "migration/expand"))
    (mine,), (theirs,) = (spec["template"]["spec"].pop("containers") for spec in (staged, deployed))
    assert staged == deployed
    assert mine["envFrom"] == container(STAGING)["envFrom"], "settings as the replicas have them"
    assert mine == theirs | {key: mine[key] for key in ("image", "envFrom")}


def test_the_job_reaches_the_database_and_takes_no_requests() -> None:
    pods = labels(STAGING, "Job")
    way_out = of(STAGING, "NetworkPolicy", "names-and-stores")["spec"]
    assert takes(way_out["podSelector"]["matchLabels"], pods)
    assert not takes(of(STAGING, "Service")["spec"]["selector"], pods)
    assert not takes(of(STAGING, "PodMonitor")["spec"]["selector"]["matchLabels"], pods)


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_terraform_gives_its_role_to_the_namespace_that_pods_are_in(environment: str) -> None:
    variables, values = (
        (ROOT / "ops/terraform" / file).read_text() for file in ("variables.tf", f"environments/{environment}.tfvars")
    )
    default = re.search(r'variable "namespace" {[^}]*default *= "(.+)"', variables)
    given = re.search(r'^namespace *= "(.+)"', values, re.MULTILINE)
    assert default
    there = {one["metadata"].get("namespace") for one in objects(f"overlays/{environment}")}
    assert there - {None} == {(given or default)[1]}
