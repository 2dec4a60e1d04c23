"""Who is told of what."""

import re

import pytest

from ops.prometheus.alerts import ALERTS
from ops.prometheus.model import Alert
from tests.ops.watching.case import BY_NAME
from tests.ops.watching.tools import ROOT, load, run

FILE = ROOT / "ops/alertmanager/alertmanager.yml"
RECEIVERS = {"page": "pager", "ticket": "tickets", "none": "heartbeat"}
CONFIG = load(FILE)


def named(matchers: list[str]) -> list[Alert]:
    """The alerts that these matchers choose by name and severity."""
    found = list(ALERTS)
    for matcher in matchers:
        parts = re.fullmatch(r'(\w+) (=~|!~|=|!=) "(.*)"', matcher)
        assert parts, matcher
        label, sign, value = parts.groups()
        if label not in {"alertname", "severity"}:
            continue
        pattern = value if "~" in sign else re.escape(value)
        has = {one: bool(re.fullmatch(pattern, one.name if label == "alertname" else one.severity)) for one in found}
        found = [one for one in found if has[one] is not sign.startswith("!")]
    return found


def test_nothing_but_files_holds_a_secret() -> None:
    assert "key:" not in FILE.read_text()


@pytest.mark.parametrize("rule", CONFIG["inhibit_rules"], ids=lambda rule: rule["source_matchers"][0].split()[-1])
def test_an_alert_is_held_back_only_by_a_graver_one(rule: dict[str, list[str]]) -> None:
    sources, targets = named(rule["source_matchers"]), named(rule["target_matchers"])
    assert sources
    assert targets
    assert not set(sources) & set(targets)
    if any(source.severity != "page" for source in sources):
        assert all(target.severity == "ticket" for target in targets)


@pytest.mark.parametrize("rule", CONFIG["inhibit_rules"], ids=lambda rule: rule["source_matchers"][0].split()[-1])
def test_every_name_of_an_alert_in_it_is_one_of_ours(rule: dict[str, list[str]]) -> None:
    for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
        if matcher.startswith("alertname"):
            for name in matcher.split('"')[1].split("|"):
                assert any(re.fullmatch(name, known) for known in BY_NAME), name


@pytest.mark.ops
@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_reaches_whom_its_severity_says(alert: Alert) -> None:
    labels = (f"alertname={alert.name}", f"severity={alert.severity}")
    told = run("amtool", "config", "routes", "test", f"--config.file={FILE}", *labels)
    assert told.split() == [RECEIVERS[alert.severity]]


@pytest.mark.ops
def test_alertmanager_and_prometheus_take_their_files() -> None:
    run("amtool", "check-config", FILE)
    run("promtool", "check", "config", "--syntax-only", ROOT / "ops/prometheus/prometheus.yml")
    run("promtool", "check", "rules", *(ROOT / "ops/prometheus/rules").glob("*.yml"))
