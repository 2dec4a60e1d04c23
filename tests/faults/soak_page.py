"""The soak's page: how memory, descriptors, threads and connections went, and the faults in between."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.held import HELD, Sample, growth
from tests.faults.report import STYLE

WIDTH, HEIGHT = 900, 130
COLOURS = ("#1565c0", "#2e7d32", "#c62828")


def page(
    samples: Mapping[str, Sequence[Sample]],
    suffered: Sequence[tuple[float, str]],
    violations: Mapping[str, Sequence[str]],
    records: Sequence[Mapping[str, Any]],
    seed: int,
) -> str:
    """All of it, in one file."""
    tries = Counter(one["out"] for one in records if one["kind"] == "try")
    ops = Counter(one["result"] for one in records if one["kind"] == "op")
    wrong = "".join(f"<li class='wrong'>{html.escape(f'{n}: {w[0]} ({len(w)})')}</li>" for n, w in violations.items())
    plots = "".join(_plot(name, samples, suffered) for name in HELD)
    faults = "".join(f"<li>{int(at - suffered[0][0])} s: {html.escape(name)}</li>" for at, name in suffered)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Soak</title><style>{STYLE}</style><h1>Soak</h1>'
        f"<p>Seed {seed}. Operations: {_told(ops)}. Tries: {_told(tries)}.</p>"
        f"<h2>Violations</h2><ul>{wrong or '<li>none</li>'}</ul>{plots}"
        f"<h2>Faults</h2><ol>{faults}</ol></html>"
    )


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{times} {name}" for name, times in sorted(counts.items(), key=lambda item: -item[1])) or "none"


def _plot(name: str, samples: Mapping[str, Sequence[Sample]], suffered: Sequence[tuple[float, str]]) -> str:
    points = {
        replica: [(one.at, getattr(one, name)) for one in each if getattr(one, name) is not None]
        for replica, each in samples.items()
    }
    everything = [point for each in points.values() for point in each]
    if not everything:
        return ""
    start, end = min(at for at, _ in everything), max(at for at, _ in everything)
    top = max(value for _, value in everything) * 1.1 or 1.0

    def spot(at: float, value: float) -> str:
        return f"{(at - start) / max(end - start, 1) * WIDTH:.0f},{HEIGHT - value / top * HEIGHT:.0f}"

    lines = "".join(
        f'<polyline fill="none" stroke="{colour}" points="{" ".join(spot(*point) for point in each)}"/>'
        for colour, each in zip(COLOURS, points.values(), strict=False)
    )
    places = [spot(at, 0).split(",")[0] for at, _ in suffered]
    marks = "".join(f'<line x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}" stroke="#ddd"/>' for x in places)
    told = [f"{replica}: {growth(each, name) or 'too young to tell'}" for replica, each in samples.items()]
    return (
        f"<h2>{HELD[name]}</h2><svg width='{WIDTH}' height='{HEIGHT}' style='border:1px solid #ccc'>{marks}{lines}"
        f"</svg><p>Top {top / 1.1:.1f}. {'; '.join(told)}.</p>"
    )
