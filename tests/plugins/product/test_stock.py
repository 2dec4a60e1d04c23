"""The SQL functions that other domains call."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from uuid import UUID

import pytest

from core.store.db import Db, Refused
from core.types import uuid7
from plugins.product.ports import CATALOG, GIVE_BACK_STOCK, TAKE_STOCK, OutOfStock, PriceChanged, ProductId
from tests.plugins.product.shelf import Shelf

TAKE = "SELECT products.take_stock($1, $2, $3, $4)"
GIVE = "SELECT products.give_back_stock($1, $2, $3, $4)"
LOG = "SELECT change, level, reason FROM products.inventory_log WHERE reference = $1 ORDER BY change"
LOWS = "SELECT payload FROM kernel.outbox WHERE event_type = 'inventory.low_stock' AND aggregate_id = $1"


async def take(db: Db, lines: Mapping[ProductId, int], prices: Sequence[int], reference: UUID) -> list[int]:
    ids = sorted(lines)
    async with db.transaction() as tx:
        levels: list[int] = await tx.fetchval(TAKE, ids, [lines[key] for key in ids], list(prices), reference)
    return levels


def test_the_names_in_the_door_are_those_of_the_functions() -> None:
    assert f"SELECT {TAKE_STOCK}($1, $2, $3, $4)" == TAKE
    assert f"SELECT {GIVE_BACK_STOCK}($1, $2, $3, $4)" == GIVE


async def test_taking_answers_the_new_levels_and_writes_the_log(shelf: Shelf) -> None:
    one, two = await shelf.product(stock=20), await shelf.product(stock=30)
    reference = uuid7()
    assert await take(shelf.db, {one: 2, two: 5}, [4_000, 4_000], reference) == [18, 25]
    log = await shelf.db.fetch(LOG, reference)
    assert [tuple(row) for row in log] == [(-5, 25, "ORDER_PLACED"), (-2, 18, "ORDER_PLACED")]


async def test_two_hundred_buyers_of_fifty_pieces_buy_exactly_fifty(shelf: Shelf) -> None:
    key = await shelf.product(stock=50)

    async def buy() -> bool:
        try:
            await take(shelf.db, {key: 1}, [4_000], uuid7())
        except Refused:
            return False
        return True

    gate = asyncio.Semaphore(12)

    async def one_by_one() -> bool:
        async with gate:
            return await buy()

    bought = await asyncio.gather(*(one_by_one() for _ in range(200)))
    assert sum(bought) == 50
    assert await shelf.available(key) == 0


async def test_every_short_line_is_named_and_nothing_is_taken(shelf: Shelf) -> None:
    plenty, few, none = [await shelf.product(stock=n) for n in (20, 3, 0)]
    gone = await shelf.product(stock=9)
    await shelf.db.fetchval("UPDATE products.products SET is_active = false WHERE id = $1 RETURNING 1", gone)
    unknown = ProductId(uuid7())
    lines = {plenty: 2, few: 4, none: 1, gone: 1, unknown: 1}
    with pytest.raises(Refused) as caught:
        await take(shelf.db, lines, [4_000] * 5, uuid7())
    problem = OutOfStock.of(caught.value.detail)
    assert caught.value.reason == "OUT_OF_STOCK"
    assert problem.code.status == 422
    short = {line.product_id: (line.requested, line.available) for line in problem.lines}
    assert short == {few: (4, 3), none: (1, 0), gone: (1, 0), unknown: (1, 0)}
    assert await shelf.available(plenty) == 20


async def test_a_price_that_moved_is_told_and_nothing_is_taken(shelf: Shelf) -> None:
    key = await shelf.product(price=4_000, discount_bp=1_000, stock=9)
    with pytest.raises(Refused) as caught:
        await take(shelf.db, {key: 1}, [4_000], uuid7())
    assert caught.value.reason == "PRICE_CHANGED"
    assert caught.value.detail == [{"productId": str(key), "price": 3_600, "seen": 4_000}]
    assert PriceChanged(caught.value.detail).details == {
        "items": [{"productId": str(key), "price": 36.0, "seen": 40.0}]
    }
    assert await shelf.available(key) == 9


async def test_a_quantity_below_one_is_no_way_to_add_stock(shelf: Shelf) -> None:
    key = await shelf.product(stock=9)
    for sql, args in ((TAKE, ([key], [-1], [4_000], uuid7())), (GIVE, ([key], [0], "ORDER_CANCELLED", uuid7()))):
        with pytest.raises(Exception, match="below one"):
            await shelf.db.fetchval(sql, *args)
    assert await shelf.available(key) == 9


async def test_low_stock_is_announced_once_per_fall(shelf: Shelf) -> None:
    key = await shelf.product(stock=12)
    for _ in range(4):
        await take(shelf.db, {key: 1}, [4_000], uuid7())
    rows = await shelf.db.fetch(LOWS, str(key))
    assert [json.loads(row["payload"]) for row in rows] == [
        {"productId": str(key), "currentStock": 10, "threshold": 10}
    ]


async def test_stock_given_back_can_be_taken_again(shelf: Shelf) -> None:
    one, two = await shelf.product(stock=1), await shelf.product(stock=5)
    unknown = ProductId(uuid7())
    reference, catalog = uuid7(), shelf.app.services.get(CATALOG)
    async with shelf.db.transaction() as tx:
        levels = await catalog.give_back(tx, {two: 2, one: 1, unknown: 1}, "ORDER_CANCELLED", reference)
    assert levels == {one: 2, two: 7}
    log = await shelf.db.fetch(LOG, reference)
    assert [tuple(row) for row in log] == [(1, 2, "ORDER_CANCELLED"), (2, 7, "ORDER_CANCELLED")]


async def test_a_price_edit_waits_for_no_order_to_be_believed(shelf: Shelf) -> None:
    key = await shelf.product(stock=9)
    await shelf.db.fetchval("UPDATE products.products SET price_paise = 5000 WHERE id = $1 RETURNING 1", key)
    assert await take(shelf.db, {key: 1}, [5_000], uuid7()) == [8]
