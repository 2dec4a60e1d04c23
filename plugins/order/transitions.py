"""The order's state machine: the built-in moves and those of other plugins, merged and proved. Pure."""

import graphlib
from collections.abc import Iterable, Mapping

import attrs

from plugins.order.contributions import PAID, SETTLED, Transition
from plugins.order.standing import Actor, Method, Payment, State, Status

FIRST, LAST = Status.PENDING, Status.REFUNDED
MAY_RETURN = frozenset(
    {(Status.OUT_FOR_DELIVERY, Status.READY_FOR_PICKUP), (Status.READY_FOR_PICKUP, Status.PROCESSING)}
)
"""The only moves back that a plugin may add: nobody was at home; something is missing in the bag."""
FORWARD = tuple(Payment)
"""Payments move to the right only: a late or repeated notice never takes one back (RELIABILITY 4.14).
A failed payment may still complete, when the provider captured a second attempt."""

SHOP = frozenset({Actor.STAFF})
ANYBODY = frozenset(Actor)
HOUSE = frozenset({Actor.STAFF, Actor.SYSTEM})
MONEY = frozenset({Actor.SYSTEM})
"""Refunds follow the money: no person makes them here."""
BUILT_IN = (
    Transition(start=Status.PENDING, end=Status.CONFIRMED, by=HOUSE, guard=SETTLED),
    Transition(start=Status.PENDING, end=Status.CANCELLED, by=ANYBODY),
    Transition(start=Status.CONFIRMED, end=Status.PROCESSING, by=SHOP),
    Transition(start=Status.CONFIRMED, end=Status.CANCELLED, by=frozenset({Actor.CUSTOMER, Actor.STAFF})),
    Transition(start=Status.PROCESSING, end=Status.READY_FOR_PICKUP, by=SHOP),
    # A shop without a packing step goes straight from packing to the road.
    Transition(start=Status.PROCESSING, end=Status.OUT_FOR_DELIVERY, by=SHOP),
    Transition(start=Status.PROCESSING, end=Status.CANCELLED, by=SHOP),
    Transition(start=Status.READY_FOR_PICKUP, end=Status.OUT_FOR_DELIVERY, by=SHOP),
    Transition(start=Status.READY_FOR_PICKUP, end=Status.CANCELLED, by=SHOP),
    Transition(start=Status.OUT_FOR_DELIVERY, end=Status.DELIVERED, by=SHOP),
    Transition(start=Status.DELIVERED, end=Status.REFUNDED, by=MONEY, guard=PAID),
    Transition(start=Status.CANCELLED, end=Status.REFUNDED, by=MONEY, guard=PAID),
)


class NotAllowed(ValueError):
    """A move that the state machine does not have."""


class Unproved(ValueError):
    """Declared moves that do not make a sound state machine, with the reason in one line."""


class Machine:
    """Merged moves. Raises Unproved when two declare one move differently, or a rule of `_prove` is broken."""

    def __init__(self, transitions: Iterable[Transition] = BUILT_IN) -> None:
        self._moves: Mapping[Status, dict[Status, Transition]] = {status: {} for status in Status}
        for one in transitions:
            known = self._moves[one.start].setdefault(one.end, one)
            if not known.same(one):
                raise Unproved(f"{one.start} -> {one.end} is declared differently elsewhere")
        _prove({start: frozenset(ends) for start, ends in self._moves.items()})

    def moves(self, start: Status, by: Actor | None = None) -> frozenset[Status]:
        """Where an order may go from here; with `by`, where that one may take it."""
        return frozenset(end for end, one in self._moves[start].items() if by is None or by in one.by)

    def starts(self, end: Status, by: Actor) -> frozenset[Status]:
        """From where somebody may take an order there."""
        return frozenset(start for start in Status if end in self.moves(start, by))

    def advance(self, state: State, to: Status) -> State:
        """The state after a move, or NotAllowed. Cash is paid on delivery; only settled orders leave the start."""
        move = self._moves[state.status].get(to)
        if move is None:
            raise NotAllowed(f"{state.status} -> {to}")
        if state.status is FIRST and to is not Status.CANCELLED and not state.settled:
            raise NotAllowed("not paid yet")
        if to is LAST:
            if not state.paid:
                raise NotAllowed("nothing was paid")
            return attrs.evolve(state, status=to, payment=Payment.REFUNDED)
        if not move.guard.allows(state):
            raise NotAllowed(f"not {move.guard.name}")
        if to is Status.DELIVERED and state.method is Method.COD:
            return attrs.evolve(state, status=to, payment=max(state.payment, Payment.COMPLETED, key=FORWARD.index))
        return attrs.evolve(state, status=to)

    def pay(self, state: State, to: Payment) -> State:
        """The state after news of a payment; the same when the news is old. Confirms a pending order once paid."""
        if FORWARD.index(to) <= FORWARD.index(state.payment):
            return state
        after = attrs.evolve(state, payment=to)
        return self.advance(after, Status.CONFIRMED) if after.paid and after.status is FIRST else after


def _prove(moves: Mapping[Status, frozenset[Status]]) -> None:
    if moves[LAST]:
        raise Unproved(f"nothing leaves {LAST}, but a move to {', '.join(sorted(moves[LAST]))} is declared")
    if extra := moves[Status.CANCELLED] - {LAST}:
        raise Unproved(f"{Status.CANCELLED} -> {', '.join(sorted(extra))}: its stock is sold to others by then")
    if stuck := [status for status in Status if status is not LAST and not moves[status]]:
        raise Unproved(f"no way out of {', '.join(stuck)}")
    seen, ahead = set[Status](), [FIRST]
    while ahead:
        seen.add(status := ahead.pop())
        ahead += moves[status] - seen
    if lost := [status for status in Status if status not in seen]:
        raise Unproved(f"no way from {FIRST} to {', '.join(lost)}")
    onward = {start: {end for end in ends if (start, end) not in MAY_RETURN} for start, ends in moves.items()}
    try:
        graphlib.TopologicalSorter(onward).prepare()
    except graphlib.CycleError as error:
        raise Unproved("orders could go round: " + " -> ".join(reversed(error.args[1]))) from None
