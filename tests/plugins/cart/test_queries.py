import asyncio
from typing import Any
from uuid import UUID

import pytest

from core.errors import UNAVAILABLE, Problem
from core.store.db import Db, NotReached, Refused
from core.testing import TestApp
from core.types import UserId, uuid7
from plugins.cart.models import Limits
from plugins.cart.queries import EXPIRE, FIND, CartQueries
from plugins.product.ports import ProductId

ROOMY = Limits(maximum=10_000, stock=10_000)
AGE = "UPDATE carts.carts SET updated_at = updated_at - make_interval(days => $2) WHERE user_id = $1"
EXISTS = "SELECT true FROM carts.carts WHERE user_id = $1"
TAKE = "SELECT products, quantities FROM carts.take_lines($1, $2, $3)"


@pytest.fixture
def queries(db: Db) -> CartQueries:
    return CartQueries(db)


@pytest.fixture
def user_id() -> UserId:
    return UserId(uuid7())


def some(number: int = 1) -> list[ProductId]:
    return [ProductId(uuid7()) for _ in range(number)]


async def age(db: Db, user_id: UserId, days: int) -> None:
    async with db.transaction() as tx:
        await tx.execute(AGE, user_id, days)


async def test_who_never_put_anything_in_has_an_empty_cart(queries: CartQueries, user_id: UserId) -> None:
    cart = await queries.find(user_id)
    assert (cart.version, cart.lines) == (0, {})
    assert (await queries.clear(user_id)).version == 0
    assert (await queries.remove(user_id, some()[0])).version == 0


async def test_a_hundred_parallel_adds_to_a_cart_that_is_not_there_yet_are_all_kept(
    queries: CartQueries, user_id: UserId
) -> None:
    products = some(5)
    few = asyncio.Semaphore(12)  # fewer than the pool has, so that what waits here waits for the row

    async def add(product_id: ProductId) -> int:
        async with few:
            return (await queries.add(user_id, product_id, 1, ROOMY)).version

    versions = await asyncio.gather(*(add(products[n % 5]) for n in range(100)))
    assert (await queries.find(user_id)).lines == dict.fromkeys(products, 20) | {}
    assert len(set(versions)) == 100


async def test_lines_keep_the_order_in_which_they_were_added(queries: CartQueries, user_id: UserId) -> None:
    first, second, third = reversed(some(3))
    for product_id in (first, second, third, first):
        await queries.add(user_id, product_id, 1, ROOMY)
    await queries.remove(user_id, second)
    cart = await queries.add(user_id, second, 4, ROOMY)
    assert list(cart.lines.items()) == [(first, 2), (third, 1), (second, 4)]


async def test_parallel_adds_never_pass_the_maximum(queries: CartQueries, user_id: UserId) -> None:
    [product_id] = some()
    bounds = Limits(maximum=7, stock=100)
    tries = [queries.add(user_id, product_id, 1, bounds) for _ in range(12)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    refused = [error for error in done if isinstance(error, Refused)]
    assert len(refused) == 5
    assert refused[0].reason == "OVER_MAXIMUM"
    assert refused[0].detail == {"requested": 8, "maximum": 7}
    assert (await queries.find(user_id)).lines == {product_id: 7}


async def test_more_than_is_in_stock_is_refused_with_both_numbers(queries: CartQueries, user_id: UserId) -> None:
    [product_id] = some()
    await queries.add(user_id, product_id, 2, ROOMY)
    with pytest.raises(Refused) as refused:
        await queries.add(user_id, product_id, 2, Limits(maximum=10, stock=3))
    assert (refused.value.reason, refused.value.detail) == ("OUT_OF_STOCK", {"requested": 4, "available": 3})


async def test_a_hundred_and_first_line_is_refused(queries: CartQueries, user_id: UserId) -> None:
    for product_id in some(100):
        await queries.add(user_id, product_id, 1, ROOMY)
    with pytest.raises(Refused) as refused:
        await queries.add(user_id, some()[0], 1, ROOMY)
    assert refused.value.reason == "CART_FULL"


async def test_a_cart_is_over_seven_days_after_its_last_write(queries: CartQueries, db: Db, user_id: UserId) -> None:
    [product_id] = some()
    before = await queries.add(user_id, product_id, 3, ROOMY)
    await age(db, user_id, 8)
    assert (await queries.find(user_id)).lines == {}
    after = await queries.add(user_id, product_id, 1, ROOMY)
    assert after.lines == {product_id: 1}
    assert after.version > before.version


async def test_the_clean_up_takes_old_carts_only(queries: CartQueries, db: Db) -> None:
    old, young = UserId(uuid7()), UserId(uuid7())
    for user_id in (old, young):
        await queries.add(user_id, some()[0], 1, ROOMY)
    await age(db, old, 8)
    assert await queries.expire(1000) >= 1
    assert not await db.fetchval(EXISTS, old)
    assert await db.fetchval(EXISTS, young)


async def test_a_cart_that_was_deleted_and_made_again_has_a_higher_version(
    queries: CartQueries, db: Db, user_id: UserId
) -> None:
    [product_id] = some()
    before = await queries.add(user_id, product_id, 1, ROOMY)
    await age(db, user_id, 8)
    await queries.expire(1000)
    assert (await queries.add(user_id, product_id, 1, ROOMY)).version > before.version


async def test_ordered_quantities_are_taken_out_and_empty_lines_go(
    queries: CartQueries, db: Db, user_id: UserId
) -> None:
    kept, gone, other, never = some(4)
    for product_id, quantity in ((kept, 5), (gone, 2), (other, 1)):
        await queries.add(user_id, product_id, quantity, ROOMY)
    await db.command(TAKE, user_id, [kept, gone, never], [3, 2, 1])
    assert (await queries.find(user_id)).lines == {kept: 2, other: 1}


async def test_taking_what_is_not_there_writes_nothing(queries: CartQueries, db: Db, user_id: UserId) -> None:
    before = await queries.add(user_id, some()[0], 1, ROOMY)
    await db.command(TAKE, user_id, some(2), [1, 1])
    assert (await queries.find(user_id)).version == before.version
    await db.command(TAKE, UserId(uuid7()), some(1), [1])


async def test_both_reads_go_by_an_index(app: TestApp, db: Db) -> None:
    async with db.connection() as connection:
        await connection.execute("SET enable_seqscan = off")
        try:
            find = await connection.fetch("EXPLAIN " + FIND, UUID(int=0))
            expire = await connection.fetch("EXPLAIN " + EXPIRE, 10)
        finally:
            await connection.execute("RESET enable_seqscan")
    assert "carts_pkey" in str(find)
    assert "carts_age" in str(expire)
    assert "Seq Scan" not in str(find) + str(expire)


class Fails(Db):
    """Commands whose answer is lost with the connection, after their commit or before they were begun."""

    def __init__(self, db: Db, *, committed: bool, problem: Problem) -> None:
        super().__init__(db.pool)
        self._committed, self._problem = committed, problem

    async def command(self, sql: Any, *args: object, emits: bool = False) -> None:
        if self._committed:
            await super().command(sql, *args, emits=emits)
        raise self._problem


async def test_an_addition_whose_answer_was_lost_is_found_in_the_cart(db: Db, user_id: UserId) -> None:
    [product_id] = some()
    for count in (1, 2):
        cart = await CartQueries(Fails(db, committed=True, problem=Problem(UNAVAILABLE))).add(
            user_id, product_id, 1, ROOMY
        )
        assert cart.lines == {product_id: count}


@pytest.mark.parametrize("problem", [Problem(UNAVAILABLE), NotReached(UNAVAILABLE)])
async def test_an_addition_that_was_not_made_stays_a_failure(db: Db, user_id: UserId, problem: Problem) -> None:
    [product_id] = some()
    await CartQueries(db).add(user_id, product_id, 1, ROOMY)
    with pytest.raises(Problem) as caught:
        await CartQueries(Fails(db, committed=False, problem=problem)).add(user_id, product_id, 1, ROOMY)
    assert caught.value is problem
    assert (await CartQueries(db).find(user_id)).lines == {product_id: 1}


async def test_a_cart_remembers_its_newest_additions_only(db: Db, queries: CartQueries, user_id: UserId) -> None:
    [product_id] = some()
    for _ in range(12):
        await queries.add(user_id, product_id, 1, ROOMY)
    assert await db.fetchval("SELECT cardinality(additions) FROM carts.carts WHERE user_id = $1", user_id) == 8
