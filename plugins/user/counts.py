"""What is counted of sign-ins, once it is committed."""

from collections.abc import Sequence

from core.observe.counts import Count

SENT, FAILED, REFUSED = "sent", "failed", "refused"
OK = "ok"


class Counts:
    """Of one replica."""

    def __init__(self) -> None:
        self.codes_sent = Count(
            "user_codes_sent_total",
            "One-time codes: sent, failed (a hand-over that is tried again), refused (a limit was reached)",
            outcome=(SENT, FAILED, REFUSED),
        )
        self.sign_ins = Count(
            "user_sign_ins_total", "Codes that were entered: ok, or refused as wrong or expired", outcome=(OK, REFUSED)
        )

    def all(self) -> Sequence[Count]:
        """For `/metrics`."""
        return self.codes_sent, self.sign_ins
