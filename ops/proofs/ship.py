"""Kubernetes objects and blue-green deploys."""

from ops.proofs.model import Proof


def _tests(path: str, which: str) -> tuple[str, ...]:
    return ("python", "-m", "pytest", "-q", "-n", "0", "-s", "-m", "ops", path, "-k", which)


CHECKED, REHEARSAL, CLUSTER = (
    "tests/ops/k8s/test_checked.py",
    "tests/ops/deploy/test_rehearsal.py",
    "tests/ops/k8s/test_pod.py",
)
NO_CLUSTER = "a cluster: scheduling, rollouts, probes, HPA, PDB, NetworkPolicy and External Secrets at work"
PROOFS = [
    Proof(
        artefact="k8s",
        claim="names, labels, ports, selectors, secrets and settings agree with each other and with the app",
        tool="kubectl kustomize, the app's own settings",
        command=("python", "-m", "pytest", "-q", "-n", "0", "tests/ops/k8s"),
        cannot=NO_CLUSTER,
        parsed=True,
        needs=("kubectl",),
    ),
    Proof(
        artefact="k8s",
        claim="every object of every overlay fits the schema of its kind",
        tool="kubectl kustomize, kubernetes-validate --strict",
        command=_tests(CHECKED, "schema"),
        cannot="admission; ExternalSecret, KongPlugin, PodMonitor and PrometheusRule, of which no schema is at hand",
        parsed=True,
        needs=("kubectl",),
        tools=("python",),
    ),
    Proof(
        artefact="k8s",
        claim="no policy of the scanner is broken without a reason beside it",
        tool="checkov",
        command=_tests(CHECKED, "policy"),
        parsed=True,
        needs=("kubectl",),
        tools=("python",),
    ),
    Proof(
        artefact="k8s",
        claim="the weighted routes are what Gateway API takes",
        tool="@kubernetes-models/gateway-api",
        command=_tests(CHECKED, "gateway"),
        cannot="Kong's controller at work, CEL rules",
        parsed=True,
        needs=("kubectl", "node"),
        tools=("node",),
    ),
    Proof(
        artefact="k8s",
        claim="the route opens the paths of kong.yml and no others, with its plugins and figures, but for tokens",
        tool="kubectl kustomize",
        command=("python", "-m", "pytest", "-q", "-n", "0", "tests/ops/k8s/test_route.py"),
        cannot="Kong and its controller, which cannot be had: what they make of a KongPlugin and of a rule",
        parsed=True,
        needs=("kubectl",),
    ),
    Proof(
        artefact="k8s",
        claim="the Deployment's pod serves from the real image: uid 10001, read-only root, no capability, 256 MB",
        tool="podman play kube",
        command=("python", "-m", "pytest", "-q", "-n", "0", "-s", "-m", "ops", CLUSTER),
        cannot=NO_CLUSTER,
        needs=("kubectl",),
        tools=("containers",),
        seconds=1200,
    ),
    Proof(
        artefact="deploy",
        claim="a release with a migration comes under load: apply, smoke, switch, retire, and no request fails",
        tool="ops/deploy, HAProxy, buying customers",
        command=_tests(REHEARSAL, "comes_and"),
        cannot="Kong's weights in place of HAProxy's",
        needs=("haproxy",),
        tools=("balancer",),
        seconds=900,
    ),
    Proof(
        artefact="deploy",
        claim="a release that does not start, or fails the smoke test's order, gets no traffic",
        tool="ops/deploy, HAProxy, buying customers",
        command=_tests(REHEARSAL, "gets_no_traffic"),
        needs=("haproxy",),
        tools=("balancer",),
        seconds=900,
    ),
    Proof(
        artefact="deploy",
        claim="a release whose orders fail, if only reads were smoked, is rolled back by itself within 30 s",
        tool="ops/deploy, HAProxy, buying customers",
        command=_tests(REHEARSAL, "worse and fails"),
        needs=("haproxy",),
        tools=("balancer",),
        seconds=900,
    ),
    Proof(
        artefact="deploy",
        claim="a release that is slow, is rolled back by itself within 30 s",
        tool="ops/deploy, HAProxy, buying customers",
        command=_tests(REHEARSAL, "worse and slow"),
        needs=("haproxy",),
        tools=("balancer",),
        seconds=900,
    ),
    Proof(
        artefact="deploy",
        claim="back to the release before within 30 s, also when it was stopped; no request fails",
        tool="ops/deploy, HAProxy, buying customers",
        command=_tests(REHEARSAL, "before_also"),
        needs=("haproxy",),
        tools=("balancer",),
        seconds=900,
    ),
    Proof(
        artefact="deploy",
        claim="killed with -9 at any step it goes on; two at once and contracting migrations are refused",
        tool="ops/deploy, HAProxy, buying customers",
        command=_tests(REHEARSAL, "killed or at_once or takes_something"),
        needs=("haproxy",),
        tools=("balancer",),
        seconds=900,
    ),
    Proof(
        artefact="deploy",
        claim="what it asks of a cluster is what kubectl takes: locks, state, jobs, scaling, weights",
        tool="kubectl against an API server's stand-in",
        command=("python", "-m", "pytest", "-q", "-n", "0", "-s", "-m", "ops", "tests/ops/deploy/test_cluster.py"),
        cannot="an API server's own checks; port-forward; pods that come and go",
        needs=("kubectl",),
    ),
]
