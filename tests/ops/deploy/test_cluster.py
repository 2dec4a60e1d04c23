"""The Kubernetes side of `ops/deploy`, by the real kubectl, against a stand-in of an API server."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ops.deploying.cluster_book import ClusterBook
from ops.deploying.kubectl import Kubectl
from ops.deploying.kubernetes import KubernetesPlace, KubernetesTarget
from ops.deploying.model import DeployError, Refused, Release
from ops.deploying.rollout import Deploy
from ops.deploying.target import Busy
from ops.deploying.watching import Limits
from tests.ops.deploy.api_server import Cluster, running
from tests.ops.k8s.rendered import K8S, KUBECTL

pytestmark = [
    pytest.mark.ops,
    pytest.mark.timeout(300),
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed"),
]
ONE, TWO = (Release(artefact=f"registry.example/vurksha:{name}", name=name) for name in ("1.0.0", "1.1.0"))
CONFIG = {
    "apiVersion": "v1", "kind": "Config", "current-context": "here",
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
    "users": [{"name": "nobody", "user": {}}],
}  # fmt: skip


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Cluster, str]]:
    with running() as (cluster, url):
        file = tmp_path / "kubeconfig"
        file.write_text(json.dumps({**CONFIG, "clusters": [{"name": "here", "cluster": {"server": url}}]}))
        monkeypatch.setenv("KUBECONFIG", str(file))
        monkeypatch.setenv("HOME", str(tmp_path))
        yield cluster, url


@pytest.fixture
def cluster(address: tuple[Cluster, str]) -> Cluster:
    return address[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of one's own, to change."""
    return Path(shutil.copytree(K8S, tmp_path / "k8s"))


@pytest.fixture
def target(address: tuple[Cluster, str], folder: Path) -> KubernetesTarget:
    assert urlsplit(address[1]).hostname == "127.0.0.1"
    return KubernetesTarget(KubernetesPlace(folder=folder, prometheus=address[1]))


def deploy(target: KubernetesTarget) -> Deploy:
    limits = Limits(shares=(5,), seconds=0.1, look=0.05, fewest=1)
    run = Deploy(target, limits, lambda *_: None, print, start_seconds=5)
    target.reached = _nowhere  # type: ignore[method-assign]  # no pod to forward to
    return run


@contextmanager
def _nowhere(color: str) -> Iterator[Sequence[str]]:
    yield ["http://127.0.0.1:1"]


def change_settings(folder: Path) -> None:
    with (folder / "settings/settings.env").open("a") as file:
        file.write("VURKSHA_POSTGRES__ACQUIRE=2\n")


def settle(cluster: Cluster) -> None:
    """Minutes go by."""
    for resource, name in list(cluster.objects):
        for _ in range(20 if resource == "deployments" else 0):
            cluster.time_passes(name)


def ready(cluster: Cluster, color: str) -> int:
    return int(cluster.objects["deployments", f"vurksha-{color}"]["status"]["readyReplicas"])


def moves(cluster: Cluster, target: KubernetesTarget) -> list[tuple[str, int, int]]:
    """Filled with each colour that is given traffic, its share, and how many replicas were ready for it."""
    real, seen = target.shift, list[tuple[str, int, int]]()

    def shift(shares: Mapping[str, int]) -> None:
        seen.extend((color, share, ready(cluster, color)) for color, share in shares.items())
        real(shares)

    target.shift = shift  # type: ignore[method-assign]  # told as well
    return seen


def worse(cluster: Cluster, target: KubernetesTarget) -> Deploy:
    """A run whose green fails requests, and will be seen to."""
    run = deploy(target)
    real, looks = target.totals, [0]

    def growing(color: str) -> object:
        looks[0] += 1
        bad = 5.0 * looks[0] if color == "green" else 0.0
        cluster.figures = {"5xx": bad, "bucket": 100.0 * looks[0], "requests_total": 100.0 * looks[0]}
        return real(color)

    target.totals = growing  # type: ignore[method-assign,assignment]  # time goes on
    run.limits = Limits(shares=(5,), seconds=5, look=0.05, fewest=1)
    return run


def weights(cluster: Cluster) -> dict[str, int]:
    """Of every rule, which are the same."""
    rules = cluster.objects["httproutes", "vurksha"]["spec"]["rules"]
    first, *others = [{ref["name"]: ref["weight"] for ref in rule["backendRefs"]} for rule in rules]
    assert others == [first] * 3
    return first


def test_a_whole_deploy(cluster: Cluster, target: KubernetesTarget) -> None:
    with target.book.held():
        deploy(target).apply(ONE)
        assert ("httproutes", "vurksha") not in cluster.objects
        deploy(target).switch()
    assert weights(cluster) == {"vurksha-blue": 100, "vurksha-green": 0}
    blue = cluster.objects["deployments", "vurksha-blue"]
    assert blue["spec"]["replicas"] == 3
    (box,) = blue["spec"]["template"]["spec"]["containers"]
    assert box["image"] == ONE.artefact
    assert blue["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] == "1.0.0"
    assert ("jobs", "vurksha-expand-1-0-0") in cluster.objects
    cluster.needs["vurksha-blue"] = 5
    settle(cluster)
    with target.book.held():
        assert "migrate: applied cart 0009_more" in deploy(target).plan(TWO)
        deploy(target).apply(TWO)
        assert cluster.objects["deployments", "vurksha-green"]["spec"]["replicas"] == 5
        deploy(target).switch()
        assert weights(cluster) == {"vurksha-blue": 0, "vurksha-green": 100}
        deploy(target).retire()
    assert cluster.objects["deployments", "vurksha-blue"]["spec"]["replicas"] == 0
    deploy(target).rollback()
    assert weights(cluster) == {"vurksha-blue": 100, "vurksha-green": 0}
    assert cluster.objects["deployments", "vurksha-blue"]["spec"]["replicas"] == 5
    print("figures: two releases and a rollback by kubectl 1.32")  # noqa: T201  read by the proofs


def test_what_is_worse_goes_back(cluster: Cluster, target: KubernetesTarget) -> None:
    deploy(target).apply(ONE)
    deploy(target).switch()
    deploy(target).apply(TWO)
    with pytest.raises(Refused, match="requests failed"):
        worse(cluster, target).switch()
    assert weights(cluster) == {"vurksha-blue": 100, "vurksha-green": 0}
    assert cluster.objects["deployments", "vurksha-green"]["spec"]["replicas"] == 0


def test_the_way_back_waits_for_no_node_and_leaves_pods_alone(
    cluster: Cluster, target: KubernetesTarget, folder: Path
) -> None:
    live(cluster, target, needs=9)
    deploy(target).apply(TWO)
    cluster.room["vurksha-blue"] = 8  # a node drains
    settle(cluster)
    change_settings(folder)
    pods = cluster.objects["deployments", "vurksha-blue"]["spec"]["template"]
    moved = moves(cluster, target)
    with pytest.raises(Refused, match=r"rolled back in .* requests failed"):
        worse(cluster, target).switch()
    assert moved == [("green", 5, 9), ("blue", 95, 8), ("blue", 100, 8), ("green", 0, 9)]
    assert weights(cluster) == {"vurksha-blue": 100, "vurksha-green": 0}
    assert cluster.objects["deployments", "vurksha-blue"]["spec"]["template"] == pods


def live(cluster: Cluster, target: KubernetesTarget, needs: int) -> None:
    """The first release, under as much load."""
    deploy(target).apply(ONE)
    deploy(target).switch()
    cluster.needs["vurksha-blue"] = needs
    settle(cluster)


def test_an_idle_colour_does_not_shrink_while_traffic_may_come_to_it(
    cluster: Cluster, target: KubernetesTarget
) -> None:
    live(cluster, target, needs=5)
    deploy(target).apply(TWO)
    cluster.needs["vurksha-green"] = 1
    settle(cluster)
    cluster.needs["vurksha-blue"] = 6  # more customers come
    cluster.slow = True
    settle(cluster)
    moved = moves(cluster, target)
    deploy(target).switch()
    assert [one for one in moved if one[0] == "green"] == [("green", 5, 6), ("green", 100, 6)]
    cluster.needs = {"vurksha-blue": 1, "vurksha-green": 7}
    settle(cluster)
    moved.clear()
    deploy(target).rollback()
    assert moved == [("blue", 100, 6), ("green", 0, 7)]
    assert cluster.objects["deployments", "vurksha-blue"]["spec"]["replicas"] == 7
    settle(cluster)
    assert ready(cluster, "blue") == 3, "it may shrink again"


def test_what_is_live_may_shrink_once_the_colour_before_is_stopped(cluster: Cluster, target: KubernetesTarget) -> None:
    live(cluster, target, needs=5)
    cluster.needs["vurksha-blue"] = 1
    settle(cluster)
    assert ready(cluster, "blue") == 3, "the first release has nobody to wait for"
    cluster.needs["vurksha-green"] = 5
    deploy(target).apply(TWO)
    deploy(target).switch()
    deploy(target).retire()
    settle(cluster)
    assert (ready(cluster, "blue"), ready(cluster, "green")) == (0, 5)
    cluster.needs["vurksha-green"] = 1
    settle(cluster)
    assert ready(cluster, "green") == 3


def test_a_colour_that_grows_under_its_traffic_is_well_also_where_no_node_is_free(
    cluster: Cluster, target: KubernetesTarget
) -> None:
    live(cluster, target, needs=3)
    deploy(target).apply(TWO)
    cluster.needs["vurksha-green"], cluster.room["vurksha-green"] = 6, 3
    deploy(target).switch()
    assert weights(cluster) == {"vurksha-blue": 0, "vurksha-green": 100}


def test_settings_that_are_mended_come_to_the_migration_too(
    cluster: Cluster, target: KubernetesTarget, folder: Path
) -> None:
    cluster.room["vurksha-blue"] = 0
    with pytest.raises(Refused, match="ready: 0 of 3 "):
        deploy(target).apply(ONE)
    job = cluster.objects["jobs", "vurksha-expand-1-0-0"]
    change_settings(folder)
    cluster.room.clear()
    deploy(target).apply(ONE)
    assert cluster.objects["jobs", "vurksha-expand-1-0-0"]["spec"]["template"] != job["spec"]["template"]


def test_a_job_that_fails_is_told_and_nothing_is_started(cluster: Cluster, target: KubernetesTarget) -> None:
    cluster.jobs_fail, cluster.said = True, "vurksha: not expand-only: cart 0009_less drops a column\n"
    for _ in range(2):  # a failed job is no obstacle to the next run
        with pytest.raises(Refused, match="not expand-only: cart 0009_less"):
            deploy(target).apply(ONE)
    assert ("deployments", "vurksha-blue") not in cluster.objects


def test_one_deploy_at_a_time_and_a_killed_one_lets_go(cluster: Cluster) -> None:
    one, other = (ClusterBook(Kubectl(namespace="vurksha")) for _ in range(2))
    with one.held():
        with pytest.raises(Busy, match="deploys right now"), other.held():
            pass
        lease = cluster.objects["leases", "vurksha-deploy"]
        lease["spec"]["renewTime"] = "2026-01-01T00:00:00.000000Z"  # as one that was killed leaves it
        with other.held():
            assert lease is not cluster.objects["leases", "vurksha-deploy"]
            one._lost.wait(15)
            with pytest.raises(DeployError, match="another deploy took over"):
                one.save(one.load())
    with other.held():
        pass
