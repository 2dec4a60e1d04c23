"""The report of all scenarios on one page: tables, bars, and links to Locust's own pages with plots over time."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.load.__main__ import Row

ALL = "Aggregated"
GOAL = 200
"""Milliseconds that the 99th percentile may take (RELIABILITY 2)."""
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
body { color: #1c2420; background: #f7f8f5 } table { border-collapse: collapse; width: 100%; background: #fff }
th, td { padding: .35rem .7rem; border-bottom: 1px solid #d9dfd8; text-align: right }
th:first-child, td:first-child { text-align: left } tr.all { font-weight: 650 } .bad { color: #b3261e }
.bar { display: block; height: .6rem; background: #17663a }
.bar.p95 { background: #8a5a00 } .bar.p99 { background: #b3261e }
td.bars { width: 16rem } h2 a { font-size: 1rem; font-weight: 400 }
"""
HEADS = ("Request", "Requests", "Failed", "per s", "p50 ms", "p95 ms", "p99 ms", "p50, p95, p99")


def written(rows: "Sequence[Row]") -> str:
    """The page."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Load</title><style>{STYLE}</style><h1>Load</h1>",
        f"<p>Bars end at the slowest of their table; the goal is {GOAL} ms at the 99th percentile.</p>",
    ]
    for scenario in dict.fromkeys(row.scenario for row in rows):
        parts += _section(scenario, [row for row in rows if row.scenario == scenario])
    return "\n".join(parts)


def _section(scenario: str, rows: "Sequence[Row]") -> Iterable[str]:
    most = max([*(row.p99 for row in rows), 1.0])
    yield f"<h2>{escape(scenario)} <a href='{escape(scenario)}.html'>with plots over time</a></h2><table>"
    yield f"<tr>{''.join(f'<th>{head}' for head in HEADS)}</tr>"
    for row in rows:
        kind = ' class="all"' if row.name == ALL else ""
        failed, slow = (' class="bad"' if wrong else "" for wrong in (row.failures, row.p99 > GOAL))
        bars = "".join(
            f"<span class='bar {name}' style='width:{100 * getattr(row, name) / most:.1f}%'></span>"
            for name in ("p50", "p95", "p99")
        )
        yield (
            f"<tr{kind}><td>{escape(row.name if row.name != ALL else 'all')}"
            f"<td>{row.requests}<td{failed}>{row.failures}<td>{row.rate:.1f}"
            f"<td>{row.p50:.0f}<td>{row.p95:.0f}<td{slow}>{row.p99:.0f}<td class=bars>{bars}</tr>"
        )
    yield "</table>"
