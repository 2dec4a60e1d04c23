"""How a payment becomes payable: a worker asks the provider, again and again if it must, and the owner chooses how."""

import pytest

from core.testing import Answer
from plugins.payment.ports import AttemptState, Way
from plugins.payment.states import State
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer
from tests.plugins.payment.conftest import Till


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
    calls = till.provider.calls["create"]
    await start(till, order, buyer, way="upiCollect", upiId="asha@okbank")
    assert till.provider.calls["create"] == calls, "a request is waiting already"
    await till.tell(await till.pays(order, AttemptState.FAILED))
    await till.until(order, lambda payment: payment.state is State.FAILED)
    await start(till, order, buyer, way="upiCollect", upiId="asha@okbank")
    await till.until(order, lambda payment: not payment.asking)
    assert till.provider.calls["create"] == calls + 1


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


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/start"), ("POST", "/confirm")])
async def test_a_payment_is_its_owners_alone(
    till: Till, buyer: Buyer, mango: ProductId, method: str, path: str
) -> None:
    order = await till.ordered(buyer, mango)
    stranger = await till.shop.buyer()
    answer = await till.app.request(method, f"/payments/{order['id']}{path}", json={}, as_=stranger)
    assert answer.status == 404
