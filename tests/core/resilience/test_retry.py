"""Repeats stay a fifth of the calls."""

from hypothesis import given
from hypothesis import strategies as st

from core.resilience.retry import RetryBudget, pause
from tests.core.resilience.hand import Hand


def test_a_busy_replica_repeats_a_fifth_of_its_calls() -> None:
    calls, clock = 1000, Hand()
    budget = RetryBudget(lambda: calls, clock=clock)
    allowed = 0
    while budget.take():
        allowed += 1
        calls += 1  # the repeat is a call too
    assert allowed == 200
    clock.now += 9.9
    assert not budget.take()
    clock.now += 0.2
    assert budget.take()


def test_a_quiet_replica_may_repeat_a_few() -> None:
    budget = RetryBudget(lambda: 3, clock=Hand())
    assert [budget.take() for _ in range(12)] == [True] * 10 + [False] * 2


@given(st.lists(st.floats(0, 4), min_size=1, max_size=200), st.integers(0, 500))
def test_never_more_than_a_fifth_within_any_window(pauses: list[float], calls: int) -> None:
    clock, taken = Hand(), []
    budget = RetryBudget(lambda: calls + len([t for t in taken if t > clock.now - 10]), clock=clock)
    for passes in pauses:
        clock.now += passes
        while budget.take():
            taken.append(clock.now)
        assert len([t for t in taken if t > clock.now - 10]) <= max(10, calls / 5 + 1)


def test_pauses_differ() -> None:
    pauses = [pause() for _ in range(100)]
    assert 0.01 <= min(pauses) < 0.03
    assert 0.08 < max(pauses) <= 0.1
