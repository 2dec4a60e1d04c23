"""What Razorpay gives back by itself, and refunds that it took on: each is in the books once, or in none."""

from typing import Any

import pytest

from plugins.payment.ports import RETURNED, AttemptState
from plugins.payment.razorpay.notices import verify
from plugins.payment.states import State
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer
from tests.plugins.payment.conftest import Till
from tests.plugins.payment.razorpay.conftest import Open
from tests.plugins.payment.razorpay.test_app import at_the_bank
from tests.providers.razorpay import Razorpay
from tests.providers.razorpay_book import Book, Entity, Refusal
from tests.providers.razorpay_webhooks import SECRET, Webhooks, headers

AMOUNT = {"amount": 500, "currency": "INR"}
DUE_REFUNDS = "UPDATE payments.errands SET due_at = now() WHERE kind = 'REFUND' RETURNING true"
DUE = "UPDATE payments.errands SET due_at = now() WHERE subject = $1 RETURNING true"
TIRED = "SELECT max(attempts) FROM payments.errands WHERE kind = 'NOTICE'"


def held(book: Book) -> Entity:
    """An authorized payment."""
    order = book.create_order(AMOUNT)
    return book.authorize(book.pay({"order_id": order["id"], "amount": 500}, "upi")["id"])


def test_only_what_is_held_is_given_back_by_itself() -> None:
    book = Book()
    payment = held(book)
    assert book.auto_refund(payment["id"])["status"] == "processed"
    assert (payment["status"], payment["captured"], payment["refund_status"]) == ("refunded", False, "full")
    with pytest.raises(Refusal):
        book.auto_refund(payment["id"])
    with pytest.raises(Refusal):
        book.auto_refund(book.capture(held(book)["id"], AMOUNT)["id"])
    book.instant_refunds = False
    payment = held(book)
    book.settle(book.auto_refund(payment["id"])["id"], ok=False)
    assert payment["status"] == "authorized"


def test_a_notice_of_it_says_that_nothing_was_captured() -> None:
    book = Book()
    book.auto_refund(held(book)["id"])
    told = [verify(one.body, headers(one), [SECRET]) for one in book.events[1:]]
    assert [one.kind for one in told] == ["refund.created", "refund.processed"]
    for one in told:
        assert one.attempt is not None
        assert (one.attempt.state, one.attempt.reason) == (AttemptState.FAILED, RETURNED)
        assert one.refund is not None


async def rung(till: Till, hooks: Webhooks, account: Razorpay, since: int = 0) -> None:
    """Razorpay tells what happened, and all of it is worked in."""
    hooks.url = f"{till.app.url}/api/v1/webhooks/razorpay"
    await hooks.on_time(account.book.events[since:])
    await till.idle()


async def cancelled(till: Till, buyer: Buyer) -> dict[str, Any]:
    order = await till.ordered(buyer, await till.shop.product())
    assert (await till.app.post(f"/orders/{order['id']}/cancel", json={}, as_=buyer)).status == 200
    await till.until(order, lambda payment: payment.closed)
    return order


async def reconciled(till: Till, order: dict[str, Any], buyer: Buyer) -> None:
    """Customer and operator both have Razorpay asked."""
    assert (await till.app.post(f"/payments/{order['id']}/confirm", json={}, as_=buyer)).status == 200
    await till.idle()
    payment = await till.payment(order)
    assert payment is not None
    await till.app.db.fetchval(DUE, payment.id)
    await till.idle()


async def never_paid(till: Till, order: dict[str, Any], buyer: Buyer) -> None:
    payment = await till.payment(order)
    assert payment is not None
    assert (payment.state is State.CAPTURED, payment.refunded, payment.flag) == (False, 0, None)
    assert "payment.completed" not in await till.events(order)
    assert await till.events(order, "order.") == ["order.created", "order.cancelled"], "no refund is due"
    assert (await till.shop.order(buyer, order["id"]))["status"] == "CANCELLED"
    assert not await till.app.db.fetchval(TIRED), "no notice waits for what never comes"


@pytest.mark.slow
async def test_what_razorpay_gives_back_by_itself_is_in_no_books(
    account: Razorpay, opens: Open, hooks: Webhooks
) -> None:
    book = account.book
    async with opens() as till:
        buyer = await till.shop.buyer()

        told = await cancelled(till, buyer)  # by webhooks, each of them
        payment = book.pay({"order_id": await till.gateway_order(told), "amount": round(told["total"] * 100)}, "upi")
        book.decline(payment["id"], "payment_timed_out")
        book.authorize(payment["id"])
        await rung(till, hooks, account)
        book.auto_refund(payment["id"])
        await rung(till, hooks, account, 2)
        await reconciled(till, told, buyer)
        await never_paid(till, told, buyer)

        silent = await cancelled(till, buyer)  # no webhook comes
        payment = book.pay(
            {"order_id": await till.gateway_order(silent), "amount": round(silent["total"] * 100)}, "upi"
        )
        book.authorize(payment["id"])
        book.auto_refund(payment["id"])
        await reconciled(till, silent, buyer)
        await never_paid(till, silent, buyer)

        before = len(book.events)  # the refund alone is told, of what is not known here yet
        late = await cancelled(till, buyer)
        payment = book.pay({"order_id": await till.gateway_order(late), "amount": round(late["total"] * 100)}, "upi")
        book.authorize(payment["id"])
        book.auto_refund(payment["id"])
        await rung(till, hooks, account, before + 1)
        await rung(till, hooks, account, before)
        await never_paid(till, late, buyer)


async def refunding(till: Till, account: Razorpay, hooks: Webhooks, mango: ProductId) -> tuple[dict[str, Any], Buyer]:
    """An order of two pieces, one of which is on its way back."""
    buyer, staff = await till.shop.buyer(), await till.shop.buyer("ADMIN")
    order = await till.ordered(buyer, mango, 2)
    account.book.instant_refunds = False
    await at_the_bank(account, till, order)
    await rung(till, hooks, account)
    await till.status(order, buyer, "CONFIRMED")
    asked = {"kind": "missing", "items": [{"productId": str(mango), "quantity": 1}]}
    answer = await till.app.post(f"/payments/{order['id']}/refunds", json=asked, as_=staff)
    assert answer.status == 201, answer
    await till.idle()
    return order, buyer


@pytest.mark.slow
async def test_a_refund_that_razorpay_took_on_is_never_sent_again(
    account: Razorpay, opens: Open, hooks: Webhooks
) -> None:
    async with opens() as till:
        order, buyer = await refunding(till, account, hooks, await till.shop.product())
        (refund,) = account.book.refunds.values()
        account._keys.clear()  # a day has passed
        for _ in range(2):
            await till.app.db.fetchval(DUE_REFUNDS)
            await till.idle()
            assert list(account.book.refunds.values()) == [refund]
        account.book.settle(refund["id"])
        await till.app.db.fetchval(DUE_REFUNDS)
        await till.idle()
        view = await till.view(order, buyer)
        assert (view["refundedAmount"], [one["status"] for one in view["refunds"]]) == (300, ["processed"])


@pytest.mark.slow
async def test_a_second_refund_with_our_receipt_counts_too(account: Razorpay, opens: Open, hooks: Webhooks) -> None:
    async with opens() as till:
        order, buyer = await refunding(till, account, hooks, await till.shop.product())
        before, (refund,) = len(account.book.events), account.book.refunds.values()
        asked = {"amount": refund["amount"], "receipt": refund["receipt"]}
        second = account.book.refund(refund["payment_id"], asked)
        for one in (refund, second):
            account.book.settle(one["id"])
        await rung(till, hooks, account, before)
        view = await till.view(order, buyer)
        assert (view["refundedAmount"], view["status"]) == (600, "refunded")
        assert {one["reason"] for one in view["refunds"]} == {"missing", "made_at_provider"}
        assert (await till.shop.order(buyer, order["id"]))["refundedAmount"] == 600
