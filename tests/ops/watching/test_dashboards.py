from pathlib import Path

import pytest

from ops.prometheus.alerts import ALERTS, GROUPS
from ops.prometheus.model import Record
from tests.ops.watching.boards import METRIC, boards, panels, queries
from tests.ops.watching.tools import ROOT, dump, figures, load, run

PYTHON = ROOT / ".venv/ops/bin/python"
SOURCES = load(ROOT / "ops/grafana/provisioning/datasources/vurksha.yaml")["datasources"]


def test_every_alert_leads_to_a_dashboard_that_is_there() -> None:
    assert {f"vurksha-{alert.area}" for alert in ALERTS} <= {board["uid"] for board in boards().values()}


@pytest.mark.parametrize("name", boards())
def test_a_dashboards_panels_have_names_reasons_units_and_places_of_their_own(name: str) -> None:
    board = boards()[name]
    assert board["uid"] == f"vurksha-{name}"
    assert not board["editable"]
    found = list(panels(board))
    assert len({panel["id"] for panel in found}) == len(found) > 4
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in found}
    assert len(places) == len(found)
    for panel in found:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_every_panel_asks_the_source_that_is_provisioned() -> None:
    known = {source["uid"]: source["type"] for source in SOURCES}
    for board in boards().values():
        for panel in panels(board):
            assert known[panel["datasource"]["uid"]] == panel["datasource"]["type"] == "prometheus"


def test_every_series_that_is_recorded_for_panels_is_one_that_rules_record() -> None:
    recorded = {rule.name for group in GROUPS for rule in group.rules if isinstance(rule, Record)}
    asked = {name for *_, expr in queries() for name in METRIC.findall(expr) if ":" in name}
    assert asked
    assert asked <= recorded


@pytest.mark.ops
def test_committed_dashboards_are_what_the_code_makes() -> None:
    figures(run(PYTHON, "-m", "ops.dashboards", "--check").removeprefix("figures: ").strip())


@pytest.mark.ops
def test_every_panels_question_is_promql(tmp_path: Path) -> None:
    asked = list(queries())
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "1m")}
        for number, (*_, expr) in enumerate(asked)
    ]
    content = {"groups": [{"name": "panels", "rules": rules}]}
    run("promtool", "check", "rules", dump(content, tmp_path / "panels.yml"))
    figures(f"{len(asked)} questions of {sum(len(list(panels(board))) for board in boards().values())} panels")
