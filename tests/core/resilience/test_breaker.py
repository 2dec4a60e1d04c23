"""Breakers under a clock that the test turns."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resilience.breaker import Breaker, Breakers, Open, State
from tests.core.resilience.hand import Hand


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def breaker(clock: Hand) -> Breaker:
    return made(clock)


def made(clock: Hand, *, longest: float = 10.0) -> Breaker:
    return Breaker("thing", slow=0.5, longest=longest, clock=clock, uniform=lambda _, high: high)


def call(breaker: Breaker, *, ok: bool = True) -> None:
    began = breaker.enter()
    (breaker.succeeded if ok else breaker.failed)(began)


def opened(breaker: Breaker) -> Breaker:
    for _ in range(5):
        call(breaker, ok=False)
    assert breaker.state is State.OPEN
    return breaker


def test_five_failures_in_a_row_open_it_and_a_success_begins_the_count_anew(breaker: Breaker) -> None:
    for _ in range(4):
        call(breaker, ok=False)
    call(breaker)
    for _ in range(4):
        call(breaker, ok=False)
    assert (breaker.state, breaker.counts) == (State.CLOSED, (9, 8, 0))
    call(breaker, ok=False)
    assert breaker.state is State.OPEN
    with pytest.raises(Open):
        breaker.enter()


def test_half_of_ten_calls_open_it_and_fewer_calls_do_not(breaker: Breaker) -> None:
    for _ in range(4):
        call(breaker)
        call(breaker, ok=False)
    call(breaker)
    assert breaker.state is State.CLOSED
    call(breaker, ok=False)
    assert breaker.state is State.OPEN


def test_failures_older_than_the_window_are_forgotten(breaker: Breaker, clock: Hand) -> None:
    for _ in range(4):
        call(breaker)
        call(breaker, ok=False)
    clock.now += 10.5
    assert breaker.counts == (0, 0, 0)
    call(breaker)
    call(breaker, ok=False)
    assert (breaker.state, breaker.counts) == (State.CLOSED, (2, 1, 0))
    clock.now += 1000
    assert breaker.counts == (0, 0, 0)


def test_cells_of_the_window_leave_one_by_one(breaker: Breaker, clock: Hand) -> None:
    for _ in range(12):
        call(breaker)
        clock.now += 1
    assert breaker.counts[0] == 9
    clock.now += 4
    assert breaker.counts[0] == 5


def test_four_of_five_slow_calls_open_it(breaker: Breaker, clock: Hand) -> None:
    for seconds in (0.4, 0.4, *[0.5] * 7):
        began = breaker.enter()
        clock.now += seconds
        breaker.succeeded(began)
    assert breaker.state is State.CLOSED
    began = breaker.enter()
    clock.now += 0.5
    breaker.succeeded(began)
    assert breaker.state is State.OPEN


def test_calls_that_say_nothing_of_the_dependency_do_not_count(breaker: Breaker) -> None:
    for _ in range(100):
        breaker.ignored(breaker.enter())
    assert (breaker.state, breaker.counts) == (State.CLOSED, (0, 0, 0))


def test_half_open_it_tries_one_call_at_a_time_and_three_close_it(breaker: Breaker, clock: Hand) -> None:
    opened(breaker)
    assert breaker.retry_in == 1
    clock.now += 1
    for _ in range(3):
        trial = breaker.enter()
        with pytest.raises(Open):
            breaker.enter()
        breaker.succeeded(trial)
    assert (breaker.state, breaker.retry_in) == (State.CLOSED, 0)
    for _ in range(2):
        breaker.enter()


def test_a_trial_without_a_verdict_bars_it_for_a_while_only(breaker: Breaker, clock: Hand) -> None:
    opened(breaker)
    clock.now += 1
    breaker.ignored(breaker.enter())
    breaker.enter()
    clock.now += 9.9
    with pytest.raises(Open):
        breaker.enter()
    clock.now += 0.1
    breaker.enter()


def test_it_stays_open_for_one_second_and_twice_as_long_each_time_up_to_a_limit(clock: Hand) -> None:
    breaker = made(clock, longest=5.0)
    opened(breaker)
    for period in (1, 2, 4, 5, 5):
        clock.now += period - 0.01
        with pytest.raises(Open):
            breaker.enter()
        clock.now += 0.01
        call(breaker, ok=False)
        assert breaker.state is State.OPEN
    assert breaker.trips == 6


@pytest.mark.parametrize(("calm", "period"), [(9.0, 2.0), (10.0, 1.0)])
def test_it_doubles_also_when_it_opens_again_soon_after_it_closed(
    breaker: Breaker, clock: Hand, calm: float, period: float
) -> None:
    opened(breaker)
    clock.now += 1
    for _ in range(3):
        call(breaker)
    clock.now += calm
    opened(breaker)
    assert breaker.retry_in == pytest.approx(period)


def test_its_periods_are_jittered_and_never_longer_than_they_should_be() -> None:
    clock = Hand()
    periods = {opened(Breaker("thing", slow=1, clock=clock)).retry_in for _ in range(50)}
    assert 0.8 <= min(periods) < max(periods) <= 1
    assert len(periods) > 40


def test_what_began_before_it_opened_or_closed_decides_nothing(breaker: Breaker, clock: Hand) -> None:
    early = [breaker.enter() for _ in range(20)]
    clock.now += 0.1
    opened(breaker)
    clock.now += 1
    trial = breaker.enter()
    for began in early[:5]:
        breaker.succeeded(began)
        breaker.failed(began)
    assert breaker.state is State.HALF_OPEN
    breaker.succeeded(trial)
    call(breaker)
    call(breaker)
    for began in early:
        breaker.failed(began)
    assert (breaker.state, breaker.counts) == (State.CLOSED, (0, 0, 0))


def test_a_probe_that_saw_the_outage_ends_it_and_spares_calls_the_trial(breaker: Breaker, clock: Hand) -> None:
    breaker.trip()
    for _ in range(20):
        clock.now += 0.5
        breaker.probed(ok=False)
        with pytest.raises(Open):
            breaker.enter()
    breaker.probed(ok=True)
    assert breaker.state is State.HALF_OPEN
    breaker.probed(ok=False)
    assert breaker.state is State.OPEN
    for _ in range(3):
        breaker.probed(ok=True)
    assert breaker.state is State.CLOSED
    breaker.probed(ok=True)
    breaker.probed(ok=False)
    assert breaker.state is State.CLOSED


def test_a_probe_that_saw_nothing_has_no_say(breaker: Breaker, clock: Hand) -> None:
    opened(breaker)
    for _ in range(5):
        breaker.probed(ok=True)
    assert breaker.state is State.OPEN
    clock.now += 1
    for _ in range(3):
        call(breaker)
    assert breaker.state is State.CLOSED


def test_a_probe_that_fell_silent_leaves_the_trial_to_calls(breaker: Breaker, clock: Hand) -> None:
    breaker.trip()
    breaker.trip()
    clock.now += 1.9
    with pytest.raises(Open):
        breaker.enter()
    clock.now += 0.2
    for _ in range(3):
        call(breaker)
    assert breaker.state is State.CLOSED


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=200))
def test_whatever_happens_it_lets_a_call_through_again(steps: list[tuple[bool, float]]) -> None:
    clock = Hand()
    breaker = made(clock)
    for ok, passes in steps:
        clock.now += passes
        try:
            call(breaker, ok=ok)
        except Open:
            assert breaker.state is State.OPEN
            assert 0 < breaker.retry_in <= 10
    clock.now += 10
    for _ in range(3):
        call(breaker)
    assert breaker.state is State.CLOSED


def test_breakers_are_listed_by_name(breaker: Breaker, clock: Hand, caplog: pytest.LogCaptureFixture) -> None:
    breakers = Breakers()
    assert breakers.add(breaker) is breaker
    assert breakers.add(breaker) is breaker
    with pytest.raises(ValueError, match="thing already"):
        breakers.add(made(clock))
    with caplog.at_level(logging.WARNING):
        opened(breaker)
    assert (dict(breakers.states), list(breakers)) == ({"thing": State.OPEN}, [breaker])
    assert caplog.messages == ["the breaker of thing opened"]
