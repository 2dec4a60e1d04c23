"""How a payment becomes payable: a worker asks the provider, again and again if it must, and the owner chooses how."""

from typing import Any
from uuid import UUID

import pytest

from core.testing import Answer
from core.types import uuid7
from plugins.order.ports import PaymentInitiated
from plugins.payment.errand_queries import Errands, Kind
from plugins.payment.ports import AttemptState, Started, Way
from plugins.payment.queries import NewPayment, Payments
from plugins.payment.states import State
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer
from tests.plugins.payment.conftest import Till
from tests.plugins.payment.fake import paise

FORGET_ERRANDS = "DELETE FROM payments.errands WHERE subject IN (SELECT id FROM payments.payments WHERE order_id = $1)"
FORGET = "DELETE FROM payments.payments WHERE order_id = $1"
UNSTARTED = """
UPDATE payments.payments SET gateway_order_id = NULL, started = NULL, state = 'CREATED' WHERE order_id = $1 RETURNING id
"""


async def start(till: Till, order: dict[str, object], who: Buyer, **body: object) -> Answer:
    """POST /payments/{id}/start."""
    return await till.app.post(f"/payments/{order['id']}/start", json=body, as_=who)


async def test_a_provider_that_is_away_is_asked_again(till: Till, buyer: Buyer, mango: ProductId) -> None:
    till.provider.away("create", 2)
    order = await till.shop.ordered(buyer, mango, paymentMethod="UPI")
    payment = await till.until(order, lambda payment: payment.started)
    assert payment.state is State.STARTED
    assert await till.events(order) == ["payment.initiated"]


async def test_what_the_provider_refuses_fails_and_may_be_asked_for_again(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    till.provider.refuses("create")
    order = await till.shop.ordered(buyer, mango, paymentMethod="UPI")
    payment = await till.until(order, lambda payment: payment.state is State.FAILED)
    assert (payment.failure, payment.started) == ("bad_request", None)
    assert (await start(till, order, buyer)).status == 200
    await till.until(order, lambda payment: payment.started)
    assert (await till.view(order, buyer))["ready"] is True
    await till.idle()
    assert await till.events(order) == ["payment.initiated", "payment.failed"]


async def test_asking_twice_for_what_is_ready_asks_the_provider_once(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.ordered(buyer, mango)
    calls = till.provider.calls["create"]
    for _ in range(3):
        answer = await start(till, order, buyer)
        assert answer.data["payment"]["toPay"]["gatewayOrderId"] == await till.gateway_order(order)
    assert till.provider.calls["create"] == calls


async def test_a_upi_link_is_made_for_the_same_gateway_order(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    before = await till.gateway_order(order)
    answer = await start(till, order, buyer, way="upiIntent")
    assert (answer.data["payment"]["ready"], answer.data["payment"]["toPay"]) == (False, None)
    payment = await till.until(order, lambda payment: not payment.asking)
    assert payment.started is not None
    assert (payment.started.upi_link, payment.started.gateway_order_id) == ("upi://pay?pa=shop@fake", before)
    asked = till.provider.asked[-1]
    assert (asked.way, asked.contact, asked.client) == (Way.UPI_INTENT, buyer.phone, "127.0.0.1")


async def test_whom_to_ask_is_kept_only_until_the_provider_was_told(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    assert (await start(till, order, buyer, way="upiCollect")).code == "VAL_001"
    till.provider.away("create")
    assert (await start(till, order, buyer, way="upiCollect", upiId="asha@okbank")).status == 200
    payment = await till.until(order, lambda payment: not payment.asking)
    assert (payment.upi_id, payment.client, payment.started and payment.started.asked) == (None, None, True)
    assert till.provider.asked[-1].upi_id == "asha@okbank"
    assert "asha" not in repr(payment)
    await till.tell(await till.pays(order, AttemptState.FAILED))
    await till.until(order, lambda payment: payment.state is State.FAILED)
    calls = till.provider.calls["create"]
    await start(till, order, buyer, way="upiCollect", upiId="asha@okbank")
    await till.until(order, lambda payment: not payment.asking)
    assert till.provider.calls["create"] == calls + 1


async def test_a_corrected_upi_address_is_asked_too(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    till.provider.away("create", 2)
    for address in ("asa@okbank", "asha@okbank"):  # the first is still to be told
        assert (await start(till, order, buyer, way="upiCollect", upiId=address)).status == 200
    await till.until(order, lambda payment: not payment.asking)
    await till.idle()
    assert till.provider.asked[-1].upi_id == "asha@okbank"
    answer = await start(till, order, buyer, way="upiCollect", upiId="asha@okhdfc")  # the second waits in an app
    assert answer.data["payment"]["ready"] is False
    await till.until(order, lambda payment: not payment.asking)
    assert till.provider.asked[-1].upi_id == "asha@okhdfc"


async def test_a_request_that_is_being_made_is_not_asked_for_again(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    till.provider.away("create")
    calls = till.provider.calls["create"]
    for _ in range(3):
        await start(till, order, buyer, way="upiCollect", upiId="asha@okbank")
    await till.until(order, lambda payment: not payment.asking)
    await till.idle()
    assert till.provider.calls["create"] == calls + 2, "the one that got no answer, and the one that did"


async def test_a_refused_upi_address_is_forgotten_and_the_checkout_stays(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.ordered(buyer, mango)
    till.provider.refuses("create", "no_such_address")
    await start(till, order, buyer, way="upiCollect", upiId="nobody@okbank")
    payment = await till.until(order, lambda payment: payment.failure)
    assert (payment.upi_id, payment.asking, payment.failure) == (None, False, "no_such_address")
    await till.idle()
    assert await till.events(order) == ["payment.initiated"]
    await start(till, order, buyer)
    await till.until(order, lambda payment: not payment.asking and payment.way is Way.CHECKOUT)
    await till.tell(await till.pays(order))
    await till.status(order, buyer, "CONFIRMED")


async def test_a_saved_upi_address_can_be_asked(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    saved = await till.app.post("/payment-methods", json={"type": "upi", "upiId": "asha@okbank"}, as_=buyer)
    method = saved.data["paymentMethod"]["id"]
    assert (await start(till, order, buyer, way="upiCollect", methodId=method)).status == 200
    await till.until(order, lambda payment: not payment.asking)
    assert till.provider.asked[-1].upi_id == "asha@okbank"
    stranger = await till.shop.buyer()
    other = await till.ordered(stranger, mango)
    assert (await start(till, other, stranger, way="upiCollect", methodId=method)).status == 404


async def test_upi_is_for_orders_that_chose_upi(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango, method="CARD")
    assert (await start(till, order, buyer, way="upiIntent")).code == "PAYMENT_WAY"


async def test_what_is_paid_or_cancelled_cannot_be_paid(till: Till, buyer: Buyer, mango: ProductId) -> None:
    paid, _ = await till.paid(buyer, mango)
    assert (await start(till, paid, buyer)).code == "PAYMENT_CLOSED"
    cancelled = await till.ordered(buyer, mango)
    await till.app.post(f"/orders/{cancelled['id']}/cancel", json={}, as_=buyer)
    await till.until(cancelled, lambda payment: payment.closed)
    assert (await start(till, cancelled, buyer)).code == "PAYMENT_CLOSED"
    view = await till.view(cancelled, buyer)
    assert (view["status"], view["toPay"]) == ("cancelled", None)


async def test_whom_to_ask_is_forgotten_when_the_order_is_closed(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    till.provider.away("create", 20)
    await start(till, order, buyer, way="upiCollect", upiId="asha@okbank")
    await till.app.post(f"/orders/{order['id']}/cancel", json={}, as_=buyer)
    payment = await till.until(order, lambda payment: payment.closed)
    assert (payment.asking, payment.upi_id, payment.client) == (False, None, None)
    till.provider.failing.clear()


async def test_a_gateway_order_that_was_made_while_its_order_closed_is_kept(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    """Whoever was asked may still pay by it; that money has to be known to go back."""
    order = await till.ordered(buyer, mango)
    payments = Payments()
    async with till.app.db.transaction() as tx:
        await tx.fetchval(UNSTARTED, UUID(order["id"]))
        before = await payments.lock_of_order(tx, UUID(order["id"]))
        assert before is not None
        await payments.ask(tx, before.id, Way.UPI_COLLECT, "asha@okbank", "203.0.113.7")
        before = await payments.lock(tx, before.id)
        assert before is not None
        await payments.close(tx, before.order_id)
        assert await payments.start(tx, before, Started(gateway_order_id=f"order_{before.id.hex}", asked=True))
        after = await payments.find(tx, before.id)
    assert after is not None
    assert (after.closed, after.upi_id, after.started and after.started.asked) == (True, None, True)


async def cancelled_first(till: Till, buyer: Buyer, mango: ProductId) -> dict[str, Any]:
    """A cancelled order whose payment nobody has heard of yet."""
    order = await till.cancelled(buyer, mango)
    await till.idle()
    async with till.app.db.transaction() as tx:
        await tx.execute(FORGET_ERRANDS, UUID(order["id"]))
        await tx.execute(FORGET, UUID(order["id"]))
    return order


def asked_for(order: dict[str, Any], buyer: Buyer) -> PaymentInitiated:
    """The event that was overtaken."""
    return PaymentInitiated(
        payment_id=uuid7(),
        order_id=UUID(order["id"]),
        order_number=order["orderNumber"],
        user_id=buyer.user_id,
        amount=order["total"],
        method="UPI",
    )


async def test_an_order_that_was_cancelled_before_its_payment_was_heard_of_cannot_be_paid(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await cancelled_first(till, buyer, mango)
    calls = till.provider.calls["create"]
    async with till.app.db.transaction() as tx:
        tx.emit(asked_for(order, buyer))
    await till.until(order, lambda payment: payment.closed)
    await till.idle()
    assert till.provider.calls["create"] == calls
    assert (await till.view(order, buyer))["status"] == "cancelled"
    assert (await start(till, order, buyer)).code == "PAYMENT_CLOSED"


async def test_the_order_is_asked_before_the_provider_is(till: Till, buyer: Buyer, mango: ProductId) -> None:
    """It was cancelled at the very moment at which its payment was written down."""
    order = await cancelled_first(till, buyer, mango)
    event, calls = asked_for(order, buyer), till.provider.calls["create"]
    async with till.app.db.transaction() as tx:
        await Payments().add(tx, NewPayment(
            id=event.payment_id, order_id=event.order_id, order_number=event.order_number, user_id=event.user_id,
            method="UPI", provider="fake", amount=paise(event.amount), currency="INR",
        ))  # fmt: skip
        await Errands().wake(tx, Kind.START, event.payment_id)
    await till.until(order, lambda payment: payment.closed)
    await till.idle()
    assert till.provider.calls["create"] == calls


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/start"), ("POST", "/confirm")])
async def test_a_payment_is_its_owners_alone(
    till: Till, buyer: Buyer, mango: ProductId, method: str, path: str
) -> None:
    order = await till.ordered(buyer, mango)
    stranger = await till.shop.buyer()
    answer = await till.app.request(method, f"/payments/{order['id']}{path}", json={}, as_=stranger)
    assert answer.status == 404
