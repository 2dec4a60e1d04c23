"""Load: the same four scenarios for k6, whose scripts are type-checked, and for Locust, which runs them."""

from ops.proofs.model import Proof

PROOFS = [
    Proof(
        artefact="load",
        claim="browse, order rush, login storm and app resume burst run against two replicas: no request fails",
        tool="Locust, PostgreSQL, Redis",
        command=("python", "-m", "tests.load", "run", "--users", "20", "--seconds", "20"),
        cannot="10,000 requests a second: customers and shop share the few cores of this machine",
        tools=("python",),
        needs=(".venv/ops/bin/locust",),
    ),
    Proof(
        artefact="k6 scripts",
        claim="every option and call is one that k6 knows",
        tool="TypeScript with k6's types",
        command=("tests/load/types",),
        cannot="running them: k6 is not to be had from the registries",
        parsed=True,
        tools=("node",),
        needs=(".venv/node/node_modules/.bin/tsc",),
    ),
]
