"""A shop and Razorpay: webhooks late, repeated, reordered, forged, missing, and while the shop is away."""

import random
from typing import Any

import pytest

from plugins.payment.states import State
from tests.plugins.payment.conftest import Till
from tests.plugins.payment.razorpay.conftest import Open
from tests.providers.razorpay import Razorpay
from tests.providers.razorpay_webhooks import Webhooks


async def at_the_bank(account: Razorpay, till: Till, order: dict[str, Any]) -> str:
    """A declined try, then one that is captured; the id of that."""
    gateway = {"order_id": await till.gateway_order(order), "amount": round(order["total"] * 100)}
    account.book.decline(account.book.pay(gateway, "upi")["id"])
    payment: str = account.book.pay(gateway, "card")["id"]
    account.book.authorize(payment)
    account.book.capture(payment, {"amount": gateway["amount"], "currency": "INR"})
    return payment


@pytest.mark.slow
async def test_whatever_webhooks_do_the_order_is_paid_once(account: Razorpay, opens: Open, hooks: Webhooks) -> None:
    async with opens() as till:
        buyer = await till.shop.buyer()
        mango = await till.shop.product()
        hooks.url = f"{till.app.url}/api/v1/webhooks/razorpay"
        stormy = await till.ordered(buyer, mango)
        payment = await at_the_bank(account, till, stormy)
        events = list(account.book.events)
        assert {status for event in events for status in await hooks.forged(event)} == {400}
        assert await till.app.db.fetchval("SELECT count(*) FROM payments.notices") == 0
        await hooks.reordered(events, random.Random(3))
        for event in events:
            assert await hooks.repeated(event, 3) == [200, 200, 200]
        await hooks.late(events[0], 60)
        assert (await till.status(stormy, buyer, "CONFIRMED"))["paymentStatus"] == "COMPLETED"
        await till.idle()
        assert (await till.events(stormy)).count("payment.completed") == 1
        assert await till.app.db.fetchval("SELECT count(*) FROM payments.notices") == len(events)

        silent = await till.ordered(buyer, mango)
        await at_the_bank(account, till, silent)
        said = await till.app.post(f"/payments/{silent['id']}/confirm", json={}, as_=buyer)
        assert said.status == 200, said
        await till.status(silent, buyer, "CONFIRMED")

        answer = await till.app.post(f"/orders/{stormy['id']}/cancel", json={"reason": "no"}, as_=buyer)
        assert answer.status == 200
        await till.idle()
        assert account.book.payments[payment]["status"] == "refunded"
        assert (await till.shop.order(buyer, stormy["id"]))["paymentStatus"] == "REFUNDED"


@pytest.mark.slow
async def test_webhooks_find_the_shop_again_after_a_restart(account: Razorpay, opens: Open, hooks: Webhooks) -> None:
    async with opens() as till:
        buyer = await till.shop.buyer()
        order = await till.ordered(buyer, await till.shop.product())
        hooks.url = f"{till.app.url}/api/v1/webhooks/razorpay"
        await at_the_bank(account, till, order)
    assert [await hooks.once(event) for event in account.book.events] == [None] * 4
    async with opens() as till:
        await hooks.on_time(account.book.events)
        payment = await till.until(order, lambda payment: payment.state is State.CAPTURED)
        assert payment.captured == payment.amount
        await till.status(order, buyer, "CONFIRMED")
