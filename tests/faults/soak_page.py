"""The soak's page: how memory, descriptors, threads and connections went, and the faults in between."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tests.faults.report import STYLE

if TYPE_CHECKING:
    from tests.faults.soak import Sample

WHAT = {
    "memory": "memory, MB",
    "descriptors": "file descriptors",
    "threads": "threads",
    "connections": "TCP connections",
}
WIDTH, HEIGHT = 900, 130
COLOURS = ("#1565c0", "#2e7d32", "#c62828")
WARM = 0.2
"""The part of a life that counts as warming up: slopes are of what comes after."""


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Units per hour, by least squares; of fewer than two points it is 0."""
    count = len(points)
    if count < 2:
        return 0.0
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def page(
    samples: Mapping[str, Sequence["Sample"]],
    suffered: Sequence[tuple[float, str]],
    violations: Mapping[str, Sequence[str]],
    records: Sequence[Mapping[str, Any]],
    seed: int,
) -> str:
    """All of it, in one file."""
    tries = Counter(one["out"] for one in records if one["kind"] == "try")
    ops = Counter(one["result"] for one in records if one["kind"] == "op")
    wrong = "".join(f"<li class='wrong'>{html.escape(f'{n}: {w[0]} ({len(w)})')}</li>" for n, w in violations.items())
    plots = "".join(_plot(name, samples, suffered) for name in WHAT)
    faults = "".join(f"<li>{int(at - suffered[0][0])} s: {html.escape(name)}</li>" for at, name in suffered)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Soak</title><style>{STYLE}</style><h1>Soak</h1>'
        f"<p>Seed {seed}. Operations: {_told(ops)}. Tries: {_told(tries)}.</p>"
        f"<h2>Violations</h2><ul>{wrong or '<li>none</li>'}</ul>{plots}"
        f"<h2>Faults</h2><ol>{faults}</ol></html>"
    )


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{times} {name}" for name, times in sorted(counts.items(), key=lambda item: -item[1])) or "none"


def _value(sample: "Sample", name: str) -> float:
    return getattr(sample, name) / (1 << 20 if name == "memory" else 1)


def _plot(name: str, samples: Mapping[str, Sequence["Sample"]], suffered: Sequence[tuple[float, str]]) -> str:
    everything = [one for each in samples.values() for one in each]
    if not everything:
        return ""
    start, end = min(one.at for one in everything), max(one.at for one in everything)
    top = max(_value(one, name) for one in everything) * 1.1 or 1.0

    def spot(at: float, value: float) -> str:
        return f"{(at - start) / max(end - start, 1) * WIDTH:.0f},{HEIGHT - value / top * HEIGHT:.0f}"

    lines = "".join(
        f'<polyline fill="none" stroke="{colour}" points="{" ".join(spot(s.at, _value(s, name)) for s in each)}"/>'
        for colour, each in zip(COLOURS, samples.values(), strict=False)
    )
    places = [spot(at, 0).split(",")[0] for at, _ in suffered]
    marks = "".join(f'<line x1="{x}" x2="{x}" y1="0" y2="{HEIGHT}" stroke="#ddd"/>' for x in places)
    told = [_slope_of(replica, name, each) for replica, each in samples.items()]
    return (
        f"<h2>{WHAT[name]}</h2><svg width='{WIDTH}' height='{HEIGHT}' style='border:1px solid #ccc'>{marks}{lines}"
        f"</svg><p>Top {top / 1.1:.1f}. {'; '.join(told)}.</p>"
    )


def _slope_of(replica: str, name: str, samples: Sequence["Sample"]) -> str:
    pids = [one.pid for one in samples]
    lived = max(set(pids), key=pids.count)
    life = [(one.at, _value(one, name)) for one in samples if one.pid == lived]
    warm = life[int(len(life) * WARM) :]
    return f"{replica}: {warm[0][1]:.1f} to {warm[-1][1]:.1f}, {slope(warm):+.2f} an hour"
