"""Metrics, dashboards, alerts and log labels."""

from ops.proofs.model import Proof

PYTEST = ("python", "-m", "pytest", "-q", "-s", "-n", "0", "-p", "no:cacheprovider", "-m", "ops")
ROOM = "tests/ops/watching"

PROOFS = [
    Proof(
        artefact="alerts",
        claim="every alert fires on series that it is for, and stays quiet on others that look alike",
        tool="promtool test rules",
        command=(*PYTEST, f"{ROOM}/test_alerts.py"),
        needs=("promtool",),
        tools=("alerting",),
    ),
    Proof(
        artefact="alerts",
        claim="every alert fires by its fault in a real shop, and reaches whom it should; every panel has data",
        tool="prometheus, alertmanager, postgres, rabbitmq",
        command=("python", "-m", "tests.ops.watching.rehearsal"),
        cannot=(
            "minutes last two seconds, from the same rules: the real windows are shown by promtool only;"
            " PagerDuty, Slack and the heartbeat's receiver are a listener of our own"
        ),
        needs=("prometheus", "prometheus-alertmanager", "haproxy"),
        tools=("alerting", "balancer"),
        seconds=2400,
    ),
    Proof(
        artefact="alertmanager",
        claim="its file and Prometheus' are taken; each alert is routed to whom its severity says",
        tool="amtool, promtool",
        command=(*PYTEST, f"{ROOM}/test_alertmanager.py"),
        needs=("promtool", "amtool"),
        tools=("alerting",),
    ),
    Proof(
        artefact="dashboards",
        claim="the committed files are what the code makes; every panel asks valid PromQL",
        tool="grafana-foundation-sdk, promtool",
        command=(*PYTEST, f"{ROOM}/test_dashboards.py"),
        cannot="how Grafana draws them: there is no Grafana here",
        parsed=True,
        needs=("promtool",),
        tools=("python", "alerting"),
    ),
    Proof(
        artefact="runbooks",
        claim="every alert has a page; its commands, options and questions exist",
        tool="click, promtool",
        command=(*PYTEST[:-1], "ops or not ops", f"{ROOM}/test_runbooks.py"),
        cannot="steps outside the shop, such as a provider's page; those that only look are taken in the rehearsal",
        parsed=True,
        needs=("promtool",),
        tools=("alerting",),
    ),
    Proof(
        artefact="logs",
        claim="Alloy takes level, plugin and ids out of real lines; five labels are kept",
        tool="pytest",
        command=(*PYTEST[:-1], "not ops", f"{ROOM}/test_logs.py"),
        cannot="Loki and Alloy themselves: neither is here",
        parsed=True,
    ),
]
