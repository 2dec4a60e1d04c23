import asyncio
import time
from datetime import UTC, datetime
from typing import LiteralString

import orjson
import pytest

from core.errors import UNAVAILABLE, Problem
from core.store.db import Db, Refused
from core.store.pool import Pool
from core.store.redis import Redis
from core.testing import TestApp
from core.types import UserId, uuid7
from plugins.cart import service as module
from plugins.cart.copies import Copies
from plugins.cart.models import Cart, Limits
from plugins.cart.ports import CART_FULL, CARTS, TAKE_LINES
from plugins.cart.queries import CartQueries
from plugins.cart.service import HEAR, HEARD, CartService
from plugins.product.catalogue import Catalogue
from plugins.product.feed import Feed
from plugins.product.ports import Catalog, ProductId
from plugins.product.queries import CatalogueReads, CatalogueWrites
from plugins.product.service import SharedCatalogue
from tests.plugins.cart.conftest import NewProduct, Shopper, contributed

CHECKS = contributed()[0]
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
SQL: dict[str, LiteralString] = {"carts.take_lines": "SELECT carts.take_lines($1, $2, $3)"}
REPRICE = "UPDATE products.products SET price_paise = $2 WHERE id = $1"
AGE = "UPDATE carts.carts SET updated_at = updated_at - interval '8 days' WHERE user_id = ANY($1)"
LEFT = "SELECT count(*) FROM carts.carts WHERE user_id = ANY($1)"
AGE_DOUBT = "UPDATE carts.doubts SET at = at - interval '1 hour' WHERE user_id = $1"
DOUBTS = "SELECT count(*) FROM carts.doubts WHERE user_id = $1"
WITHDRAW = "UPDATE products.products SET is_active = false WHERE id = $1"


@pytest.fixture
def service(app: TestApp, catalog: Catalog) -> CartService:
    return CartService(app.db, Copies(app.redis), catalog, CHECKS)


@pytest.fixture
def without_redis(app: TestApp, catalog: Catalog) -> CartService:
    return CartService(app.db, Copies(Redis("redis://127.0.0.1:1")), catalog, CHECKS)


@pytest.fixture
def without_database(app: TestApp, catalog: Catalog) -> CartService:
    return CartService(Db(Pool(NOWHERE, size=1, warm=0, connect=0.5, server={})), Copies(app.redis), catalog, CHECKS)


def lines(answer: bytes) -> dict[str, int]:
    return {item["productId"]: item["quantity"] for item in orjson.loads(answer)["cart"]["items"]}


def subtotal(answer: bytes) -> float:
    found: float = orjson.loads(answer)["cart"]["subtotal"]
    return found


async def edit(db: Db, catalog: Catalog, sql: LiteralString, *args: object) -> None:
    async with db.transaction() as tx:
        await tx.execute(sql, *args)
    await catalog.refresh()


async def test_a_second_read_is_answered_from_the_copy(
    service: CartService, without_database: CartService, shopper: Shopper, product: ProductId
) -> None:
    written = await service.add(shopper.user_id, product, 2)
    assert await without_database.read(shopper.user_id) == written


async def test_a_changed_price_shows_at_the_next_read(
    service: CartService, without_database: CartService, db: Db, catalog: Catalog, shopper: Shopper, product: ProductId
) -> None:
    assert subtotal(await service.add(shopper.user_id, product, 2)) == 99
    await edit(db, catalog, REPRICE, product, 6000)
    assert subtotal(await without_database.read(shopper.user_id)) == 120
    assert lines(await service.read(shopper.user_id)) == {str(product): 2}


async def replica(app: TestApp, db: Db) -> CartService:
    """One more process that has just read the catalogue; its carts come from `db`."""
    catalogue = Catalogue()
    feed = Feed(CatalogueReads(app.db), catalogue)
    await feed.refresh()
    return CartService(db, Copies(app.redis), SharedCatalogue(catalogue, feed, CatalogueWrites()), CHECKS)


async def test_a_price_that_changed_between_two_processes_shows_in_the_second(
    without_database: CartService, app: TestApp, catalog: Catalog, shopper: Shopper, product: ProductId
) -> None:
    first = await replica(app, app.db)
    assert subtotal(await first.add(shopper.user_id, product, 2)) == 99
    await edit(app.db, catalog, REPRICE, product, 6000)
    second = await replica(app, without_database._db)
    assert subtotal(await second.read(shopper.user_id)) == 120


async def test_a_process_that_knows_the_same_prices_sends_the_same_copy(
    without_database: CartService, app: TestApp, shopper: Shopper, product: ProductId
) -> None:
    first = await replica(app, app.db)
    await edit(app.db, first._catalog, REPRICE, product, 6000)  # the second will not have seen it as an edit
    await first.add(shopper.user_id, product, 2)
    copies = Copies(app.redis)
    found = await copies.get(shopper.user_id)
    assert found is not None
    marked = found.json + b" "
    await copies.put(shopper.user_id, found.cart(), marked, found.revision)
    assert await (await replica(app, without_database._db)).read(shopper.user_id) == marked


async def test_a_withdrawn_product_stays_and_can_only_be_removed(
    service: CartService, db: Db, catalog: Catalog, shopper: Shopper, product: ProductId
) -> None:
    await service.add(shopper.user_id, product, 2)
    await edit(db, catalog, WITHDRAW, product)
    seen = orjson.loads(await service.read(shopper.user_id))["cart"]
    assert (seen["items"][0]["available"], seen["subtotal"], seen["itemCount"]) == (False, 0, 2)
    answer = await service.check(shopper.user_id)
    assert (answer.valid, answer.items[0].available) == (False, 0)
    for change in (service.add, service.put):
        with pytest.raises(Problem) as refused:
            await change(shopper.user_id, product, 1)
        assert refused.value.code.name == "BIZ_001"
    assert lines(await service.put(shopper.user_id, product, 0)) == {}


async def test_without_redis_the_cart_works_from_the_database(
    service: CartService, without_redis: CartService, shopper: Shopper, product: ProductId
) -> None:
    await service.add(shopper.user_id, product, 1)
    await without_redis.add(shopper.user_id, product, 2)
    assert lines(await without_redis.read(shopper.user_id)) == {str(product): 3}


async def test_a_copy_is_compared_with_the_database_after_a_minute(
    service: CartService, without_redis: CartService, app: TestApp, shopper: Shopper, product: ProductId
) -> None:
    user_id = shopper.user_id
    await service.add(user_id, product, 1)
    await without_redis.add(user_id, product, 4)
    await outdate(app, user_id)
    assert lines(await service.read(user_id)) == {str(product): 5}


async def test_what_one_replica_could_not_store_the_others_do_not_read(
    service: CartService, without_redis: CartService, shopper: Shopper, product: ProductId
) -> None:
    await service.add(shopper.user_id, product, 1)
    await without_redis.add(shopper.user_id, product, 4)
    await service.hear()
    assert lines(await service.read(shopper.user_id)) == {str(product): 5}


async def test_a_change_that_redis_did_not_take_is_answered_once_the_others_have_looked(
    without_redis: CartService, shopper: Shopper, product: ProductId
) -> None:
    began = time.monotonic()
    await without_redis.add(shopper.user_id, product, 1)
    assert time.monotonic() - began >= HEARD > HEAR


async def test_a_doubt_is_heard_once_and_forgotten_in_time(
    service: CartService, without_redis: CartService, app: TestApp, shopper: Shopper, product: ProductId
) -> None:
    await without_redis.add(shopper.user_id, product, 2)
    await without_redis.forget(shopper.user_id)
    await service.hear()
    await service._copies.make_good()
    written = await service.add(shopper.user_id, product, 1)
    await service.hear()
    assert (await service.read(shopper.user_id), lines(written)) == (written, {str(product): 3})
    await app.db.command(AGE_DOUBT, shopper.user_id)
    await service.expire()
    assert await app.db.fetchval(DOUBTS, shopper.user_id) == 0


async def test_with_the_database_away_an_older_copy_still_serves(
    service: CartService, without_database: CartService, app: TestApp, shopper: Shopper, product: ProductId
) -> None:
    written = await service.add(shopper.user_id, product, 2)
    await outdate(app, shopper.user_id)
    assert await without_database.read(shopper.user_id) == written
    with pytest.raises(Problem) as refused:
        await without_database.add(shopper.user_id, product, 1)
    assert refused.value.code == UNAVAILABLE


async def outdate(app: TestApp, user_id: UserId) -> None:
    """Make the user's copy, if it is still there, one that was last confirmed two minutes ago."""
    copies = Copies(app.redis)
    found = await copies.get(user_id)
    if found is None:  # the app's own replica heard that it is doubted
        return
    old = Cart(version=found.version, lines={}, updated_at=datetime.now(UTC), read_at=time.time() - 120)
    await copies.put(user_id, old, found.json, found.revision)


async def test_a_hundred_parallel_adds_are_all_kept(
    service: CartService, shopper: Shopper, new_product: NewProduct
) -> None:
    many = await new_product(stock=1000, most=99)
    few = await new_product(stock=1000, most=40)
    adds = [service.add(shopper.user_id, p, 1) for p in (many, few) for _ in range(50)]
    done = await asyncio.gather(*adds, return_exceptions=True)
    assert sum(isinstance(error, Problem) for error in done) == 10
    assert lines(await service.read(shopper.user_id)) == {str(many): 50, str(few): 40}


async def test_after_the_sql_of_an_order_the_copy_is_forgotten(
    service: CartService, app: TestApp, shopper: Shopper, product: ProductId
) -> None:
    await service.add(shopper.user_id, product, 5)
    await app.db.command(SQL[TAKE_LINES], shopper.user_id, [product], [2])
    carts = app.services.get(CARTS)
    await carts.forget(shopper.user_id)
    assert lines(await service.read(shopper.user_id)) == {str(product): 3}
    assert dict(await carts.lines(app.db, shopper.user_id)) == {product: 3}
    async with app.db.transaction() as tx:
        assert dict(await carts.lines(tx, shopper.user_id)) == {product: 3}


async def test_a_full_cart_takes_more_of_what_it_has_but_nothing_else(
    service: CartService, app: TestApp, shopper: Shopper, product: ProductId
) -> None:
    queries = CartQueries(app.db)
    others = [ProductId(uuid7()) for _ in range(100)]
    for other in others:
        await queries.add(shopper.user_id, other, 1, Limits(maximum=10, stock=10))
    with pytest.raises(Problem) as refused:
        await service.add(shopper.user_id, product, 1)
    assert (refused.value.code, refused.value.details) == (CART_FULL, {"maximum": 100})
    await service.remove(shopper.user_id, others[0])
    assert len(lines(await service.add(shopper.user_id, product, 1))) == 100


async def test_a_refusal_that_nobody_knows_is_not_hidden(service: CartService, shopper: Shopper) -> None:
    with pytest.raises(Refused):
        async with service._changing(shopper.user_id):
            raise Refused("SOMETHING_NEW", {})


async def test_the_clean_up_goes_on_until_nothing_old_is_left(
    service: CartService, app: TestApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP", 1)
    users = [UserId(uuid7()) for _ in range(3)]
    for user_id in users:
        await CartQueries(app.db).add(user_id, ProductId(uuid7()), 1, Limits(maximum=10, stock=10))
    async with app.db.transaction() as tx:
        await tx.execute(AGE, users)
    await service.expire()
    assert await app.db.fetchval(LEFT, users) == 0
