"""Traces."""

from ops.proofs.model import Proof

HERE = "tests/core/observe/tracing"
PYTEST = ("python", "-m", "pytest", "-q", "-n", "0")

PROOFS = [
    Proof(
        artefact="traces",
        claim="one order is one trace: request, SQL, Redis, broker, the other replica's handler, the call of FCM",
        tool="two replicas on PostgreSQL, Redis and RabbitMQ, a stand-in for Google, OpenTelemetry's own classes",
        command=("bash", "-c", f"RABBITMQ_SERVER=$(ops/rabbitmq) exec {' '.join(PYTEST)} -s {HERE}/test_journey.py"),
        cannot="that Jaeger shows it: there is no Jaeger here; it takes the same OTLP over HTTP",
    ),
    Proof(
        artefact="traces",
        claim="a collector that is dead, refuses, is late or hangs costs spans and nothing else",
        tool="the exporter against sockets that do so",
        command=(*PYTEST, f"{HERE}/test_export.py"),
    ),
    Proof(
        artefact="traces",
        claim="off costs one look; a tenth of the requests sampled costs less than 5 % of their processor time",
        tool="the app on uvloop under load, traces on and off in turn",
        command=("python", "-m", "tests.core.observe.tracing.costing"),
        cannot="the share on a machine of one's own: other work on these processors makes single pairs differ by 10 %",
        seconds=1_200,
    ),
]
