"""Attempts to pay are counted by what their provider said, once it is committed."""

from collections import Counter

from plugins.payment.models import CASH
from plugins.payment.ports import AttemptState
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop
from tests.plugins.payment.conftest import Till
from tests.plugins.payment.fake import PROVIDER


def counted(shop: Shop) -> Counter[tuple[str, ...]]:
    return Counter({labels: int(value) for labels, value in shop.app.app.figures.of("payment_attempts_total")})


async def test_providers_that_plugged_in_and_cash_are_there_from_the_start(shop: Shop) -> None:
    found = counted(shop)
    assert {provider for provider, _ in found} == {CASH, PROVIDER.name}
    assert {outcome for _, outcome in found} == {"succeeded", "failed", "authorized", "paid_twice", "mismatch"}


async def test_each_attempt_is_counted_once_however_often_it_is_told(
    shop: Shop, till: Till, buyer: Buyer, mango: ProductId
) -> None:
    before, order = counted(shop), await till.ordered(buyer, mango)
    await till.tell(await till.pays(order, AttemptState.FAILED))
    await till.until(order, lambda payment: payment.failure == "declined")
    attempt = await till.pays(order)
    for _ in range(2):
        await till.tell(attempt)
    await till.status(order, buyer, "CONFIRMED")
    await till.idle()
    assert counted(shop) - before == {(PROVIDER.name, "failed"): 1, (PROVIDER.name, "succeeded"): 1}
