"""Alerts, panels and runbooks ask for what the program really tells."""

import re
from collections.abc import Iterator

from core.observe.catalogue import PREFIX
from ops.prometheus.alerts import GROUPS
from tests.docs.tables import built
from tests.ops.watching.boards import queries
from tests.ops.watching.pages import lines

NAME = re.compile(rf"\b{PREFIX}\w+")
PARTS = re.compile(r"_(?:bucket|sum|count)$")
LABELS = re.compile(rf"\b({PREFIX}\w+)\{{([^}}]*)\}}")
ADDED = {"job", "instance", "le"}
"""Labels that Prometheus adds, and that of a histogram."""
KNOWN = {f"{PREFIX}{metric.name}": set(metric.labels) for metric in built().figures.metrics}


def asked() -> Iterator[str]:
    """Every question."""
    yield from (rule.expr for group in GROUPS for rule in group.rules)
    yield from (expr for *_, expr in queries())
    yield from (expr for _, expr in lines("promql"))


def whole(name: str) -> str:
    """The metric that a series belongs to."""
    return name if name in KNOWN else PARTS.sub("", name)


def test_every_metric_that_is_asked_for_is_there() -> None:
    names = {whole(name) for expr in asked() for name in NAME.findall(expr)}
    assert len(names) > 35
    assert names - KNOWN.keys() == set()


def test_every_label_that_is_asked_for_is_one_of_its_metric() -> None:
    for expr in asked():
        for name, labels in LABELS.findall(expr):
            assert set(re.findall(r"(\w+)\s*[=!]", labels)) <= KNOWN[whole(name)] | ADDED, expr


def test_no_metric_is_left_unseen() -> None:
    names = {whole(name) for expr in asked() for name in NAME.findall(expr)}
    assert KNOWN.keys() - names == {f"{PREFIX}trace_spans_total"}
