"""Moves of orders: merged from all plugins, and proved."""

import pytest

from core.extensions import Extends
from core.plugins import PluginError
from plugins.order.moves import Moves
from plugins.order.ports import ALWAYS, ORDER_TRANSITIONS, Actor, Guard, Method, Payment, State, Status, Transition
from plugins.order.transitions import BUILT_IN, FIRST, LAST, Machine, NotAllowed, Unproved
from tests.plugins.order.conftest import contributed

SHOP = frozenset({Actor.STAFF})
PACKED = State(Status.READY_FOR_PICKUP, Method.COD, Payment.PENDING)
ROAD = State(Status.OUT_FOR_DELIVERY, Method.COD, Payment.PENDING)
RETURNED = Transition(start=Status.OUT_FOR_DELIVERY, end=Status.READY_FOR_PICKUP, by=SHOP)


def move(start: Status, end: Status, guard: Guard = ALWAYS) -> Transition:
    return Transition(start=start, end=end, by=SHOP, guard=guard)


def extra(*moves: Transition, plugin: str = "courier") -> list[tuple[str, Extends[Transition]]]:
    return [(plugin, Extends(ORDER_TRANSITIONS, one)) for one in moves]


@pytest.mark.parametrize(
    ("moves", "reason"),
    [
        ([RETURNED], None),
        ([move(Status.PROCESSING, Status.DELIVERED)], None),
        ([move(Status.PROCESSING, Status.READY_FOR_PICKUP)], None),
        ([move(Status.DELIVERED, Status.PROCESSING)], "orders could go round"),
        ([move(Status.PROCESSING, Status.PROCESSING)], "orders could go round"),
        ([move(Status.PROCESSING, Status.CONFIRMED)], "orders could go round: CONFIRMED -> PROCESSING -> CONFIRMED"),
        ([move(Status.CANCELLED, Status.CONFIRMED)], "CANCELLED -> CONFIRMED: its stock is sold"),
        ([move(Status.REFUNDED, Status.PENDING)], "nothing leaves REFUNDED, but a move to PENDING"),
        ([move(Status.PENDING, Status.CONFIRMED)], "PENDING -> CONFIRMED is declared differently"),
        ([move(Status.PENDING, Status.CANCELLED)], "PENDING -> CANCELLED is declared differently"),
    ],
)
def test_moves_that_break_the_proof_are_named(moves: list[Transition], reason: str | None) -> None:
    if reason is None:
        Machine([*BUILT_IN, *moves])
        return
    with pytest.raises(Unproved, match=reason):
        Machine([*BUILT_IN, *moves])


@pytest.mark.parametrize("gone", BUILT_IN, ids=lambda one: f"{one.start}-{one.end}")
def test_a_move_that_is_missing_is_noticed_where_it_is_the_only_way(gone: Transition) -> None:
    left = [one for one in BUILT_IN if one is not gone]
    only_way_out = not any(one.start is gone.start for one in left)
    only_way_in = not any(one.end is gone.end for one in left)
    if only_way_out or only_way_in:
        with pytest.raises(Unproved, match="no way"):
            Machine(left)
    else:
        Machine(left)


def test_what_leaves_the_start_is_settled_whatever_a_plugin_declares() -> None:
    machine = Machine([*BUILT_IN, move(FIRST, Status.PROCESSING)])
    with pytest.raises(NotAllowed, match="not paid yet"):
        machine.advance(State(FIRST, Method.UPI, Payment.FAILED), Status.PROCESSING)
    assert machine.advance(State(FIRST, Method.COD, Payment.PENDING), Status.PROCESSING).status is Status.PROCESSING


def test_a_refund_needs_money_whatever_a_plugin_declares() -> None:
    machine = Machine([*BUILT_IN, move(Status.PROCESSING, LAST)])
    with pytest.raises(NotAllowed, match="nothing was paid"):
        machine.advance(State(Status.PROCESSING, Method.COD, Payment.PENDING), LAST)


def test_people_do_what_their_moves_allow() -> None:
    machine = Machine()
    assert machine.moves(Status.PENDING, Actor.CUSTOMER) == {Status.CANCELLED}
    assert machine.moves(Status.CANCELLED, Actor.STAFF) == frozenset(), "refunds follow the money"
    assert machine.moves(Status.CANCELLED) == {Status.REFUNDED}


def test_another_plugins_move_is_there_while_the_plugin_is() -> None:
    extensions, guards = contributed(*extra(RETURNED))
    moves = Moves(extensions, guards)
    moves.prove()
    machine = moves.machine()
    assert machine.advance(ROAD, Status.READY_FOR_PICKUP).status is Status.READY_FOR_PICKUP
    assert moves.machine() is machine, "from memory"
    guards.quarantine("courier", "a test")
    with pytest.raises(NotAllowed):
        moves.machine().advance(ROAD, Status.READY_FOR_PICKUP)


def test_an_optional_plugin_whose_moves_cannot_be_used_is_put_aside_with_a_clear_line() -> None:
    extensions, guards = contributed(*extra(move(Status.DELIVERED, Status.PROCESSING)), *extra(RETURNED, plugin="late"))
    moves = Moves(extensions, guards)
    moves.prove()
    assert guards.aside["courier"].reason.startswith("courier contributes moves of orders that cannot be used: orders")
    assert guards.available("late")
    assert Status.PROCESSING not in moves.machine().moves(Status.DELIVERED)


def test_two_plugins_that_disagree_are_told_who_came_second() -> None:
    extensions, guards = contributed(
        *extra(RETURNED, plugin="first"),
        *extra(move(ROAD.status, PACKED.status, Guard("x", lambda _: True)), plugin="second"),
    )
    Moves(extensions, guards).prove()
    assert guards.available("first")
    assert "OUT_FOR_DELIVERY -> READY_FOR_PICKUP is declared differently" in guards.aside["second"].reason


def test_a_required_plugin_whose_moves_cannot_be_used_stops_the_start() -> None:
    with pytest.raises(
        PluginError, match="order contributes moves of orders that cannot be used: orders could go round"
    ):
        Moves(*contributed(*extra(move(Status.DELIVERED, Status.PROCESSING), plugin="order"))).prove()


def test_a_guard_decides_and_one_that_fails_says_no() -> None:
    def fails(_: State) -> bool:
        raise ZeroDivisionError

    for guard, allowed in ((Guard("packed", lambda _: True), True), (Guard("no", lambda _: False), False)):
        moves = Moves(*contributed(*extra(move(ROAD.status, PACKED.status, guard))))
        if allowed:
            assert moves.machine().advance(ROAD, PACKED.status).status is PACKED.status
        else:
            with pytest.raises(NotAllowed, match=r"^not no$"):
                moves.machine().advance(ROAD, PACKED.status)
    extensions, guards = contributed(*extra(move(ROAD.status, PACKED.status, Guard("broken", fails))))
    moves = Moves(extensions, guards)
    for _ in range(guards.settings.failures):
        with pytest.raises(NotAllowed, match="not broken"):
            moves.machine().advance(ROAD, PACKED.status)
    assert not guards.available("courier")
