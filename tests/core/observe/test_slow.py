"""The worst of each plugin is kept, and the latest of all."""

import sys

from core.observe.slow import DEEP, LATEST, WORST, SlowCalls, stack_of, told

HERE = stack_of(sys._getframe())


def test_the_worst_of_each_plugin_are_kept_whoever_is_slower() -> None:
    calls = SlowCalls()
    for number in range(1, 3 * WORST):
        calls.note("order", "GET /orders", number, HERE)
    calls.note("cart", "GET /cart", 0.2, HERE)
    worst = calls.worst(100)
    assert [slow.seconds for slow in worst] == [*range(3 * WORST - 1, 2 * WORST - 1, -1), 0.2]
    assert calls.worst(1) == worst[:1]
    assert calls.times == {"order": 3 * WORST - 1, "cart": 1}


def test_the_latest_come_first_and_only_so_many_are_kept() -> None:
    calls = SlowCalls()
    for number in range(LATEST + 3):
        calls.note("order", "", number, HERE)
    assert [slow.seconds for slow in calls.latest(2)] == [LATEST + 2, LATEST + 1]
    assert len(calls.latest(1000)) == LATEST


def deep(calls: int) -> tuple[str, ...]:
    return told(stack_of(sys._getframe())) if not calls else deep(calls - 1)


def test_a_stack_names_places_only_and_not_without_end() -> None:
    secret = "eyJsecret"  # noqa: F841  a value of this frame, which must not be told
    stack = deep(2 * DEEP)
    assert len(stack) == DEEP
    file, _, place = stack[-1].partition(":")
    assert file == __file__
    assert place.split() == [str(deep.__code__.co_firstlineno + 1), "deep"]
    assert "secret" not in "".join(told(stack_of(sys._getframe())))
