"""Events on their way: emitted by others, delivered by the bus, heard once in effect."""

from core.events.model import Event
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop
from tests.plugins.order.test_service import completed, emitted, failed, refund


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


async def test_an_online_order_is_not_confirmed_by_being_placed(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="UPI")
    await shop.app.quiet()
    assert (await shop.order(buyer, placed["id"]))["status"] == "PENDING"
