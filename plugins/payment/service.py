"""What happens to payments: orders ask for them, customers make them, providers tell of them, staff give back."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import attrs

from core import audit
from core.auth import Principal
from core.errors import FieldError, Invalid, Problem, not_found
from core.store.db import Db, Tx
from core.types import Paise, UserId, uuid7
from plugins.order.ports import Orders, PaymentInitiated
from plugins.payment import announcing
from plugins.payment.booking import close_if_over
from plugins.payment.counts import OUTCOMES, Counts
from plugins.payment.errand_queries import Errands, Kind, Notices
from plugins.payment.models import CASH, CURRENCY, Payment, Refund, Verdict, Wanted, Why
from plugins.payment.ports import (
    FORGED,
    NOTHING_TO_PAY,
    WAY_NOT_OFFERED,
    Attempt,
    AttemptState,
    NoticeForged,
    Way,
)
from plugins.payment.providers import Providers
from plugins.payment.queries import Attempts, NewPayment, Payments
from plugins.payment.refund_queries import Refunds
from plugins.payment.refunding import Refunding
from plugins.payment.states import State

COD = "COD"
UPI = "UPI"
BATCH = 5_000
"""Old notices that one run of the housekeeping deletes per statement."""
NOBODY = "no provider takes this method"


@attrs.frozen(kw_only=True)
class Ask:
    """How a customer wants to pay, and from which address they ask."""

    way: Way
    upi_id: str | None = attrs.field(default=None, repr=False)
    client: str = attrs.field(default="", repr=False)


@attrs.frozen(kw_only=True)
class Standing:
    """A payment with what went back of it."""

    payment: Payment
    refunds: tuple[Refund, ...]


async def _nobody() -> None:
    """No worker is to be woken."""


class PaymentService:
    """Money moves by what providers say; this writes down what is asked of them, and wakes the workers."""

    def __init__(
        self, *, db: Db, orders: Orders, providers: Providers, refunding: Refunding, counts: Counts | None = None
    ) -> None:
        self._db, self._orders, self._providers, self._refunding = db, orders, providers, refunding
        self._payments, self._attempts, self._refunds = Payments(), Attempts(), Refunds()
        self._errands, self._notices, self._counts = Errands(), Notices(), counts or Counts()
        self.on_notice: Callable[[], Awaitable[None]] = _nobody
        self.on_errand: Callable[[], Awaitable[None]] = _nobody
        """Called after a commit that left work for the workers of this replica."""

    async def initiated(self, tx: Tx, event: PaymentInitiated) -> None:
        """An order awaits money: have a provider asked for something that can be paid.

        A repeat changes nothing, and an order that was cancelled meanwhile awaits none.
        """
        provider = self._providers.taking(event.method)
        new = NewPayment(
            id=event.payment_id,
            order_id=event.order_id,
            order_number=event.order_number,
            user_id=event.user_id,
            method=event.method,
            provider=provider.name if provider else "",
            amount=_paise(event.amount),
            currency=CURRENCY,
        )
        if not await self._payments.add(tx, new) or await close_if_over(tx, self._orders, new.order_id):
            return
        if provider is not None:
            await self._wake(tx, Kind.START, new.id)
            return
        payment = await self._locked(tx, new.order_id)
        await self._payments.move(tx, payment, State.FAILED, NOBODY)
        announcing.failed(tx, payment, NOBODY)

    async def order_closed(self, tx: Tx, order_id: UUID) -> None:
        """Nothing more is to be collected. What arrives all the same goes back: the order says so then."""
        await self._payments.close(tx, order_id)

    async def delivered(self, tx: Tx, order_id: UUID) -> None:
        """An order paid at the door was: the rider has the cash."""
        order = await self._orders.summary(tx, order_id)
        if order is None or order.method != COD:
            return
        new = NewPayment(
            id=uuid7(),
            order_id=order.id,
            order_number=order.number,
            user_id=order.user_id,
            method=COD,
            provider=CASH,
            amount=order.total,
            currency=CURRENCY,
        )
        if not await self._payments.add(tx, new):
            return
        cash = Attempt(
            gateway_payment_id=str(new.id),
            gateway_order_id=order.number,
            amount=order.total,
            currency=CURRENCY,
            state=AttemptState.CAPTURED,
            method=COD,
        )
        await self._attempts.put(tx, CASH, new.id, cash)
        await self._payments.complete(tx, new.id, cash.gateway_payment_id)
        self._counts.attempts.after(tx, CASH, OUTCOMES[Verdict.COMPLETED])

    async def refund_due(self, tx: Tx, order_id: UUID) -> None:
        """The order will not be delivered: whatever is held for it goes back. A repeat finds nothing left."""
        payment = await self._payments.lock_of_order(tx, order_id)
        if payment is not None and await self._refunding.rest(tx, payment, Why.ORDER_CANCELLED):
            tx.after_commit(self.on_errand)

    async def standing(self, owner: UserId, order_id: UUID) -> Standing:
        """How the payment of the owner's order stands."""
        payment = await self._payments.of_order(self._db, order_id, owner)
        if payment is None:
            raise not_found("Payment")
        return Standing(payment=payment, refunds=tuple(await self._refunds.of_payment(self._db, payment.id)))

    async def start(self, tx: Tx, owner: UserId, order_id: UUID, ask: Ask) -> Standing:
        """The owner wants to pay in this way: have the provider asked, unless it is ready or being asked already.

        Raises NOTHING_TO_PAY and WAY_NOT_OFFERED.
        """
        payment = await self._locked(tx, order_id, owner)
        self._payable(payment, ask)
        if not _ready(payment, ask):
            await self._payments.ask(tx, payment.id, ask.way, ask.upi_id, ask.client)
            await self._wake(tx, Kind.START, payment.id)
        return await self._standing(tx, payment.id)

    async def confirm(self, tx: Tx, owner: UserId, order_id: UUID) -> Standing:
        """The owner says that they paid. That proves nothing: it is a reason to ask the provider (RELIABILITY 4.14)."""
        payment = await self._locked(tx, order_id, owner)
        if payment.state is not State.CAPTURED:
            await self._errands.wake_check(tx, payment.id)
            tx.after_commit(self.on_errand)
        return await self._standing(tx, payment.id)

    async def refund(self, tx: Tx, staff: Principal, order_id: UUID, wanted: Wanted) -> Standing:
        """Give money back by hand, audited. Raises REFUND_NOT_POSSIBLE, REFUND_TOO_MUCH and Invalid."""
        payment = await self._locked(tx, order_id)
        order = await self._orders.summary(tx, order_id)
        if order is None:
            raise not_found("Order")
        refund = await self._refunding.by_staff(tx, payment, order, wanted)
        tx.after_commit(self.on_errand)
        details = {"refund": str(refund.id), "amountPaise": refund.amount, "why": refund.why.value}
        await audit.record(
            tx, actor=audit.person(staff), action="payment.refund", subject=f"order:{order_id}", details=details
        )
        return await self._standing(tx, payment.id)

    async def notice(self, name: str, raw: bytes, headers: Mapping[str, str]) -> None:
        """A webhook: proved, stored once, worked in by a worker later. Raises FORGED, after which nothing was written.

        Proved first, then parsed; and stored before it is answered (RELIABILITY 4.14). One round trip.
        """
        provider = self._providers.named(name)
        if provider is None:
            raise not_found("Provider")
        try:
            notice = provider.verify(raw, headers)
        except NoticeForged:
            raise Problem(FORGED) from None
        if await self._notices.store(self._db, name, notice):
            await self.on_notice()

    async def housekeep(self, days: int) -> None:
        """Delete notices that were worked in so many days ago."""
        while await self._notices.delete_old(self._db, days, BATCH) == BATCH:
            pass

    async def reconcile(self, days: int) -> int:
        """Have every payment of these days that is not complete checked now; how many."""
        async with self._db.transaction() as tx:
            return await self._errands.wake_open(tx, days)

    async def oldest_errand(self) -> float:
        """Seconds for which the oldest errand has been due."""
        return await self._errands.oldest_due(self._db)

    def _payable(self, payment: Payment, ask: Ask) -> None:
        if payment.state is State.CAPTURED or payment.closed:
            raise Problem(NOTHING_TO_PAY, details={"state": payment.state.value})
        provider = self._providers.named(payment.provider)
        upi = ask.way is not Way.CHECKOUT
        if provider is None or (upi and (payment.method != UPI or UPI not in provider.methods)):
            raise Problem(WAY_NOT_OFFERED, details={"method": payment.method, "way": ask.way.value})
        if ask.way is Way.UPI_COLLECT and not ask.upi_id:
            raise Invalid([FieldError("upiId", "is required", "required")])

    async def _locked(self, tx: Tx, order_id: UUID, owner: UserId | None = None) -> Payment:
        payment = await self._payments.lock_of_order(tx, order_id, owner)
        if payment is None:
            raise not_found("Payment")
        return payment

    async def _standing(self, tx: Tx, payment_id: UUID) -> Standing:
        payment = await self._payments.find(tx, payment_id)
        if payment is None:  # it is locked by this transaction, and payments are never deleted
            raise AssertionError("a locked payment is gone")
        return Standing(payment=payment, refunds=tuple(await self._refunds.of_payment(tx, payment_id)))

    async def _wake(self, tx: Tx, kind: Kind, subject: UUID) -> None:
        await self._errands.wake(tx, kind, subject)
        tx.after_commit(self.on_errand)


def _ready(payment: Payment, ask: Ask) -> bool:
    """Whether the customer has, or is about to get, what they ask for. After a failure they may ask again.

    Whose app a collect request went to is not kept, so it may be another's than now: the provider knows, and sends no
    second one to the same.
    """
    if payment.way is not ask.way:
        return False
    if payment.asking:
        return payment.upi_id == ask.upi_id
    if payment.started is None:
        return payment.state is not State.FAILED
    match ask.way:
        case Way.CHECKOUT:
            return True
        case Way.UPI_INTENT:
            return payment.started.upi_link is not None and payment.state is not State.FAILED
        case Way.UPI_COLLECT:
            return False


def _paise(amount: float) -> Paise:
    return Paise(round(amount * 100))
