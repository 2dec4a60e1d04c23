"""The operators' listener, metrics and the request's line."""

from ops.proofs.model import Proof

PYTEST = ("python", "-m", "pytest", "-q", "-n", "0", "--no-cov")
PROOFS = [
    Proof(
        artefact="metrics",
        claim="every metric of the catalogue is told as declared by a real app; a hanging database holds up no scrape",
        tool="pytest, PostgreSQL, Redis, the parsers of prometheus_client",
        command=(*PYTEST, "tests/core/observe/test_metrics.py"),
        cannot="a scraper of the newest Prometheus: its own parser is not here, the one of 2.42 is (see alerts)",
    ),
    Proof(
        artefact="metrics",
        claim="orders, revenue, states, sign-ins and payments are counted once and only when committed",
        tool="pytest, the shop on real stores, repeats and refusals",
        command=(*PYTEST, "tests/plugins/order/test_counts.py", "tests/plugins/payment/test_counts.py"),
    ),
    Proof(
        artefact="metrics",
        claim="a request waits for less than a microsecond to be logged and counted",
        tool="processor time of 40,000 records",
        command=("python", "-m", "tests.core.observe.counting"),
    ),
    Proof(
        artefact="listener",
        claim="nothing is shown without the token; it is up before the replica is ready and to the end of its drain",
        tool="pytest, the app on real stores",
        command=(*PYTEST, "tests/core/operations/test_listener.py"),
    ),
]
