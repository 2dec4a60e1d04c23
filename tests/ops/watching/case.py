"""One alert tried by promtool: on series with which it fires, and on others with which it must not."""

from collections.abc import Mapping
from typing import Any

import attrs

from ops.prometheus.alerts import ALERTS

BY_NAME = {alert.name: alert for alert in ALERTS}
Series = Mapping[str, str]


@attrs.frozen(kw_only=True)
class Case:
    """Values are in promtool's notation, one each `interval`; it is looked at `at`."""

    alert: str
    fires: Series
    labels: Mapping[str, str] = attrs.field(factory=dict)
    """Of the alert that fires, beside its severity."""
    fires_too: Mapping[str, Series] = attrs.field(factory=dict)
    """By what is special about it."""
    quiet: Mapping[str, Series]
    """By why it does not."""
    at: str = "30m"
    interval: str = "1m"

    def units(self) -> list[dict[str, Any]]:
        """Tests as promtool reads them."""
        alert = BY_NAME[self.alert]
        fired = {
            "exp_labels": {"severity": alert.severity, **self.labels},
            "exp_annotations": alert.annotations(self.labels),
        }
        return [
            self._unit("fires", self.fires, [fired]),
            *(self._unit(f"fires: {what}", series, [fired]) for what, series in self.fires_too.items()),
            *(self._unit(why, series, []) for why, series in self.quiet.items()),
        ]

    def _unit(self, why: str, series: Series, expected: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "name": f"{self.alert}: {why}",
            "interval": self.interval,
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"eval_time": self.at, "alertname": self.alert, "exp_alerts": expected}],
        }
