"""How outcomes are judged: what a promise allows, and what it does not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.cells import BROKEN, NONE, PASS, SLOW, cells
from tests.faults.load.client import kind_of
from tests.faults.report import write
from tests.faults.scenarios.common import first_success, last_failure, percentile, row, slowest
from tests.faults.stage import NORMAL, Played, Scenario, Stage


def attempt(path: str, began: float, out: str, ms: float = 10, status: int = 200) -> dict[str, Any]:
    return {"kind": "try", "path": path, "began": began, "out": out, "ms": ms, "status": status}


def played(records: list[dict[str, Any]], **promise: str) -> Played:
    """A fault from second 100 to second 110."""

    async def body(_: Stage) -> None:
        raise AssertionError("it was played already")

    stage: Any = SimpleNamespace(broken_at=100.0, healed_at=110.0, measures=[], wrong=[])
    scenario = Scenario(name="any", title="Any", promise=promise, body=body)
    return Played(scenario=scenario, stage=stage, records=records, violations={}, lag=0.5, seconds=1)


@pytest.mark.parametrize(
    ("promise", "out", "ms", "verdict"),
    [
        ("ok", "ok", 10, PASS),
        ("ok", "ok", 250, SLOW),
        ("ok300", "ok", 250, PASS),
        ("ok", "FF", 10, BROKEN),
        ("ok", "4xx", 10, PASS),
        ("FF", "FF", 10, PASS),
        ("FF", "FF", 1500, SLOW),
        ("FF", "late", 4000, PASS),
        ("FF", "T", 10, BROKEN),
        ("FF", "401", 10, BROKEN),
        ("FF", "5xx", 10, BROKEN),
        ("T", "T", 10, PASS),
        ("T", "FF", 10, SLOW),
        ("T/B", "FF", 10, PASS),
        ("T", "none", 10, BROKEN),
    ],
)
def test_a_promise_allows_its_outcomes_and_no_others(promise: str, out: str, ms: float, verdict: str) -> None:
    assert [cell.verdict for cell in cells(played([attempt("C", 105, out, ms)], C=promise))] == [verdict]


def test_what_began_before_the_fault_and_ended_in_it_counts() -> None:
    assert cells(played([attempt("C", 99, "5xx", 2000)], C="ok"))[0].verdict == BROKEN


def test_before_the_fault_nothing_counts_and_afterwards_everything_is_well() -> None:
    assert cells(played([attempt("C", 90, "5xx")], C="FF"))[0].verdict == NONE
    assert cells(played([attempt("C", 110 + NORMAL + 1, "FF")], C="FF"))[0].verdict == BROKEN


def test_an_operation_that_never_succeeds_breaks_all_but_an_outage() -> None:
    failed = {"kind": "op", "path": "O", "began": 105.0, "result": "failed", "tries": 4}
    records = [attempt("O", 105, "ok"), failed]
    assert cells(played(records, O="T"))[0].verdict == BROKEN
    assert cells(played(records, O="FF"))[0].verdict == PASS


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {}, "ok"),
        (503, {"error": {"code": "SYS_002", "retryable": True}}, "FF"),
        (503, {"error": {"code": "SYS_002", "retryable": False}}, "5xx"),
        (503, None, "none"),
        (502, None, "T"),
        (504, {"error": {"code": "SYS_003"}}, "late"),
        (500, {"error": {"code": "SYS_001"}}, "5xx"),
        (401, {"error": {"code": "AUTH_003"}}, "401"),
        (409, {"error": {"code": "OPERATION_IN_PROGRESS"}}, "busy"),
        (422, {"error": {"code": "BIZ_001"}}, "4xx"),
        (429, {"error": {"code": "RATE_001"}}, "429"),
    ],
)
def test_an_answer_has_its_class(status: int, body: Any, kind: str) -> None:
    assert kind_of(status, {"Retry-After": "1"}, body) == kind


def test_a_fast_failure_says_when_to_come_back() -> None:
    assert kind_of(503, {}, {"error": {"code": "SYS_002", "retryable": True}}) == "5xx"


def test_moments_are_measured_from_the_records() -> None:
    records = [attempt("O", 111, "FF", 500), attempt("O", 112, "ok", 1000), attempt("C", 100, "ok", 3000)]
    assert first_success("", 110, 2)(records).value == 3
    assert last_failure("", 110, 2)(records).value == 1.5
    assert slowest("", 2, "C", 100)(records).kept is False


def test_a_row_has_nine_cells() -> None:
    assert row("ok - FF FF ok T T T Q")["V"] == "FF"
    with pytest.raises(ValueError, match="cells"):
        row("ok ok")


def test_percentiles() -> None:
    assert percentile([1, 2, 3], 99) == 3
    assert percentile([], 99) == 0


def test_the_page_names_what_was_not_played(tmp_path: Path) -> None:
    write([], tmp_path)
    assert "not played" in (tmp_path / "index.html").read_text()
    assert "not played" in (tmp_path / "matrix.md").read_text()
