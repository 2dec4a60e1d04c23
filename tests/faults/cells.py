"""What was measured on each path while a fault lasted, and whether it is what was promised."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from tests.faults.scenarios.common import percentile
from tests.faults.stage import NORMAL, PATHS, Played

FAST_FAIL = frozenset({"ok", "4xx", "FF", "late", "busy"})
ALLOWED: Mapping[str, frozenset[str]] = {
    "ok": frozenset({"ok", "4xx"}),
    "ok300": frozenset({"ok", "4xx"}),
    "FF": FAST_FAIL,
    "FF->ok": FAST_FAIL,
    "B": FAST_FAIL,
    "T": frozenset({"ok", "4xx", "T", "FF"}),
    "T/B": FAST_FAIL | {"T"},
    "Q": frozenset({"ok", "4xx"}),
    "shed": FAST_FAIL,
    "late": FAST_FAIL,
    "kept": frozenset({"ok", "4xx"}),
}
"""Outcome classes of single tries that a promise allows."""
MAY_FAIL = frozenset({"FF", "shed", "late"})
"""Promises under which an operation may fail after all of the app's repeats: the trouble was longer than those."""
MILLIS = {"ok": 200.0, "ok300": 300.0}
"""The p99 of successes that a promise names."""
FAST = 1000.0
"""Milliseconds within which a fast failure answers."""
PASS, SLOW, BROKEN, NONE = "pass", "slow", "broken", "none"


@attrs.frozen(kw_only=True)
class Cell:
    """One path under one fault. `verdict`: pass, slow (a latency beyond its promise), broken, or none measured."""

    path: str
    promise: str
    verdict: str
    text: str
    wrong: Sequence[str] = ()


def cells(played: Played) -> list[Cell]:
    """A cell for each path that the scenario promises something about."""
    return [
        _notifications(played, promise) if path == "N" else _cell(played, path, promise)
        for path in PATHS
        if (promise := played.scenario.promise.get(path))
    ]


def _cell(played: Played, path: str, promise: str) -> Cell:
    tries = [record for record in played.records if record["kind"] == "try" and record["path"] == path]
    until = played.stage.healed_at + NORMAL
    during = [one for one in tries if _touches(one, played.stage.broken_at, played.stage.healed_at)]
    meant = [one for one in tries if _touches(one, played.stage.broken_at, until)]
    after = [one for one in tries if one["began"] > until]
    wrong = _strangers(meant, ALLOWED[promise], "in the fault")
    wrong += _strangers(after, ALLOWED["ok"], f"more than {NORMAL:.0f} s after it")
    failed = _failed(played, path)
    if failed and promise not in MAY_FAIL:
        wrong.append(f"{len(failed)} operations failed after the app's repeats")
    if not during:
        return Cell(path=path, promise=promise, verdict=BROKEN if wrong else NONE, text="nothing asked", wrong=wrong)
    slow, text = _told(during, promise)
    if failed:
        text += f", {len(failed)} given up"
    return Cell(path=path, promise=promise, verdict=BROKEN if wrong else SLOW if slow else PASS, text=text, wrong=wrong)


def _notifications(played: Played, promise: str) -> Cell:
    lost = [
        name for name in ("lost-event", "unpublished", "not-told", "told-twice", "dead") if name in played.violations
    ]
    wrong = [f"{name}: {len(played.violations[name])}" for name in lost]
    text = f"all told, the latest after {played.lag:.1f} s" if not lost else "; ".join(wrong)
    return Cell(path="N", promise=promise, verdict=BROKEN if lost else PASS, text=text, wrong=wrong)


def _touches(one: Mapping[str, Any], start: float, end: float) -> bool:
    return bool(one["began"] <= end and one["began"] + one["ms"] / 1000 >= start)


def _strangers(tries: Sequence[Mapping[str, Any]], allowed: frozenset[str], when: str) -> list[str]:
    odd = Counter(
        (one["out"], one["status"], one.get("code") or one.get("error") or "")
        for one in tries
        if one["out"] not in allowed
    )
    return [f"{times} x {out} ({status} {code}) {when}" for (out, status, code), times in odd.most_common()]


def _failed(played: Played, path: str) -> list[Mapping[str, Any]]:
    """Operations that were begun before the fault was over and never succeeded; lost codes count, lost races do not."""
    return [
        one
        for one in played.records
        if one["kind"] == "op" and one["path"] == path and one["began"] <= played.stage.healed_at + NORMAL
        and (one["result"] == "failed" or (one["result"] == "refused" and path == "V" and one["tries"] > 1))
    ]  # fmt: skip


def _told(tries: Sequence[Mapping[str, Any]], promise: str) -> tuple[bool, str]:
    """Whether a latency is beyond the promise, and the cell's text."""
    parts, slow = [], False
    for out, times in Counter(one["out"] for one in tries).most_common():
        millis = sorted(one["ms"] for one in tries if one["out"] == out)
        parts.append(f"{times} {out} {percentile(millis, 99):.0f} ms")
        if out == "ok":
            slow = slow or percentile(millis, 99) > MILLIS.get(promise, float("inf"))
        elif out == "FF":  # beside a lost connection, a fast refusal is right but not what was promised
            slow = slow or promise == "T" or percentile(millis, 99) > FAST
    return slow, ", ".join(parts)
