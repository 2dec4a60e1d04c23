import asyncio
import sys
import time

import asyncpg
import pytest

from core import context
from core.errors import INTERNAL, NOT_FOUND, TIMEOUT, UNAVAILABLE, Problem
from core.isolation.guards import Guards, Overran, PutAside
from core.isolation.model import DISABLED, KERNEL, QUARANTINED, PluginState
from core.settings import IsolationSettings
from core.tasks import Exited


@pytest.fixture
def guards() -> Guards:
    return Guards(IsolationSettings(failures=3, pure=0.01), ["rogue"])


async def broken(_: object = None) -> None:
    raise ValueError("secret words")


async def fine(value: int) -> int:
    return value


def fail(guards: Guards, error: BaseException, plugin: str = "rogue") -> None:
    for _ in range(3):
        guards.failed(plugin, "GET /rogue", error)


async def test_a_plugin_that_keeps_failing_is_quarantined(guards: Guards) -> None:
    told: list[PluginState] = []
    guards.on_quarantine = told.append
    for _ in range(3):
        assert guards.available("rogue")
        with pytest.raises(ValueError, match="secret words"):
            await guards.call("rogue", "GET /rogue", broken)
    assert not guards.available("rogue")
    (state,) = told
    assert state == guards.aside["rogue"]
    assert (state.plugin, state.state, state.by) == ("rogue", QUARANTINED, KERNEL)
    assert state.reason == "GET /rogue: ValueError, 3 failures in a row"


async def test_who_is_quarantined_is_not_called(guards: Guards) -> None:
    guards.quarantine("rogue", "because")
    with pytest.raises(PutAside) as refused:
        await guards.call("rogue", "GET /rogue", fine, 1)
    assert refused.value.code is UNAVAILABLE
    assert refused.value.details == {"plugin": "rogue"}
    with pytest.raises(PutAside):
        guards.pure("rogue", "adjust", int, "1")


async def test_a_required_plugin_is_named_and_goes_on(guards: Guards, caplog: pytest.LogCaptureFixture) -> None:
    fail(guards, ValueError(), "order")
    guards.quarantine("order", "the loop")
    assert guards.available("order")
    assert await guards.call("order", "GET /orders", fine, 7) == 7
    assert "plugin order: GET /rogue failed: ValueError" in caplog.text
    assert "plugin order is required, and not quarantined for: the loop" in caplog.text


async def test_a_success_pays_for_the_failures_before_it(guards: Guards) -> None:
    for _ in range(5):
        for _ in range(2):
            with pytest.raises(ValueError, match="secret"):
                await guards.call("rogue", "x", broken)
        assert await guards.call("rogue", "x", fine, 1) == 1
    assert guards.available("rogue")


@pytest.mark.parametrize(
    "error",
    [
        Problem(NOT_FOUND),
        Problem(UNAVAILABLE),
        ConnectionResetError(),
        asyncpg.AdminShutdownError(),
        asyncpg.DeadlockDetectedError(),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_refusals_and_outages_are_not_the_plugins(guards: Guards, error: BaseException) -> None:
    fail(guards, error)
    assert guards.available("rogue")


@pytest.mark.parametrize(
    "error",
    [Problem(TIMEOUT), Problem(INTERNAL), TimeoutError(), KeyError("x")],
    ids=lambda error: type(error).__name__,
)
def test_what_no_client_or_store_can_help_is_the_plugins(guards: Guards, error: Exception) -> None:
    fail(guards, error)
    assert not guards.available("rogue")


def test_nothing_is_blamed_on_plugins_while_a_store_is_away() -> None:
    guards = Guards(IsolationSettings(failures=3), ["rogue"], excused=lambda: True)
    fail(guards, TimeoutError())
    assert guards.available("rogue")


def test_who_is_late_while_all_are_is_not_blamed_but_who_raises_is() -> None:
    guards = Guards(IsolationSettings(failures=3), ["rogue"], overloaded=lambda: True)
    for late in (Overran(), TimeoutError(), Problem(TIMEOUT)):
        fail(guards, late)
    assert guards.available("rogue")
    fail(guards, ValueError())
    assert not guards.available("rogue")


async def test_who_overruns_its_time_is_named(guards: Guards) -> None:
    with pytest.raises(Overran):
        await guards.call("rogue", "start", asyncio.sleep, 5, timeout=0.01)
    for _ in range(2):
        with pytest.raises(Overran):
            await guards.call("rogue", "start", asyncio.sleep, 5, timeout=0.01)
    assert guards.aside["rogue"].reason == "start: Overran, 3 failures in a row"


async def test_a_timeout_of_its_own_stays_what_it_is(guards: Guards) -> None:
    async def late() -> None:
        raise TimeoutError("inner")

    with pytest.raises(TimeoutError, match="inner") as caught:
        await guards.call("rogue", "x", late, timeout=5)
    assert not isinstance(caught.value, Overran)
    assert await guards.call("rogue", "x", fine, 3, timeout=5) == 3


def test_pure_functions_are_counted_too(guards: Guards) -> None:
    assert guards.pure("rogue", "adjust", int, "3") == 3
    for _ in range(3):
        with pytest.raises(ValueError, match="invalid literal"):
            guards.pure("rogue", "adjust", int, "x")
    assert not guards.available("rogue")


def test_a_slow_pure_function_is_a_failure() -> None:
    ticks = iter(range(1000))
    guards = Guards(IsolationSettings(failures=3), ["rogue"], clock=lambda: float(next(ticks)))
    for _ in range(3):
        assert guards.pure("rogue", "adjust", int, "3") == 3
    assert "Overran" in guards.aside["rogue"].reason


def test_the_first_reason_stays(guards: Guards) -> None:
    told: list[PluginState] = []
    guards.on_quarantine = told.append
    guards.quarantine("rogue", "one")
    guards.quarantine("rogue", "two")
    fail(guards, ValueError())
    assert [state.reason for state in told] == ["one"]


def test_what_holds_everywhere_is_followed_and_left_again(guards: Guards) -> None:
    told: list[str] = []
    guards.on_change.append(told.append)
    guards.add("other")
    disabled = PluginState(plugin="rogue", state=DISABLED, reason="tidying", by="cli:me@here")
    guards.follow({"rogue": disabled, "order": of_order(disabled)})
    assert guards.aside == {"rogue": disabled}
    again = PluginState(plugin="rogue", state=DISABLED, reason="tidying up", by="cli:me@here")
    guards.follow({"rogue": again})
    assert guards.aside == {"rogue": again}
    guards.follow({})
    assert guards.available("rogue")
    assert told == ["rogue", "rogue"]


def of_order(state: PluginState) -> PluginState:
    return PluginState(plugin="order", state=state.state, reason=state.reason, by=state.by)


def test_readmitted_it_has_a_whole_budget(guards: Guards) -> None:
    fail(guards, ValueError())
    guards.follow({})
    guards.failed("rogue", "x", ValueError())
    assert guards.available("rogue")


def test_asking_costs_next_to_nothing(guards: Guards) -> None:
    began = time.perf_counter()
    for _ in range(10_000):
        guards.available("order")
    assert time.perf_counter() - began < 0.1


def test_what_could_not_be_loaded_stays_away_here(guards: Guards) -> None:
    guards.lost("absent", "import: ModuleNotFoundError")
    guards.follow({})
    assert guards.aside["absent"].reason == "import: ModuleNotFoundError"


async def test_who_would_end_the_process_has_failed(guards: Guards) -> None:
    async def leave() -> None:
        sys.exit(2)

    for _ in range(2):
        with pytest.raises(Exited, match="SystemExit 2"):
            await guards.call("rogue", "x", leave, timeout=5)
    with pytest.raises(Exited, match="SystemExit now"):
        guards.pure("rogue", "x", sys.exit, "now")
    assert guards.aside["rogue"].reason == "x: Exited, 3 failures in a row"


def test_who_is_late_for_a_client_in_a_hurry_is_not_blamed(guards: Guards) -> None:
    token = context.hurried.set(True)
    for late in (Overran(), TimeoutError(), Problem(TIMEOUT)):
        fail(guards, late)
    context.hurried.reset(token)
    assert guards.available("rogue")


def test_who_requires_one_that_is_put_aside_goes_and_comes_back_with_it() -> None:
    guards, told, written = Guards(IsolationSettings(), ["a", "b", "c", "d"]), list[str](), list[PluginState]()
    guards.requires = {"a": (), "b": ("a",), "c": ("user", "b"), "d": ()}
    guards.on_change.append(told.append)
    guards.on_quarantine = written.append
    guards.quarantine("a", "the loop")
    assert told == ["a", "b", "c"]
    assert [state.plugin for state in written] == list(guards.own) == ["a"]
    assert guards.aside["c"].reason == ("requires b, which is quarantined: requires a, which is quarantined: the loop")
    alone = PluginState(plugin="c", state=DISABLED, reason="tidying", by="cli:me@here")
    guards.follow({"c": alone})
    assert guards.aside == {"c": alone}
    assert told[3:] == ["a", "b"]
    guards.lost("b", "no such module")
    guards.follow({})
    assert set(guards.aside) == {"b", "c"}
    assert guards.aside["c"].reason == "requires b, which is quarantined: no such module"
