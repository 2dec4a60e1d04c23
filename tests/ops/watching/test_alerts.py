from pathlib import Path

import pytest

from ops.prometheus.__main__ import CLUSTER, RULES, files, in_cluster
from ops.prometheus.alerts import ALERTS, GROUPS
from tests.ops.watching import parts_cases, shop_cases
from tests.ops.watching.case import BY_NAME
from tests.ops.watching.tools import dump, figures, run

CASES = (*shop_cases.CASES, *parts_cases.CASES)


def test_committed_rules_are_what_the_code_makes() -> None:
    committed = {path.name: path.read_text() for path in RULES.glob("*.yml")}
    assert committed == files(), "run python -m ops.prometheus"
    assert CLUSTER.read_text() == in_cluster(), "run python -m ops.prometheus"


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    assert sorted(case.alert for case in CASES) == sorted(BY_NAME)
    assert [case.alert for case in CASES if not case.quiet] == ["Watchdog"]


@pytest.mark.ops
@pytest.mark.timeout(300)
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    paths = []
    for group in GROUPS:
        for interval in sorted({case.interval for case in CASES}):
            mine = [case for case in CASES if case.interval == interval and BY_NAME[case.alert] in group.rules]
            units = [unit for case in mine for unit in case.units()]
            text = {"rule_files": [str(RULES / f"{group.name}.yml")], "evaluation_interval": interval, "tests": units}
            paths.append(dump(text, tmp_path / f"{group.name}-{interval}.yml"))
    run("promtool", "test", "rules", *paths)
    figures(f"{len(ALERTS)} alerts in {sum(len(case.units()) for case in CASES)} cases")
