"""A cart that is forgotten: the row, and the copy in Redis (RELIABILITY 4.15)."""

import orjson
import pytest

from core.privacy.model import Step, Subject
from core.store.redis import Redis, RedisDown
from core.testing import TestApp
from plugins.cart.copies import Copies
from plugins.cart.personal import personal_data
from plugins.product.ports import ProductId
from tests.plugins.cart.conftest import Shopper


async def test_row_and_copy_go(app: TestApp, shopper: Shopper, product: ProductId) -> None:
    await app.post("/cart/items", json={"productId": str(product), "quantity": 2}, as_=shopper)
    key = app.redis.key(b"cart:", shopper.user_id)
    assert await app.redis.call(b"EXISTS", key)
    data = personal_data(Copies(app.redis))
    async with app.db.transaction() as tx:
        copied = await data.export(tx, shopper.user_id)
    assert orjson.loads(copied["lines"]) == [{"productId": str(product), "quantity": 2}]
    for _ in range(2):
        await data.elsewhere(shopper.user_id)
        async with app.db.transaction() as tx:
            assert await data.erase(tx, Subject(shopper.user_id, final=False)) is Step.DONE
    assert not await app.redis.call(b"EXISTS", key)
    assert await app.db.fetchval("SELECT count(*) FROM carts.carts WHERE user_id = $1", shopper.user_id) == 0
    async with app.db.transaction() as tx:
        assert await data.export(tx, shopper.user_id) == {"lines": "[]"}


async def test_without_redis_an_erasure_is_tried_again_rather_than_leaving_a_copy(shopper: Shopper) -> None:
    away = Copies(Redis("redis://127.0.0.1:1/0"))
    with pytest.raises(RedisDown):
        await personal_data(away).elsewhere(shopper.user_id)
