"""Personal data of payments: the books stay, and name nobody; saved ways to pay go (RELIABILITY 4.15)."""

from core.privacy.model import BATCH, Fate, Holding, PersonalData, Step, Subject
from core.store.db import Tx
from core.types import UserId
from plugins.payment.personal_queries import PersonalRows

BOOKS = "kept 8 years as the books of account (Companies Act 2013, s. 128; CGST Act 2017, s. 36)"
HOLDINGS = (
    Holding(
        "payments.payments",
        Fate.ANONYMISED,
        f"amounts, times, states and the provider's references {BOOKS}; whom a provider was to ask goes",
    ),
    Holding("payments.attempts", Fate.KEPT, f"what was paid how, by reference, {BOOKS}"),
    Holding("payments.refunds", Fate.KEPT, f"what went back, by reference, {BOOKS}"),
    Holding("payments.refund_lines", Fate.KEPT, f"what it went back for, {BOOKS}"),
    Holding("payments.notices", Fate.KEPT, "ids, amounts and states without a name; deleted after 30 days"),
    Holding("payments.errands", Fate.KEPT, "work by the ids of payments; deleted when it is done"),
    Holding("payments.methods", Fate.DELETED),
)


class PersonalPaymentData:
    """The domain's `personal_data`."""

    def __init__(self) -> None:
        self._rows = PersonalRows()

    def declared(self) -> PersonalData:
        """For the hook."""
        return PersonalData(holdings=HOLDINGS, export=self.export, erase=self.erase)

    async def export(self, tx: Tx, user_id: UserId) -> dict[str, str]:
        """Payments with their refunds, and saved ways to pay."""
        return await self._rows.copy(tx, user_id)

    async def erase(self, tx: Tx, subject: Subject) -> Step:
        """Saved ways to pay, and what a provider was still to be told."""
        return Step.DONE if await self._rows.erase(tx, subject.user_id, BATCH) else Step.MORE
