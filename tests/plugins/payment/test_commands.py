"""`vurksha payments`: what operators see, and asking about all open payments."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

import plugins.payment.commands
from core.kernel import Kernel
from core.types import Paise
from plugins.order.ports import ORDERS
from plugins.payment.commands import payments_command
from plugins.payment.ports import AttemptState
from plugins.payment.providers import Providers
from plugins.payment.refunding import Refunding
from plugins.payment.service import PaymentService
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer
from tests.plugins.payment.conftest import Till

Vurksha = Callable[..., Awaitable[Result]]


@pytest.fixture
async def vurksha(till: Till, monkeypatch: pytest.MonkeyPatch) -> Vurksha:
    """The command in a thread of its own, its work on the app's loop and pool."""
    kernel, loop = till.app.kernel, asyncio.get_running_loop()
    service = PaymentService(
        db=kernel.db, orders=kernel.services.get(ORDERS), providers=Providers(kernel.extensions), refunding=Refunding()
    )

    def here(_: Kernel, work: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(work(), loop).result(10)

    monkeypatch.setattr(plugins.payment.commands, "run", here)

    async def go(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, payments_command(kernel, service), words)

    return go


async def test_show_tells_all_but_who_it_was(
    till: Till, vurksha: Vurksha, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    order, attempt = await till.paid(buyer, mango, 2)
    asked = {"kind": "lines", "items": [{"productId": str(mango), "quantity": 1}]}
    await till.app.post(f"/payments/{order['id']}/refunds", json=asked, as_=staff)
    await till.idle()
    by_number, by_id = await vurksha("show", order["orderNumber"]), await vurksha("show", order["id"])
    assert by_number.exit_code == 0, by_number.output
    assert by_number.output == by_id.output
    for word in ("600.00 INR by UPI through fake", f"{attempt.gateway_payment_id}  CAPTURED  600.00, 300.00 of it"):
        assert word in by_number.output
    assert "PROCESSED  300.00  lines" in by_number.output
    assert str(buyer.user_id) not in by_number.output


async def test_show_tells_what_people_have_to_look_at(
    till: Till, vurksha: Vurksha, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.ordered(buyer, mango)
    await till.tell(await till.pays(order, AttemptState.FAILED))
    await till.tell(await till.pays(order, amount=Paise(5)))
    await till.until(order, lambda payment: payment.flag)
    said = (await vurksha("show", order["orderNumber"])).output
    assert "LOOK AT" in said
    assert "FAILED, declined" in said


async def test_show_says_when_there_is_none(vurksha: Vurksha) -> None:
    result = await vurksha("show", "VRK-1999-000001")
    assert (result.exit_code, result.output) == (1, "Error: no payment is known of order VRK-1999-000001\n")


async def test_reconcile_has_every_open_payment_checked(
    till: Till, vurksha: Vurksha, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.ordered(buyer, mango)
    await till.pays(order)
    result = await vurksha("reconcile", "--days", "1")
    assert result.exit_code == 0, result.output
    assert "payments are checked" in result.output
    await till.status(order, buyer, "CONFIRMED")
