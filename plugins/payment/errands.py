"""What workers do: one method an errand. Providers are called outside of transactions, what they say is worked in."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from core.store.db import Db, Tx
from core.types import UserId
from plugins.order.ports import Orders
from plugins.payment import announcing
from plugins.payment.booking import Booking, close_if_over
from plugins.payment.errand_queries import Errand, Errands, Kind, Notices
from plugins.payment.models import Payment, Refund
from plugins.payment.ports import Attempt, AttemptState, Intent, Provider, ProviderAway, ProviderError, RefundOrder, Way
from plugins.payment.providers import Providers
from plugins.payment.queries import Payments
from plugins.payment.refund_queries import Refunds
from plugins.payment.refunding import NotYet, Refunding
from plugins.payment.states import State
from plugins.user.ports import Users

log = logging.getLogger(__name__)

CHECKS: Sequence[float] = (60, 300, 900, 3_600, 86_400)
"""Seconds after a payment was made at which its provider is asked (RELIABILITY 4.14), and a day later once more: banks
tell of UPI payments that hung until then."""
REFUND_CHECKS: Sequence[float] = (60, 600, 3_600, 21_600, 86_400)
"""Seconds until a refund that is under way is looked at again; the last for good."""
LONGEST_PAUSE = 60.0
OVERTAKEN = 12
"""Tries of a notice that overtook what it is about, two hours or so; after them it is nobody's."""


def pause(attempts: int, longest: float = LONGEST_PAUSE) -> float:
    """Seconds before the next try: 1, 2, 4 and so on."""
    return min(longest, 2.0 ** (attempts - 1))


class Missing(Exception):
    """The plugin of this payment's provider is not here now."""


class Doing:
    """Does claimed errands. Each method leaves its errand done or due later; what it raises, the worker puts off."""

    def __init__(
        self, db: Db, providers: Providers, users: Users, orders: Orders, booking: Booking, refunding: Refunding
    ) -> None:
        self._db, self._providers, self._users, self._orders = db, providers, users, orders
        self._booking, self._refunding = booking, refunding
        self._payments, self._refunds, self._errands, self._notices = Payments(), Refunds(), Errands(), Notices()
        self._by_kind: dict[Kind, Callable[[Errand], Awaitable[None]]] = {
            Kind.NOTICE: self.notice,
            Kind.START: self.start,
            Kind.CHECK: self.check,
            Kind.REFUND: self.refund,
        }

    async def do(self, errand: Errand) -> None:
        """Do it, or put it off when the provider is away."""
        try:
            await self._by_kind[errand.kind](errand)
        except (ProviderAway, Missing) as error:
            reason = error.reason if isinstance(error, ProviderAway) else "provider missing"
            log.warning("%s of %s waits: %s", errand.kind, errand.subject, reason)
            async with self._db.transaction() as tx:
                await self._errands.later(tx, errand, pause(errand.attempts), reason)

    async def notice(self, errand: Errand) -> None:
        """Work a stored notice in, once: its row is locked and marked in the same commit."""

        async def once(tx: Tx) -> None:
            stored = await self._notices.lock(tx, errand.subject)
            if stored is not None:
                outcome = await self._booking.notice(tx, stored.provider, stored.notice)
                await self._notices.processed(tx, stored.id, outcome)
            await self._errands.done(tx, errand)

        try:
            await self._db.run(once)
        except NotYet as problem:
            await self._overtaken(errand, problem.payment_id)

    async def _overtaken(self, errand: Errand, payment_id: UUID | None) -> None:
        async with self._db.transaction() as tx:
            if errand.attempts < OVERTAKEN:
                if payment_id is not None:  # the provider knows what is missing
                    await self._errands.wake_check(tx, payment_id)
                await self._errands.later(tx, errand, pause(errand.attempts, 1_800), "not known yet")
                return
            log.error("notice %s is of nothing that is known here", errand.subject)
            if payment_id is not None:
                await self._payments.flag(tx, payment_id, "a refund made at the provider does not fit")
            await self._notices.processed(tx, errand.subject, "not known")
            await self._errands.done(tx, errand)

    async def start(self, errand: Errand) -> None:
        """Make a payment payable in the way that its customer wants."""
        payment = await self._payments.find(self._db, errand.subject)
        if payment is None or payment.state is State.CAPTURED or await self._over(payment):
            await self._done(errand)
            return
        intent = await self._intent(payment)
        try:
            started = await (await self._provider(payment.provider)).create(intent)
        except ProviderAway:
            raise
        except ProviderError as error:
            await self._refused(errand, payment, error.reason)
            return
        async with self._db.transaction() as tx:
            held = await self._payments.lock(tx, payment.id)
            if held is not None and await self._payments.start(tx, payment, started) and payment.started is None:
                await self._errands.wake(tx, Kind.CHECK, payment.id, CHECKS[0])
            await self._errands.done(tx, errand)

    async def _over(self, payment: Payment) -> bool:
        """Whether its order wants no money any more; asked before any is asked for or taken."""
        if payment.closed:
            return True
        async with self._db.transaction() as tx:
            return await close_if_over(tx, self._orders, payment.order_id)

    async def _intent(self, payment: Payment) -> Intent:
        contact = None
        if payment.way is not Way.CHECKOUT:
            found = await self._users.contacts(self._db, {UserId(payment.user_id)})
            contact = found[UserId(payment.user_id)].phone if found else None
        return Intent(
            payment_id=payment.id,
            order_id=payment.order_id,
            order_number=payment.order_number,
            amount=payment.amount,
            currency=payment.currency,
            method=payment.method,
            way=payment.way,
            upi_id=payment.upi_id,
            contact=contact,
            client=payment.client,
            gateway_order_id=payment.started.gateway_order_id if payment.started else None,
        )

    async def _refused(self, errand: Errand, payment: Payment, reason: str) -> None:
        """It cannot be paid like this. With a gateway order the customer may choose another way."""
        log.warning("payment %s was refused by its provider: %s", payment.id, reason)
        async with self._db.transaction() as tx:
            held = await self._payments.lock(tx, payment.id)
            if held is not None and held.state in (State.CREATED, State.STARTED, State.FAILED):
                await self._payments.move(tx, held, State.FAILED, reason)
                if held.started is None:
                    announcing.failed(tx, held, reason)
            await self._payments.told(tx, payment)
            await self._errands.done(tx, errand)

    async def check(self, errand: Errand) -> None:
        """Ask the provider how a payment stands, take what is authorized, and plan the next check."""
        payment = await self._payments.find(self._db, errand.subject)
        if payment is None or payment.started is None:
            await self._done(errand)
            return
        async with self._db.transaction() as tx:  # from here on others leave the provider in peace for a while
            await self._payments.checked(tx, payment.id)
        provider = await self._provider(payment.provider)
        attempts = await provider.fetch(payment.started.gateway_order_id)
        attempts = [*attempts, *await self._captured(provider, payment, attempts)]

        async def once(tx: Tx) -> None:
            for news in attempts:
                await self._booking.attempt(tx, payment.provider, news)
            held = await self._payments.lock(tx, payment.id)
            wait = await self._errands.until_next_check(tx, payment.id, CHECKS)
            if wait is None or held is None or held.state is State.CAPTURED:
                await self._errands.done(tx, errand)
            else:
                await self._errands.later(tx, errand, wait)

        await self._db.run(once)

    async def _captured(self, provider: Provider, payment: Payment, attempts: Sequence[Attempt]) -> Sequence[Attempt]:
        """Take one that is authorized, if nothing is taken yet and the order still wants it."""
        if payment.flag or any(one.state is AttemptState.CAPTURED for one in attempts):
            return ()
        asked = (payment.amount, payment.currency)
        held = [one for one in attempts if one.state is AttemptState.AUTHORIZED and (one.amount, one.currency) == asked]
        if not held or payment.state is State.CAPTURED or await self._over(payment):
            return ()
        try:
            return (await provider.capture(held[0]),)
        except ProviderAway:
            raise
        except ProviderError as error:
            log.warning("payment %s: what is authorized cannot be captured: %s", payment.id, error.reason)
            return ()

    async def refund(self, errand: Errand) -> None:
        """Send money back, or learn what became of it: what the provider has taken on is never sent again."""
        refund = await self._refunds.find(self._db, errand.subject)
        payment = None if refund is None else await self._payments.find(self._db, refund.payment_id)
        if refund is None or payment is None or refund.finished_at is not None:
            await self._done(errand)
            return
        provider = await self._provider(refund.provider)
        if refund.gateway_refund_id is None:
            try:
                news = [await provider.refund(_order(refund, payment.currency))]
            except ProviderAway:
                raise
            except ProviderError as error:
                log.error("refund %s was refused by its provider: %s", refund.id, error.reason)  # noqa: TRY400  no stack to tell
                await self._refund_refused(errand, payment.id, refund.id)
                return
        else:
            told = await provider.refunds(refund.gateway_payment_id)
            news = [one for one in told if one.gateway_refund_id == refund.gateway_refund_id]

        async def once(tx: Tx) -> None:
            for one in news:
                await self._booking.refund(tx, refund.provider, one)
            left = await self._refunds.find(tx, refund.id)
            if left is None or left.finished_at is not None:
                await self._errands.done(tx, errand)
            else:
                wait = REFUND_CHECKS[min(errand.attempts, len(REFUND_CHECKS)) - 1]
                await self._errands.later(tx, errand, wait, "under way")

        await self._db.run(once)

    async def _refund_refused(self, errand: Errand, payment_id: UUID, refund_id: UUID) -> None:
        async with self._db.transaction() as tx:
            payment = await self._payments.lock(tx, payment_id)
            refund = await self._refunds.find(tx, refund_id)
            if payment is not None and refund is not None:
                await self._refunding.refused(tx, payment, refund)
            await self._errands.done(tx, errand)

    async def _provider(self, name: str) -> Provider:
        found = await self._providers.ready(name)
        if found is None:
            raise Missing
        return found

    async def _done(self, errand: Errand) -> None:
        async with self._db.transaction() as tx:
            await self._errands.done(tx, errand)


def _order(refund: Refund, currency: str) -> RefundOrder:
    return RefundOrder(
        refund_id=refund.id,
        payment_id=refund.payment_id,
        gateway_payment_id=refund.gateway_payment_id,
        amount=refund.amount,
        currency=currency,
        reason=refund.why,
    )
