from core.isolation.budget import Budget
from core.settings import IsolationSettings


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_five_failures_in_a_row_spend_it() -> None:
    budget = Budget(IsolationSettings())
    assert [budget.failed() for _ in range(5)] == ["", "", "", "", "5 failures in a row"]


def test_a_success_in_between_begins_a_new_row() -> None:
    budget = Budget(IsolationSettings())
    for _ in range(4):
        for _ in range(4):
            assert not budget.failed() or budget.failed()
        budget.succeeded()


def test_half_of_twenty_calls_spend_it() -> None:
    budget = Budget(IsolationSettings())
    said = []
    for _ in range(10):
        budget.succeeded()
        said.append(budget.failed())
    assert said == [""] * 9 + ["10 of 20 calls failed within 60 s"]


def test_a_share_of_few_calls_says_nothing() -> None:
    budget = Budget(IsolationSettings())
    for _ in range(3):
        budget.succeeded()
        for _ in range(3):
            assert not budget.failed()


def test_what_is_older_than_the_window_is_forgotten() -> None:
    clock = Clock()
    budget = Budget(IsolationSettings(), clock)
    for _ in range(9):
        budget.failed() if _ % 2 else budget.succeeded()
        budget.failed()
        budget.succeeded()
    clock.now += 61
    budget.succeeded()
    assert not budget.failed()


def test_time_within_the_window_changes_nothing() -> None:
    clock = Clock()
    budget = Budget(IsolationSettings(), clock)
    said = []
    for _ in range(10):
        budget.succeeded()
        said.append(budget.failed())
        clock.now += 5
    assert said[-1]


def test_renewed_it_is_whole_again() -> None:
    budget = Budget(IsolationSettings())
    for _ in range(4):
        budget.failed()
    budget.renew()
    assert not budget.failed()
