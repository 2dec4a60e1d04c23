"""Where a payment may go. Pure: no I/O, no clock."""

from enum import StrEnum

from plugins.payment.ports import AttemptState


class State(StrEnum):
    """How far a payment came. Forward only, to the right (RELIABILITY 4.14).

    A failed payment may still complete, when another attempt succeeds.
    """

    CREATED = "CREATED"
    """The provider does not know it yet."""
    STARTED = "STARTED"
    """The customer can pay."""
    FAILED = "FAILED"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"


FORWARD = tuple(State)
OPEN = frozenset({State.CREATED, State.STARTED, State.FAILED, State.AUTHORIZED})
"""Money may still arrive."""
REACHED = {
    AttemptState.CREATED: State.STARTED,
    AttemptState.FAILED: State.FAILED,
    AttemptState.AUTHORIZED: State.AUTHORIZED,
    AttemptState.CAPTURED: State.CAPTURED,
}


def later(one: State, other: State) -> State:
    """The one that is further on."""
    return max(one, other, key=FORWARD.index)


def after(state: State, attempt: AttemptState) -> State:
    """The state of a payment after news of one attempt; old news changes nothing."""
    return later(state, REACHED[attempt])
