"""What is counted of payments, once it is committed."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from core.observe.counts import Count
from plugins.payment.models import Verdict

OUTCOMES: Mapping[Verdict, str] = {
    Verdict.COMPLETED: "succeeded",
    Verdict.FAILED: "failed",
    Verdict.AUTHORIZED: "authorized",
    Verdict.PAID_TWICE: "paid_twice",
    Verdict.MISMATCH: "mismatch",
}
"""What else is said of an attempt changes nothing."""


class Counts:
    """Of one replica."""

    def __init__(self, providers: Callable[[], Iterable[str]] = tuple) -> None:
        """`providers` answers the names of those that plugged in, once all have."""
        self.attempts = Count(
            "payment_attempts_total",
            "Attempts to pay by what their provider said of them; cash at the door is one that succeeded",
            provider=providers,
            outcome=tuple(OUTCOMES.values()),
        )

    def all(self) -> Sequence[Count]:
        """For `/metrics`."""
        return (self.attempts,)
