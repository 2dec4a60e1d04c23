"""The two promises to customers, and alerts on how fast what they allow is used up.

Availability: 99.9 % of answers in 30 days are no 5xx. Latency: 99 % of requests take less than 200 ms (RELIABILITY 1).
Several windows at several burn rates, as chapter 5 of Google's SRE workbook has it: a long window says that it
matters, a short one that it still goes on. It also takes some bad requests: one in a quiet night wakes nobody.
"""

from typing import Literal

import attrs

from ops.prometheus.model import Alert, Group, Record

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
FEWEST = 10
"""Bad requests in the long window."""
ALL = 'vurksha_requests_total{plugin!="kernel"}'
FAILED = 'vurksha_requests_total{plugin!="kernel",status="5xx"}'
COUNTED = 'vurksha_request_seconds_count{plugin!="kernel"}'
FAST = 'vurksha_request_seconds_bucket{plugin!="kernel",le="0.2"}'


@attrs.frozen(kw_only=True)
class Promise:
    """`bad` and `all` are what is counted, over the window `W`; `budget` is the share that may be bad."""

    name: str
    record: str
    bad: str
    all: str
    budget: float
    says: str

    def records(self) -> list[Record]:
        """The share of bad requests and their number, in every window."""
        found = []
        for window in WINDOWS:
            bad, every = (text.replace("W", f"<{window}>") for text in (self.bad, self.all))
            found += [
                Record(name=f"vurksha:{self.record}:ratio_rate{window}", expr=f"({bad}) / ({every})"),
                Record(name=f"vurksha:{self.record}:increase{window}", expr=f"({bad}) * <{window}#>"),
            ]
        return found

    def burns(self, long: str, short: str, rate: float) -> str:
        """Both windows over a burn rate."""
        limit = f"{rate * self.budget:g}"
        ratio, count = f"vurksha:{self.record}:ratio_rate", f"vurksha:{self.record}:increase"
        return f"({ratio}{long} > {limit} and {ratio}{short} > {limit} and {count}{long} >= {FEWEST})"

    def alert(self, speed: str, severity: Literal["page", "ticket"], *burns: tuple[str, str, float]) -> Alert:
        """One severity: any of the pairs of windows."""
        return Alert(
            name=f"{self.name}Burn{speed}",
            expr="\nor\n".join(self.burns(*burn) for burn in burns),
            severity=severity,
            area="overview",
            summary=self.says,
        )

    def alerts(self) -> tuple[Alert, Alert]:
        """One wakes (2 % of a month's budget in an hour, 5 % in six), one waits (10 % in a day or in three)."""
        return (
            self.alert("Fast", "page", ("1h", "5m", 14.4), ("6h", "30m", 6)),
            self.alert("Slow", "ticket", ("1d", "2h", 3), ("3d", "6h", 1)),
        )


AVAILABILITY = Promise(
    name="Availability",
    record="failed",
    bad=f"sum(rate({FAILED}[W]))",
    all=f"sum(rate({ALL}[W]))",
    budget=0.001,
    says="Requests fail so often that the month's 99.9 % will not be kept",
)
LATENCY = Promise(
    name="Latency",
    record="slow",
    bad=f"sum(rate({COUNTED}[W])) - sum(rate({FAST}[W]))",
    all=f"sum(rate({COUNTED}[W]))",
    budget=0.01,
    says="More requests take over 200 ms than one in a hundred: p99 will not be kept",
)
GROUP = Group(
    name="slo",
    rules=(*AVAILABILITY.records(), *LATENCY.records(), *AVAILABILITY.alerts(), *LATENCY.alerts()),
)
