"""From an order to its money: what the customer does, what the provider says, what the order becomes."""

from plugins.payment.ports import AttemptState
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer
from tests.plugins.payment.conftest import Till


async def test_an_order_is_confirmed_when_the_provider_says_that_it_is_paid(
    till: Till, buyer: Buyer, mango: ProductId
) -> None:
    order = await till.ordered(buyer, mango)
    view = await till.view(order, buyer)
    assert (view["status"], view["ready"], view["toPay"]["key"]) == ("pending", True, "fake_key")
    attempt = await till.pays(order)
    assert (await till.tell(attempt)).data == {"received": True}
    assert (await till.status(order, buyer, "CONFIRMED"))["paymentStatus"] == "COMPLETED"
    view = await till.view(order, buyer)
    assert (view["status"], view["toPay"], view["transactionId"]) == ("completed", None, attempt.gateway_payment_id)
    assert view["amount"] == order["total"]
    await till.idle()
    assert await till.events(order) == ["payment.initiated", "payment.completed"]


async def test_a_refused_attempt_leaves_the_order_payable(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order = await till.ordered(buyer, mango)
    await till.tell(await till.pays(order, AttemptState.FAILED))
    await till.until(order, lambda payment: payment.failure == "declined")
    view = await till.view(order, buyer)
    assert (view["status"], view["failureReason"], view["ready"]) == ("failed", "declined", True)
    await till.tell(await till.pays(order))
    await till.status(order, buyer, "CONFIRMED")
    await till.idle()
    assert await till.events(order) == ["payment.initiated", "payment.failed", "payment.completed"]
