"""The matrix as a page to look at and as Markdown."""

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.scenarios.book import ELSEWHERE
from tests.faults.stage import PATHS

if TYPE_CHECKING:
    from tests.faults.cells import Cell
    from tests.faults.matrix import Outcome

NAMES = {
    "C": "catalogue read",
    "S": "OTP send",
    "V": "OTP verify",
    "R": "refresh",
    "A": "own-data read",
    "K": "cart write",
    "O": "place order",
    "W": "cancel",
    "N": "notification",
}
STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#222}table{border-collapse:collapse}
th,td{border:1px solid #ccc;padding:.35rem .5rem;vertical-align:top;text-align:left}th{background:#f4f4f4}
td small{color:#555;display:block}.pass{background:#e5f5e5}.slow{background:#fff4d6}.broken{background:#fbdcdc}
.none{background:#f4f4f4}.wrong{color:#a00}code{font-size:12px}
"""


def write(outcomes: Sequence["Outcome"], out: Path) -> None:
    """Both files, after each scenario: a run that is cut short has its rows."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.html").write_text(_page(outcomes))
    (out / "matrix.md").write_text(_markdown(outcomes))


def _verdict(outcome: "Outcome") -> str:
    return "cannot run" if outcome.reason else "broken" if outcome.broken else "slow" if outcome.slow else "kept"


def _by_path(outcome: "Outcome") -> dict[str, "Cell"]:
    return {cell.path: cell for cell in outcome.cells}


def _markdown(outcomes: Sequence["Outcome"]) -> str:
    lines = [
        f"# Fault matrix, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "",
        "Each cell: promise, then what was measured.",
        "",
    ]
    lines += ["| Fault | Verdict | " + " | ".join(PATHS) + " | Also |", "| --- " * (len(PATHS) + 3) + "|"]
    for outcome in outcomes:
        found = _by_path(outcome)
        row = [outcome.scenario.title, _verdict(outcome)]
        row += [f"{found[p].promise}: {found[p].text}" if p in found else "-" for p in PATHS]
        row.append(outcome.reason or "; ".join(_why(outcome) + _measures(outcome) + _wrong(outcome)))
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |")
    dashes = "- | " * len(PATHS)
    lines += [f"| {title} | not played | {dashes}{reason} |" for title, reason in ELSEWHERE.items()]
    return "\n".join(lines) + "\n"


def _why(outcome: "Outcome") -> list[str]:
    return [outcome.scenario.why_slow] if outcome.slow and outcome.scenario.why_slow else []


def _measures(outcome: "Outcome") -> list[str]:
    return [
        f"{one.name} {one.value:.2f} {one.unit}".strip() + ("" if one.limit is None else f" (promised {one.limit:g})")
        for one in outcome.measures
    ]


def _wrong(outcome: "Outcome") -> list[str]:
    wrong = [f"{name}: {lines[0]} ({len(lines)})" for name, lines in outcome.violations.items() if lines]
    return wrong + [f"{cell.path}: {line}" for cell in outcome.cells for line in cell.wrong]


def _page(outcomes: Sequence["Outcome"]) -> str:
    heads = "".join(f"<th>{path}<small>{NAMES[path]}</small></th>" for path in PATHS)
    rows = "".join(_row(outcome) for outcome in outcomes)
    rows += "".join(
        f'<tr><th>{html.escape(title)}</th><td class="none" colspan="{len(PATHS) + 1}">not played: '
        f"{html.escape(reason)}</td></tr>"
        for title, reason in ELSEWHERE.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Fault matrix</title><style>{STYLE}</style>'
        f"<h1>Fault matrix</h1><p>{datetime.now(UTC):%Y-%m-%d %H:%M} UTC. Bold: the promise. Below it: how many tries "
        "had which outcome while the fault lasted, with the p99 of each. Amber: right, but later than promised.</p>"
        f"<table><tr><th>Fault</th>{heads}<th>Also</th></tr>{rows}</table></html>"
    )


def _row(outcome: "Outcome") -> str:
    scenario, reason = outcome.scenario, html.escape(outcome.reason)
    repeat = f"<small><code>--only {scenario.name} --seed {outcome.seed}</code></small>"
    title = f"<th>{html.escape(scenario.title)}{repeat}</th>"
    if reason:
        return f'<tr>{title}<td class="none" colspan="{len(PATHS) + 1}">cannot run: {reason}</td></tr>'
    found = _by_path(outcome)
    boxes = "".join(_box(found[path]) if path in found else '<td class="none">-</td>' for path in PATHS)
    told = [html.escape(line) for line in _why(outcome) + _measures(outcome)]
    told += [f'<span class="wrong">{html.escape(line)}</span>' for line in _wrong(outcome)]
    kind = {"kept": "pass", "slow": "slow", "broken": "broken"}[_verdict(outcome)]
    also = f"<small>{html.escape(scenario.also)}</small>" if scenario.also else ""
    return f'<tr>{title}{boxes}<td class="{kind}">{also}{"<br>".join(told)}</td></tr>'


def _box(cell: "Cell") -> str:
    wrong = "".join(f'<small class="wrong">{html.escape(line)}</small>' for line in cell.wrong)
    promise, text = html.escape(cell.promise), html.escape(cell.text)
    return f'<td class="{cell.verdict}"><b>{promise}</b><small>{text}</small>{wrong}</td>'
