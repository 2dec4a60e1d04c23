"""The sandbox's page, and the two routes that it asks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs

from core.errors import NOT_FOUND, Problem
from core.http.fields import Text
from core.http.routing import PUBLIC, Call, Files, Repeat, Route
from core.types import Rupees, rupees
from plugins.payment.sandbox.provider import SIGNATURE, BadToken, SandboxProvider

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
Token = Annotated[str, Text(min=1, max=2000)]


@attrs.frozen(kw_only=True)
class BillQuery:
    """The page's own token."""

    token: Token


@attrs.frozen(kw_only=True)
class SandboxBill:
    """What is to be paid. `amount` in rupees."""

    order_number: str
    amount: Rupees
    currency: str
    method: str


@attrs.frozen(kw_only=True)
class DecisionBody:
    """What the person at the page chose."""

    token: Token
    approve: bool


@attrs.frozen(kw_only=True)
class SandboxNotice:
    """A signed notice, to be posted as it is: `body` to `url`, with `signature` in the header of that name."""

    url: str
    header: str
    signature: str
    body: str


def routes(provider: SandboxProvider, webhook: str) -> Sequence[Route | Files]:
    """`webhook` is the path at which notices of the sandbox arrive."""

    async def show(call: Call[Any, BillQuery]) -> SandboxBill:
        """What the page is about."""
        try:
            bill = provider.bill(call.query.token)
        except BadToken:
            raise Problem(NOT_FOUND) from None
        return SandboxBill(
            order_number=bill.order_number, amount=rupees(bill.amount), currency=bill.currency, method=bill.method
        )

    async def decide(call: Call[DecisionBody, Any]) -> SandboxNotice:
        """Sign what was decided. Nothing is done with it here: it counts when it arrives at the webhook."""
        try:
            notice = provider.decide(call.body.token, approve=call.body.approve)
        except BadToken:
            raise Problem(NOT_FOUND) from None
        return SandboxNotice(url=webhook, header=SIGNATURE, signature=notice.signature, body=notice.body)

    return (
        Route(
            method="GET",
            path="/payments/sandbox/bill",
            policy=PUBLIC,
            handler=show,
            answer=SandboxBill,
            query=BillQuery,
            errors=(NOT_FOUND,),
            summary="What a sandbox payment is about",
        ),
        Route(
            method="POST",
            path="/payments/sandbox/decisions",
            policy=PUBLIC,
            handler=decide,
            answer=SandboxNotice,
            body=DecisionBody,
            repeat=Repeat.NATURAL,
            errors=(NOT_FOUND,),
            summary="Approve or decline a sandbox payment",
        ),
        Files("/payments/sandbox", Path(__file__).parent / "page", max_age=60, policy=POLICY),
    )
