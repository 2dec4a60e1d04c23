"""What replicas tell of themselves, added up over ten minutes."""

from typing import Any
from uuid import uuid4

import attrs
import pytest

from core.observe.meter import BOUNDS
from core.operations.page.fleet import SILENT, SLOTS, Fleet
from core.operations.page.pulse import EVERY, Asked, Pulse


class Clock:
    """Set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def asked(fast: int = 0, slow: int = 0, failed: int = 0) -> Asked:
    """Requests of less than a millisecond and of half a second."""
    buckets = [0] * (len(BOUNDS) + 1)
    buckets[0], buckets[BOUNDS.index(0.5)] = fast, slow
    return Asked(requests=fast + slow, failed=failed, buckets=buckets)


NOTHING = asked()


def pulse(whole: Asked = NOTHING, **more: Any) -> Pulse:
    peer = {"id": str(uuid4()), "host": "one", "pid": 1, "code": {"version": "1"}, "ready": True, "started": 1.0}
    peer |= more.pop("peer", {})
    given: dict[str, Any] = {
        "peer": peer, "reasons": [], "lag": 0.0, "inside": 0, "memory": 0, "pools": {}, "breakers": {},
        "aside": {}, "shares": {}, "asked": whole, "routes": {"GET /x": whole} if whole.requests else {}, "counts": {},
    }  # fmt: skip
    return Pulse(**{**given, **more})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(clock: Clock) -> Fleet:
    return Fleet(clock)


def test_replicas_are_added_up_slot_by_slot(fleet: Fleet, clock: Clock) -> None:
    fleet.hear(pulse(asked(fast=3), counts={"order_placed_total": 1}))
    fleet.hear(pulse(asked(fast=1, slow=4, failed=2), counts={"order_placed_total": 2}))
    clock.now += EVERY
    series = fleet.series()
    assert (len(series["requests"]), series["requests"][-1], series["failed"][-1]) == (SLOTS, 8 / EVERY, 2 / EVERY)
    assert series["requests"][:-1] == [None] * (SLOTS - 1)
    assert (series["counts"]["order_placed_total"][-1], series["p99"][-1] > 0.3, series["p50"][-1] < 0.5) == (
        3,
        True,
        True,
    )


def test_routes_are_those_of_ten_minutes_with_the_failing_ones_first(fleet: Fleet, clock: Clock) -> None:
    fleet.hear(pulse(routes={"GET /busy": asked(fast=9), "GET /bad": asked(slow=2, failed=1)}))
    rows = fleet.routes()
    assert [(row["route"], row["requests"], row["failed"]) for row in rows] == [("GET /bad", 2, 1), ("GET /busy", 9, 0)]
    clock.now += EVERY * 10
    fleet.hear(pulse(routes={"GET /busy": asked(fast=1)}))
    assert fleet.routes()[1]["requests"] == 10
    clock.now += EVERY * (SLOTS - 10)
    fleet.series()
    assert [(row["route"], row["requests"]) for row in fleet.routes()] == [("GET /busy", 1)]
    clock.now += EVERY * SLOTS
    assert fleet.series()["requests"] == [None] * SLOTS
    assert fleet.routes() == []


def test_a_replica_that_says_nothing_is_gone(fleet: Fleet, clock: Clock) -> None:
    old, young = pulse(peer={"started": 1.0}), pulse(peer={"started": 2.0})
    fleet.hear(young)
    fleet.hear(old)
    assert fleet.pulses == [old, young]
    clock.now += SILENT - 1
    fleet.hear(young)
    clock.now += 2
    assert fleet.pulses == [young]


def test_replicas_of_one_release_that_differ_do_not_agree(fleet: Fleet) -> None:
    assert fleet.agreement() == ""
    one = {"version": "1", "plugins": {"order": "1"}}
    fleet.hear(pulse(peer={"code": one}))
    assert fleet.agreement() == ""
    fleet.hear(pulse(peer={"code": {**one, "plugins": {"order": "2"}}, "host": "two"}))
    assert "plugins (order)" in fleet.agreement()


def test_what_was_added_can_be_taken_away_again() -> None:
    first, second = asked(fast=2, failed=1), asked(slow=3)
    assert first.plus(second).plus(second, -1) == first
    assert attrs.asdict(first.plus(second))["requests"] == 5
