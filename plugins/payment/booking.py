"""Working what providers say into payments: forward only, once, and only what was asked for (RELIABILITY 4.14).

It makes no difference by which way news came, by webhook or by asking, nor in which order.
"""

import logging
from uuid import UUID

from core.store.db import Tx
from plugins.order.ports import Orders, Status
from plugins.payment import announcing
from plugins.payment.counts import OUTCOMES, Counts
from plugins.payment.errand_queries import Errands, Kind
from plugins.payment.models import Payment, Verdict, judge
from plugins.payment.ports import Attempt, Notice, RefundNews
from plugins.payment.queries import Attempts, Payments
from plugins.payment.refunding import NotYet, Refunding
from plugins.payment.states import OPEN, State, after

log = logging.getLogger(__name__)

DEAD = frozenset({Status.CANCELLED.value, Status.REFUNDED.value})


async def close_if_over(tx: Tx, orders: Orders, order_id: UUID) -> bool:
    """Close the payment of an order that wants no money any more; whether it does not.

    That it was cancelled is told in no order with what asks for its payment, so the order itself is asked (ADR 24).
    """
    order = await orders.summary(tx, order_id)
    if order is None or order.status not in DEAD:
        return False
    await Payments().close(tx, order_id)
    return True


class Booking:
    """Everything in the caller's transaction."""

    def __init__(self, refunding: Refunding, counts: Counts | None = None) -> None:
        self._refunding, self._counts = refunding, counts or Counts()
        self._payments, self._attempts, self._errands = Payments(), Attempts(), Errands()

    async def notice(self, tx: Tx, provider: str, notice: Notice) -> str:
        """What a webhook told; how it was taken. Raises NotYet when it is of something that is not known yet."""
        outcome = "nothing for us"
        if notice.attempt is not None:
            outcome = (await self.attempt(tx, provider, notice.attempt)).value
        if notice.refund is not None:
            outcome = await self.refund(tx, provider, notice.refund)
        return outcome

    async def refund(self, tx: Tx, provider: str, news: RefundNews) -> str:
        """What a provider says of a refund. Raises NotYet when the attempt is not known."""
        attempt = await self._attempts.find(tx, provider, news.gateway_payment_id)
        payment = None if attempt is None else await self._payments.lock(tx, attempt.payment_id)
        if payment is None:
            raise NotYet
        return await self._refunding.news(tx, payment, provider, news)

    async def attempt(self, tx: Tx, provider: str, news: Attempt) -> Verdict:
        """What a provider says of a try to pay. Raises NotYet for a gateway order that is nobody's."""
        payment = await self._payments.lock_by_gateway(tx, provider, news.gateway_order_id)
        if payment is None:
            raise NotYet
        known = await self._attempts.find(tx, provider, news.gateway_payment_id)
        verdict = judge(payment, known, news)
        if verdict is Verdict.OLD:
            return verdict
        if known is None or known.payment_id == payment.id:
            await self._attempts.put(tx, provider, payment.id, news)
        await self._act(tx, payment, verdict, news)
        if verdict in OUTCOMES:
            self._counts.attempts.after(tx, provider, OUTCOMES[verdict])
        return verdict

    async def _act(self, tx: Tx, payment: Payment, verdict: Verdict, news: Attempt) -> None:
        match verdict:
            case Verdict.COMPLETED:
                announcing.completed(tx, await self._payments.complete(tx, payment.id, news.gateway_payment_id))
            case Verdict.PAID_TWICE:
                log.warning("payment %s was paid twice: the second goes back", payment.id)
                await self._refunding.paid_twice(tx, payment, news.gateway_payment_id, news.amount)
            case Verdict.MISMATCH:
                log.error("payment %s needs people: an attempt is not what was asked for", payment.id)
                await self._payments.flag(
                    tx, payment.id, f"attempt {news.gateway_payment_id} is not what was asked for"
                )
            case Verdict.AUTHORIZED:
                await self._payments.move(tx, payment, after(payment.state, news.state))
                await self._errands.wake(tx, Kind.CHECK, payment.id)
            case Verdict.FAILED if payment.state in OPEN - {State.AUTHORIZED}:
                reason = news.reason or "refused"
                await self._payments.move(tx, payment, State.FAILED, reason)
                if not payment.closed:
                    announcing.failed(tx, payment, reason)
            case _:
                pass
