"""What is counted of messages, once it is marked."""

from collections.abc import Sequence

from core.observe.counts import Count
from plugins.notification.ports import Medium

SENT, RETRIED, FAILED, EXPIRED = OUTCOMES = "sent", "retried", "failed", "expired"


class Counts:
    """Of one replica."""

    def __init__(self) -> None:
        self.sent = Count(
            "notification_sent_total",
            "Messages: sent, retried (refused for now), failed (given up), expired (too late to send)",
            channel=tuple(Medium),
            outcome=OUTCOMES,
        )

    def all(self) -> Sequence[Count]:
        """For `/metrics`."""
        return (self.sent,)
