"""What a run says: a table for the terminal, JSON for machines, one page with a plot for people."""

import html
import json
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from benchmarks.cases import REST, START, Bound, Case

if TYPE_CHECKING:
    from benchmarks.rounds import Done, Pair

TOLERATED = 0.001
"""Share of requests that may fail before a case has."""


@attrs.frozen(kw_only=True)
class Verdict:
    """A result beside its floor or its limit. `values` are the rounds' own."""

    name: str
    title: str
    value: float
    bound: float
    unit: str
    held: bool
    values: Sequence[float] = ()
    per_second: float | None = None
    cpu_us: float | None = None
    p50: float | None = None
    p99: float | None = None
    failed: int = 0

    @property
    def rises(self) -> bool:
        """Whether more is better: a ratio with a floor, not a size with a limit."""
        return bool(self.values)


def judged(done: "Done") -> list[Verdict]:
    """Every result with its verdict."""
    cases = [_case(case, [pair for pair in done.pairs if pair.case == case.name]) for case in done.run.cases]
    return cases + [_bound(bound, done.bounds[bound.name]) for bound in (REST, START)]


def _case(case: Case, pairs: "Sequence[Pair]") -> Verdict:
    ratios = [
        pair.base.cpu_us / pair.ours.cpu_us if case.against == "cpu" else pair.ours.per_second / pair.base.per_second
        for pair in pairs
    ]
    value = statistics.median(ratios)
    failed, asked = sum(pair.ours.failed for pair in pairs), sum(pair.ours.requests for pair in pairs)
    return Verdict(
        name=case.name,
        title=case.title,
        value=value,
        bound=case.floor,
        unit="of bare aiohttp, per CPU" if case.against == "cpu" else "of pgbench, in requests",
        held=value >= case.floor and failed <= asked * TOLERATED,
        values=ratios,
        per_second=statistics.median(pair.ours.per_second for pair in pairs),
        cpu_us=statistics.median(pair.ours.cpu_us for pair in pairs),
        p50=statistics.median(pair.ours.p50 for pair in pairs),
        p99=statistics.median(pair.ours.p99 for pair in pairs),
        failed=failed,
    )


def _bound(bound: Bound, value: float) -> Verdict:
    held = value <= bound.limit
    return Verdict(name=bound.name, title=bound.title, value=value, bound=bound.limit, unit=bound.unit, held=held)


def table(verdicts: Sequence[Verdict]) -> str:
    """For the terminal."""
    lines = [f"{'':8}{'req/s':>8}{'CPU us':>8}{'p50 ms':>8}{'p99 ms':>8}   {'ratio':>5}  {'rounds':11}  {'floor':>5}"]
    for v in verdicts:
        if v.rises:
            spread = f"{min(v.values):.2f}-{max(v.values):.2f}"
            lines.append(
                f"{v.name:8}{v.per_second:8.0f}{v.cpu_us:8.1f}{v.p50:8.2f}{v.p99:8.2f}   {v.value:5.2f}  {spread:11}"
                f"  {v.bound:5.2f}  {_word(v)}   {v.unit}"
            )
        else:
            lines.append(f"{v.title}: {v.value:.2f} {v.unit}, at most {v.bound:g}  {_word(v)}")
    return "\n".join(lines)


def _word(verdict: Verdict) -> str:
    word = "held" if verdict.held else "MISSED"
    return f"{word}, {verdict.failed} requests failed" if verdict.failed else word


def write(folder: Path, done: "Done", verdicts: Sequence[Verdict]) -> Path:
    """Both files; the page's path."""
    folder.mkdir(exist_ok=True)
    stem = folder / time.strftime("%Y%m%d-%H%M%S")
    about = {
        "at": time.strftime("%Y-%m-%d %H:%M"),
        "machine": f"{_processor()}, Linux {platform.release()}, Python {platform.python_version()}",
        "rounds": done.run.rounds,
        "secs": done.run.secs,
    }
    found = {
        "about": about,
        "verdicts": [attrs.asdict(verdict) for verdict in verdicts],
        "slices": [attrs.asdict(pair) for pair in done.pairs],
    }
    stem.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    page = stem.with_suffix(".html")
    page.write_text(_page(about, verdicts))
    return page


def _processor() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return models[0].partition(": ")[2] if models else "unknown processor"


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Benchmark of {at}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1d2a22; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.4rem; margin: 0 }} p {{ color: #5a6a60; margin: .2rem 0 1.5rem }}
table {{ border-collapse: collapse; width: 100%; margin-top: 1.5rem; font-variant-numeric: tabular-nums }}
td, th {{ text-align: right; padding: .35rem .6rem; border-bottom: 1px solid #dfe7e2 }} th {{ font-weight: 600 }}
td:first-child, th:first-child {{ text-align: left }}
.held {{ color: #2e7d4f }} .missed {{ color: #b3261e; font-weight: 600 }}
svg {{ width: 100%; height: auto }} svg text {{ font: 13px system-ui, sans-serif; fill: #1d2a22 }}
</style>
<h1>Benchmark of {at}</h1>
<p>{machine}. {rounds} rounds, slices of {secs} s. Bars are medians, dots are rounds, the line is the floor.</p>
{plot}
<table><tr><th>case<th>req/s<th>CPU &micro;s<th>p50 ms<th>p99 ms<th>result<th>bound<th></tr>
{rows}
</table>
<p>Ratios compare slices that ran next to each other: processor time of a bare aiohttp request over ours, and for orders
requests a second over those of pgbench with the same function. The server had one processor to itself.</p>
</html>
"""
LEFT, WIDE, ROW = 330, 560, 44


def _page(about: dict[str, object], verdicts: Sequence[Verdict]) -> str:
    return PAGE.format(**about, plot=_plot([v for v in verdicts if v.rises]), rows="\n".join(map(_row, verdicts)))


def _row(v: Verdict) -> str:
    numbers = [_number(v.per_second, 0), _number(v.cpu_us, 1), _number(v.p50, 2), _number(v.p99, 2)]
    cells = [html.escape(v.title), *numbers, f"{v.value:.2f} {v.unit}", f"{v.bound:g}"]
    verdict = f'<td class="{"held" if v.held else "missed"}">{_word(v)}'
    return "<tr>" + "".join(f"<td>{cell}" for cell in cells) + verdict


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _plot(verdicts: Sequence[Verdict]) -> str:
    """A bar a case, on one scale from nothing to the best round."""
    top = max((max(*v.values, v.bound) for v in verdicts), default=1) * 1.1
    drawn = "".join(_bar(v, number * ROW, WIDE / top) for number, v in enumerate(verdicts))
    box = f"0 0 {LEFT + WIDE + 60} {len(verdicts) * ROW}"
    return f'<svg viewBox="{box}" role="img" aria-label="Ratios by case">{drawn}</svg>'


def _bar(v: Verdict, y: float, scale: float) -> str:
    colour, floor = "#7fb58f" if v.held else "#d98880", LEFT + v.bound * scale
    dots = "".join(f'<circle cx="{LEFT + x * scale:.1f}" cy="{y + 18}" r="3" fill="#1d2a22"/>' for x in v.values)
    return (
        f'<text x="{LEFT - 10}" y="{y + 23}" text-anchor="end">{html.escape(v.title)}</text>'
        f'<rect x="{LEFT}" y="{y + 6}" width="{v.value * scale:.1f}" height="24" rx="3" fill="{colour}"/>{dots}'
        f'<line x1="{floor:.1f}" x2="{floor:.1f}" y1="{y + 1}" y2="{y + 35}" stroke="#1d2a22" stroke-width="2"/>'
        f'<text x="{LEFT + max(v.value, v.bound, *v.values) * scale + 10:.1f}" y="{y + 23}">{v.value:.2f}</text>'
    )
