"""The sweep of unpaid orders when one of them cannot be closed."""

from uuid import UUID

import pytest

from core.errors import Problem
from core.store.db import Db
from core.store.pool import Pool
from plugins.order.service import OrderService
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop

AGE = """
UPDATE orders.orders SET expires_at = now() - make_interval(mins => $2) WHERE id = $1 RETURNING address::text
"""
ADDRESS = "UPDATE orders.orders SET address = $2::jsonb WHERE id = $1 RETURNING id"
STATUS = "SELECT status FROM orders.orders WHERE id = $1"


async def test_an_order_that_cannot_be_closed_holds_up_no_other(
    shop: Shop, buyer: Buyer, mango: ProductId, orders: OrderService, caplog: pytest.LogCaptureFixture
) -> None:
    broken, late = [UUID((await shop.ordered(buyer, mango, paymentMethod="UPI"))["id"]) for _ in range(2)]
    address = await shop.db.fetchval(AGE, broken, 60)
    await shop.db.fetchval(AGE, late, 30)
    await shop.db.fetchval(ADDRESS, broken, "{}")
    try:
        await orders.expire()
        statuses = [await shop.db.fetchval(STATUS, order_id) for order_id in (broken, late)]
    finally:
        await shop.db.fetchval(ADDRESS, broken, address)
    assert statuses == ["PENDING", "CANCELLED"]
    assert caplog.text.count(f"order {broken} could not be closed") == 1
    await orders.expire()
    assert await shop.db.fetchval(STATUS, broken) == "CANCELLED"
    assert await shop.stock(mango) == 100


async def test_a_sweep_ends_when_the_database_is_away(shop: Shop) -> None:
    away = Db(Pool("postgresql://nobody@127.0.0.1:1/none", size=1, warm=0, connect=0.2, server={}), acquire=0.2)
    with pytest.raises(Problem):
        await OrderService(db=away, catalog=shop.catalog).expire()
