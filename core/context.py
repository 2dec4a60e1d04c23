"""What belongs to the request or event being worked on: its id, its user, its deadline.

Held in context variables so that a query can keep to the deadline and an emitted event can say what caused it,
without every function passing them on.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from uuid import UUID

import attrs


@attrs.frozen
class Cause:
    """Who and what set this work off."""

    correlation_id: str = ""
    user_id: UUID | None = None
    causation_id: UUID | None = None
    request_id: str = ""
    """Of the request being answered, if it is one; what it set off later goes by the correlation id."""


MARGIN = 0.05
"""Seconds between the end of the last wait and the deadline."""
cause: ContextVar[Cause] = ContextVar("cause", default=Cause())  # noqa: B039  frozen, so one default serves all
deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))
"""On the clock of time.monotonic()."""
hurried: ContextVar[bool] = ContextVar("hurried", default=False)
"""Whether the client asked for an earlier deadline than the work's own: to be late for it says nothing of the work."""

AFTER = 1.0
"""Seconds that what follows a commit has, also past the deadline: what was applied must not be told as too late."""
prolong: ContextVar[Callable[[float], None] | None] = ContextVar("prolong", default=None)
"""Moves the deadline of the request under way. None where there is none, and once it was moved: nothing goes on for
ever by committing again and again."""


def remaining(cap: float) -> float:
    """Seconds that a wait may take: its own cap or what is left of the deadline. Never below a millisecond.

    It ends a little before the deadline, so that a store that hangs is told as that and not as a late answer of ours.
    """
    return max(0.001, min(cap, deadline.get() - time.monotonic() - MARGIN))


def leave_time() -> None:
    """Give what follows a commit its time, such as telling a cache. Also for who cannot tell whether there was one.

    The kernel does it after each commit that it knows of, once for each request.
    """
    move, until = prolong.get(), time.monotonic() + AFTER
    if move is not None and deadline.get() < until:
        prolong.set(None)
        deadline.set(until)
        move(until)
