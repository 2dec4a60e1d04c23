"""Personal data of orders: the books stay, the person leaves them (RELIABILITY 4.15)."""

from core.privacy.model import BATCH, Fate, Holding, PersonalData, Step, Subject
from core.store.db import Tx
from core.types import UserId
from plugins.order.personal_queries import PersonalOrders
from plugins.order.service import OrderService

REASON = "The account was deleted."
CANCELLED_AT_ONCE = 20
"""Each takes locks of its own on stock."""
BOOKS = "kept 8 years as the books of account (Companies Act 2013, s. 128; CGST Act 2017, s. 36)"

REASONS = {
    "order.cancelled": ("reason",),
    "order.refund_due": ("reason",),
    "payment.failed": ("reason",),
    "payment.refunded": ("reason",),
}
HOLDINGS = (
    Holding(
        "orders.orders",
        Fate.ANONYMISED,
        f"number, amounts, times, state, city and pin code {BOOKS}; name, phone, street, notes and place go, but name "
        "and street from Rs. 50,000 on, which the invoice must bear (CGST Rules 2017, rule 46)",
    ),
    Holding("orders.items", Fate.KEPT, f"what was sold at which price, {BOOKS}"),
    Holding("orders.payments", Fate.KEPT, f"what was paid how, {BOOKS}"),
    Holding("orders.refunds", Fate.ANONYMISED, f"what went back for what, {BOOKS}; reasons go"),
    Holding("orders.events", Fate.ANONYMISED, f"moves by ids, {BOOKS}; notes go"),
)


class PersonalOrderData:
    """The domain's `personal_data`."""

    def __init__(self, orders: OrderService) -> None:
        self._orders, self._rows = orders, PersonalOrders()

    def declared(self) -> PersonalData:
        """For the hook. Events hold city and pin code at most, but for what a customer gave as a reason."""
        return PersonalData(holdings=HOLDINGS, export=self.export, erase=self.erase, payloads=REASONS)

    async def export(self, tx: Tx, user_id: UserId) -> dict[str, str]:
        """Orders with items, payments and timeline."""
        return {"orders": await self._rows.copy(tx, user_id)}

    async def erase(self, tx: Tx, subject: Subject) -> Step:
        """Orders that have come to their end; the others keep the address that they are brought to.

        At the end of the time that was promised those that can be are cancelled, money and stock go back, and the
        address goes whatever the state is.
        """
        user_id = subject.user_id
        if subject.final and await self._cancelled(tx, user_id):
            return Step.MORE
        if await self._rows.anonymise(tx, user_id, BATCH, all_=subject.final) == BATCH:
            return Step.MORE
        return Step.LATER if await self._rows.has_open(tx, user_id) else Step.DONE

    async def _cancelled(self, tx: Tx, user_id: UserId) -> bool:
        """Whether there was anything to cancel."""
        found = await self._rows.cancellable(tx, user_id, sorted(self._orders.owner_cancels), CANCELLED_AT_ONCE)
        for order_id in found:
            await self._orders.cancel(tx, user_id, order_id, REASON)
        return bool(found)
