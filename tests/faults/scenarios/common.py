"""What scenarios share."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tests.faults.stage import PATHS, Measure

WRITES = "SVRKOW"
Judge = Callable[[Sequence[Mapping[str, Any]]], Measure | None]


def row(promises: str) -> dict[str, str]:
    """A row of RELIABILITY 2: the words of its nine cells, `-` where it promises nothing."""
    words = promises.split()
    if len(words) != len(PATHS):
        raise ValueError(f"{len(words)} cells instead of {len(PATHS)}")
    return {path: word for path, word in zip(PATHS, words, strict=True) if word != "-"}


ALL_OK = row("ok ok ok ok ok ok ok ok ok")


def first_success(name: str, since: float, limit: float, paths: Collection[str] = WRITES) -> Judge:
    """Seconds from a moment until the first try that began after it succeeded."""

    def look(records: Sequence[Mapping[str, Any]]) -> Measure:
        ends = [
            one["began"] + one["ms"] / 1000
            for one in records
            if one["kind"] == "try" and one["path"] in paths and one["out"] == "ok" and one["began"] >= since
        ]
        return Measure(name=name, value=min(ends, default=float("inf")) - since, limit=limit)

    return look


def last_failure(name: str, since: float, limit: float, paths: Collection[str] = "CSVRAKOW") -> Judge:
    """Seconds from a moment until the last try that did not succeed had ended."""

    def look(records: Sequence[Mapping[str, Any]]) -> Measure:
        ends = [
            one["began"] + one["ms"] / 1000
            for one in records
            if one["kind"] == "try" and one["path"] in paths and one["out"] not in ("ok", "4xx")
        ]
        return Measure(name=name, value=max(0.0, max(ends, default=since) - since), limit=limit)

    return look


def slowest(name: str, limit: float, paths: Collection[str], start: float, *, hard: bool = True) -> Judge:
    """The longest that anybody waited for an answer to one try, in seconds."""

    def look(records: Sequence[Mapping[str, Any]]) -> Measure:
        waits = [
            one["ms"] / 1000
            for one in records
            if one["kind"] == "try" and one["path"] in paths and one["began"] + one["ms"] / 1000 >= start
        ]
        return Measure(name=name, value=max(waits, default=0.0), limit=limit, hard=hard)

    return look


def percentile(ordered: Sequence[float], percent: float) -> float:
    """By nearest rank; of nothing it is 0."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0
