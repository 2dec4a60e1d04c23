"""The cloud, what it costs, and the way back from disasters."""

from ops.proofs.model import Proof

PROVE = "ops/terraform/prove"
PROOFS = [
    Proof(
        artefact="terraform",
        claim="every argument is in the provider's schema, every file is formatted",
        tool="terraform validate, fmt",
        command=(PROVE, "declared"),
        parsed=True,
        needs=("terraform",),
    ),
    Proof(
        artefact="terraform",
        claim="each size plans and applies; encryption, zones, days of WAL, closed doors, TLS as promised",
        tool="terraform test, mocked provider",
        command=(PROVE, "promised"),
        cannot="what AWS makes of it: a mock takes every value",
        needs=("terraform",),
    ),
    Proof(
        artefact="terraform",
        claim="no policy of checkov's is broken without its reason beside it",
        tool="checkov",
        command=(PROVE, "policed"),
        parsed=True,
        tools=("python",),
        needs=("checkov",),
    ),
    Proof(
        artefact="terraform",
        claim="network, keys, EKS, RDS, RabbitMQ, buckets are made and tagged; no first secret is in a state",
        tool="terraform apply, moto",
        command=(PROVE, "applied"),
        cannot="moto lacks ElastiCache, RDS's copies, EKS add-ons, pod identity, CloudFront; quotas, times, IAM",
        tools=("python",),
        needs=("terraform", "moto_server"),
        seconds=1200,
    ),
    Proof(
        artefact="cost",
        claim="the table is made from the sizes that are applied",
        tool="pytest",
        command=("python", "-m", "pytest", "-q", "-n", "0", "--no-cov", "tests/ops/terraform"),
        cannot="the prices: written down by hand, to within 30 % at best, for want of a price list here",
        parsed=True,
    ),
    Proof(
        artefact="restore",
        claim="after kill -9 and after DROP TABLE the shop comes back, with every order told and nobody erased",
        tool="vurksha backup and restore, PostgreSQL, Redis, RabbitMQ, two replicas behind HAProxy under load",
        command=("python", "-m", "tests.ops.restore"),
        cannot="RDS's own restore, another region, the time in which people decide, a database of a real size",
        tools=("backup", "balancer"),
        needs=("age", "haproxy"),
        seconds=1500,
    ),
    Proof(
        artefact="runbooks",
        claim="each step of ten disasters' pages names what tried it, or why nothing could; queries are valid",
        tool="pytest, PostgreSQL",
        command=("python", "-m", "pytest", "-q", "-n", "0", "--no-cov", "tests/ops/runbooks"),
        cannot="steps that need an account with AWS or a provider, and those that are for people to decide",
    ),
]
