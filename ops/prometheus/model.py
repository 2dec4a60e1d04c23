"""Rules as data. Durations stand in angle brackets, so that a rehearsal renders the very same rules at a brisk pace.

<5m>     a duration: 5m, or ten seconds in a rehearsal
<60s#>   the same as a number of seconds, for a comparison
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

DURATION = re.compile(r"<(\d+)([smhdw])(#?)>")
RUNBOOKS = "ops/runbooks"


@attrs.frozen(kw_only=True)
class Pace:
    """Seconds that one unit of a rule's durations lasts."""

    s: float
    m: float
    h: float
    d: float
    w: float

    def seconds(self, count: str, unit: str) -> float:
        """Of so many units."""
        return int(count) * float(getattr(self, unit))


REAL = Pace(s=1, m=60, h=3600, d=86_400, w=604_800)
BRISK = Pace(s=1 / 30, m=2, h=60, d=240, w=60)
"""A minute in two seconds. Longer units are shortened more, and stay in their order where a rule compares windows."""


def at_pace(text: str, pace: Pace) -> str:
    """The text with its durations as they are said to Prometheus."""

    def said(found: re.Match[str]) -> str:
        count, unit, number = found.groups()
        seconds = pace.seconds(count, unit)
        if number:
            return f"{seconds:g}"
        return f"{count}{unit}" if pace is REAL else f"{round(seconds * 1000)}ms"

    return DURATION.sub(said, text)


@attrs.frozen(kw_only=True)
class Record:
    """A series that Prometheus computes and keeps."""

    name: str
    expr: str

    def rendered(self, pace: Pace) -> dict[str, Any]:
        """As in a rules file."""
        return {"record": self.name, "expr": at_pace(self.expr, pace)}


@attrs.frozen(kw_only=True)
class Alert:
    """Somebody is told. `page`: woken, at any hour; `ticket`: found in the morning; `none`: for machines only."""

    name: str
    expr: str
    wait: str = "<0s>"
    """How long it must be so."""
    severity: Literal["page", "ticket", "none"]
    area: str
    """The uid of the dashboard that shows more, without `vurksha-`."""
    summary: str
    """One line; it may name labels as `{{ $labels.x }}` and nothing else."""

    def rendered(self, pace: Pace) -> dict[str, Any]:
        """As in a rules file."""
        return {
            "alert": self.name,
            "expr": at_pace(self.expr, pace),
            "for": at_pace(self.wait, pace),
            "labels": {"severity": self.severity},
            "annotations": self.annotations({}),
        }

    def annotations(self, labels: Mapping[str, str]) -> dict[str, str]:
        """With these labels filled in, as Prometheus will."""
        summary = self.summary
        for name, value in labels.items():
            summary = summary.replace(f"{{{{ $labels.{name} }}}}", value)
        return {
            "summary": summary,
            "runbook": f"{RUNBOOKS}/{self.name}.md",
            "dashboard": f"/d/vurksha-{self.area}",
        }


@attrs.frozen(kw_only=True)
class Group:
    """Rules that are evaluated together, in their order."""

    name: str
    rules: tuple[Record | Alert, ...]

    def rendered(self, pace: Pace) -> dict[str, Any]:
        """As in a rules file."""
        return {"name": self.name, "rules": [rule.rendered(pace) for rule in self.rules]}
