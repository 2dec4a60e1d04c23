"""Events on their way: emitted by others, delivered by the bus, heard once in effect."""

import asyncio

from core.events.model import Event
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop
from tests.plugins.order.test_service import completed, emitted, failed, refund

REFUND = "WHERE i.event_type = 'payment.refunded' AND i.aggregate_id = $1 AND i.state = 'waiting' AND i.attempts > 0"
TRIED = "SELECT true FROM kernel.inbox i " + REFUND
AGAIN = "UPDATE kernel.inbox i SET next_attempt_at = now() " + REFUND + " RETURNING true"


async def tell(shop: Shop, *events: Event) -> None:
    """Emit and wait until all was heard."""
    async with shop.db.transaction() as tx:
        for event in events:
            tx.emit(event)
    await shop.app.quiet()


async def test_payments_move_orders_through_the_bus(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="CARD")
    await tell(shop, await failed(shop.db, placed))
    assert (await shop.order(buyer, placed["id"]))["paymentStatus"] == "FAILED"
    done = await completed(shop.db, placed)
    await tell(shop, done, done)
    assert (await shop.order(buyer, placed["id"]))["status"] == "CONFIRMED"
    await shop.app.post(f"/orders/{placed['id']}/cancel", as_=buyer)
    await tell(shop, await refund(shop.db, placed, placed["total"]))
    assert (await shop.order(buyer, placed["id"]))["status"] == "REFUNDED"
    told = await emitted(shop.db, placed["id"])
    assert told[:2] == ["order.created", "order.confirmed"]
    assert sorted(told[2:]) == ["order.cancelled", "order.refund_due"]


async def test_a_refund_that_overtakes_its_payment_is_told_again(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="CARD")
    async with shop.db.transaction() as tx:
        tx.emit(told := await refund(shop.db, placed, placed["total"]))
    async with asyncio.timeout(10):
        while not await shop.db.fetchval(TRIED, str(told.payment_id)):
            await asyncio.sleep(0.01)
    async with shop.db.transaction() as tx:
        tx.emit(await completed(shop.db, placed))
    while (await shop.order(buyer, placed["id"]))["paymentStatus"] == "PROCESSING":
        await asyncio.sleep(0.01)
    await shop.db.fetchval(AGAIN, str(told.payment_id))
    await shop.app.quiet()
    assert (await shop.order(buyer, placed["id"]))["paymentStatus"] == "REFUNDED"


async def test_an_online_order_is_not_confirmed_by_being_placed(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="UPI")
    await shop.app.quiet()
    assert (await shop.order(buyer, placed["id"]))["status"] == "PENDING"
