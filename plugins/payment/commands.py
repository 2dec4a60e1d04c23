"""Commands for the `vurksha` program: how an order's payment stands, and asking the provider about all open ones."""

from uuid import UUID

import click

from core.cli import run
from core.kernel import Kernel
from core.privacy.model import uuid_of
from core.types import rupees
from plugins.payment.models import KnownAttempt, Payment, Refund
from plugins.payment.queries import Attempts, Payments
from plugins.payment.refund_queries import Refunds
from plugins.payment.service import PaymentService

DAYS = 7


async def _found(kernel: Kernel, order: str) -> UUID | None:
    """The order that an id or a number names."""
    return uuid_of(order) or await Payments().order_by_number(kernel.db, order)


def _about(payment: Payment, attempts: list[KnownAttempt], refunds: list[Refund]) -> str:
    """Everything but who it was."""
    lines = [
        f"payment   {payment.id}",
        f"order     {payment.order_number} ({payment.order_id}){', cancelled' if payment.closed else ''}",
        f"amount    {rupees(payment.amount):.2f} {payment.currency} by {payment.method} through {payment.provider}",
        f"state     {payment.state.value}{f', {payment.failure}' if payment.failure else ''}",
    ]
    if payment.started:
        lines.append(f"gateway   {payment.started.gateway_order_id}")
    if payment.flag:
        lines.append(f"LOOK AT   {payment.flag}")
    for one in attempts:
        back = f", {rupees(one.refunded):.2f} of it refunded" if one.refunded else ""
        lines.append(f"attempt   {one.gateway_payment_id}  {one.state.value}  {rupees(one.amount):.2f}{back}")
    for refund in refunds:
        reference = refund.gateway_refund_id or refund.id
        lines.append(f"refund    {reference}  {refund.state.value}  {rupees(refund.amount):.2f}  {refund.why.value}")
    return "\n".join(lines)


def payments_command(kernel: Kernel, service: PaymentService) -> click.Command:
    """`vurksha payments show ORDER` and `vurksha payments reconcile`."""

    @click.group("payments")
    def payments() -> None:
        """Money of orders: how it stands, and what the provider says."""

    @payments.command("show", epilog="Example: vurksha payments show VRK-2026-000001")
    @click.argument("order")
    def show(order: str) -> None:
        """Print the payment of ORDER, an id or a number, with its attempts and refunds."""
        found: list[str] = []

        async def work() -> None:
            order_id = await _found(kernel, order)
            payment = await Payments().of_order(kernel.db, order_id) if order_id else None
            if payment is not None:
                attempts = await Attempts().of_payment(kernel.db, payment.id)
                found.append(_about(payment, list(attempts), list(await Refunds().of_payment(kernel.db, payment.id))))

        run(kernel, work)
        if not found:
            raise click.ClickException(f"no payment is known of order {order}")
        click.echo(found[0])

    @payments.command("reconcile", epilog="Example: vurksha payments reconcile --days 2")
    @click.option("--days", default=DAYS, show_default=True, type=click.IntRange(1, 366), help="How old at most.")
    def reconcile(days: int) -> None:
        """Have the running replicas ask the provider about every payment that is not complete, now."""
        counts: list[int] = []

        async def work() -> None:
            counts.append(await service.reconcile(days))

        run(kernel, work)
        click.echo(f"{counts[0]} payments are checked by the replicas that run, within seconds")

    return payments
