"""HTTP of payments: the customer's own, refunds by staff, and the providers' notices."""

from collections.abc import Sequence
from typing import cast

from core.auth import Role
from core.errors import NOT_FOUND
from core.http.routing import LIVE_USER, PUBLIC, USER, Call, Permission, Raw, Repeat, Route, Sent
from core.permissions import needs
from core.resilience.rank import Rank
from plugins.payment.bodies import ConfirmBody, RefundBody, StartBody
from plugins.payment.methods import MethodBook
from plugins.payment.ports import FORGED, NOTHING_TO_PAY, REFUND_NOT_POSSIBLE, REFUND_TOO_MUCH, WAY_NOT_OFFERED, Way
from plugins.payment.service import Ask, PaymentService, Standing
from plugins.payment.views import OnePayment, PaymentView, Received

REFUND = Permission("payment.refund", "send money of an order back", frozenset({Role.ADMIN}), fresh=True)
ONE = "/payments/{order_id:uuid}"
WEBHOOK = "/api/v1/webhooks/{provider}"
"""Where a provider's notices arrive, as it has to be told."""


class Handlers:
    """One method a route."""

    def __init__(self, payments: PaymentService, methods: MethodBook) -> None:
        self._payments, self._methods = payments, methods

    async def find(self, call: Call[None, None]) -> OnePayment:
        """How the caller's payment stands."""
        return _view(await self._payments.standing(call.principal.user_id, call.uuid("order_id")))

    async def start(self, call: Call[StartBody, None]) -> OnePayment:
        """Ask for a way to pay."""
        body, owner = call.body, call.principal.user_id
        upi_id = body.upi_id
        if body.method_id is not None and body.way == Way.UPI_COLLECT:
            upi_id = await self._methods.upi_id(call.tx, owner, body.method_id)
        ask = Ask(way=Way(body.way), upi_id=upi_id, client=call.client)
        return _view(await self._payments.start(call.tx, owner, call.uuid("order_id"), ask))

    async def confirm(self, call: Call[ConfirmBody, None]) -> OnePayment:
        """Hear that the customer says they paid."""
        return _view(await self._payments.confirm(call.tx, call.principal.user_id, call.uuid("order_id")))

    async def refund(self, call: Call[RefundBody, None]) -> OnePayment:
        """Give money back."""
        wanted = call.body.wanted()
        return _view(await self._payments.refund(call.tx, call.principal, call.uuid("order_id"), wanted))

    async def notice(self, call: Call[None, None]) -> Received:
        """Take a provider's notice."""
        sent = cast("Sent", call.sent)
        await self._payments.notice(call.text("provider"), sent.body, sent.headers)
        return Received(received=True)


def _view(standing: Standing) -> OnePayment:
    return OnePayment(payment=PaymentView.of(standing.payment, standing.refunds))


def routes(payments: PaymentService, methods: MethodBook, webhook_rate: float) -> Sequence[Route]:
    """The route table."""
    handlers = Handlers(payments, methods)
    return (
        Route(
            method="GET",
            path=ONE,
            policy=USER,
            handler=handlers.find,
            answer=OnePayment,
            errors=(NOT_FOUND,),
            summary="How the payment of one of the caller's orders stands, and what is needed to make it",
        ),
        Route(
            method="POST",
            path=f"{ONE}/start",
            policy=LIVE_USER,
            handler=handlers.start,
            body=StartBody,
            answer=OnePayment,
            repeat=Repeat.NATURAL,
            errors=(NOT_FOUND, NOTHING_TO_PAY, WAY_NOT_OFFERED),
            rank=Rank.VITAL,
            summary="Choose how to pay; the payment's `toPay` follows within a second or so",
        ),
        Route(
            method="POST",
            path=f"{ONE}/confirm",
            policy=LIVE_USER,
            handler=handlers.confirm,
            body=ConfirmBody,
            answer=OnePayment,
            repeat=Repeat.NATURAL,
            errors=(NOT_FOUND,),
            rank=Rank.VITAL,
            summary="Say that it was paid: the provider is asked, and only its word counts",
        ),
        Route(
            method="POST",
            path=f"{ONE}/refunds",
            policy=needs(REFUND),
            handler=handlers.refund,
            body=RefundBody,
            answer=OnePayment,
            status=201,
            repeat=Repeat.KEYED,
            errors=(NOT_FOUND, REFUND_NOT_POSSIBLE, REFUND_TOO_MUCH),
            summary="Refund an order as a whole, by line or for missing pieces; amounts follow from the order",
        ),
        Route(
            method="POST",
            path="/webhooks/{provider}",
            policy=PUBLIC,
            handler=handlers.notice,
            raw=Raw(rate=webhook_rate),
            answer=Received,
            repeat=Repeat.NATURAL,
            errors=(NOT_FOUND, FORGED),
            rank=Rank.VITAL,
            summary="A payment provider's notice, proved by its signature over the raw body",
        ),
    )
