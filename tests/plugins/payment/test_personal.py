"""Payments of people who are erased: the books stay and name nobody; saved ways to pay go (RELIABILITY 4.15)."""

import orjson

from core.privacy.model import Step, Subject
from plugins.payment.personal import PersonalPaymentData
from plugins.payment.ports import Way
from plugins.payment.queries import Payments
from plugins.product.ports import ProductId
from tests.forgetting import holding
from tests.plugins.order.conftest import Buyer
from tests.plugins.payment.conftest import Till

ADDRESS, FORGOTTEN = "asha.rao.of.pune@okbank", "asha.who.left@okbank"


async def test_a_copy_has_payments_and_saved_ways_to_pay(till: Till, buyer: Buyer, mango: ProductId) -> None:
    order, attempt = await till.paid(buyer, mango)
    await till.app.post("/payment-methods", json={"type": "upi", "upiId": ADDRESS}, as_=buyer)
    async with till.app.db.transaction() as tx:
        copied = await PersonalPaymentData().export(tx, buyer.user_id)
    (payment,), (method,) = orjson.loads(copied["payments"]), orjson.loads(copied["paymentMethods"])
    assert (payment["orderNumber"], payment["reference"]) == (order["orderNumber"], attempt.gateway_payment_id)
    assert method["upiId"] == ADDRESS


async def test_the_person_goes_and_the_books_stay(till: Till, buyer: Buyer, mango: ProductId) -> None:
    paid, _ = await till.paid(buyer, mango)
    order = await till.ordered(buyer, mango)
    payment = await till.payment(order)
    assert payment is not None
    await till.app.post("/payment-methods", json={"type": "upi", "upiId": FORGOTTEN}, as_=buyer)
    async with till.app.db.transaction() as tx:
        await Payments().ask(tx, payment.id, Way.UPI_COLLECT, FORGOTTEN, "127.0.0.9")
    assert await holding(till.app.db, FORGOTTEN) == {"payments.methods", "payments.payments"}
    async with till.app.db.transaction() as tx:
        subject = Subject(buyer.user_id, final=False)
        assert await PersonalPaymentData().erase(tx, subject) is Step.DONE
        assert await PersonalPaymentData().erase(tx, subject) is Step.DONE
    assert await holding(till.app.db, FORGOTTEN) == set()
    assert (await till.view(paid, buyer))["status"] == "completed"
