"""Reading orders over HTTP: pages, filters, other people's orders; and what the queries cost."""

import re

import orjson
import pytest

from core.store.pool import Connection
from core.types import uuid7
from plugins.order.queries import Orders
from plugins.order.standing import Status
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop

MANY = """
INSERT INTO orders.orders (id, user_id, number, status, payment_method, payment_status, subtotal_paise,
    delivery_fee_paise, discount_paise, total_paise, address, estimated_delivery, created_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'OLD-' || n, 'DELIVERED', 'COD', 'COMPLETED', 1, 0, 0, 1, '{}', now(),
    now() - interval '400 days' - n * interval '1 second'
FROM generate_series(1, 20000) n
"""
MANY_ITEMS = """
INSERT INTO orders.items (order_id, position, product_id, name, image, unit, unit_price_paise, quantity)
SELECT o.id, 0, gen_random_uuid(), 'Mango', '', 'kg', 1, 1 FROM orders.orders o WHERE o.number LIKE 'OLD-%'
"""
MANY_EVENTS = """
INSERT INTO orders.events (order_id, event_type, new_status, actor_type)
SELECT o.id, 'order_created', 'PENDING', 'system' FROM orders.orders o WHERE o.number LIKE 'OLD-%'
"""


async def test_a_page_has_full_orders_newest_first(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = [await shop.ordered(buyer, mango, paymentMethod="UPI") for _ in range(5)]
    first = await shop.app.get("/orders?page=1&limit=2", as_=buyer)
    assert first.data["orders"] == [placed[4], placed[3]]
    paging = first.json["pagination"]
    assert paging == {"page": 1, "limit": 2, "total": 5, "totalPages": 3, "hasMore": True}
    last = await shop.app.get("/orders?page=3&limit=2", as_=buyer)
    assert last.data["orders"] == [placed[0]]
    past = await shop.app.get("/orders?page=9&limit=2", as_=buyer)
    assert (past.data["orders"], past.json["pagination"]["total"]) == ([], 5)


async def test_who_ordered_nothing_gets_an_empty_page(shop: Shop, buyer: Buyer) -> None:
    answer = await shop.app.get("/orders", as_=buyer)
    assert (answer.status, answer.data["orders"], answer.json["pagination"]["total"]) == (200, [], 0)


@pytest.mark.parametrize("word", ["CANCELLED", "Cancelled", "cancelled", "cANCELLED"])
async def test_a_filter_takes_all_three_vocabularies(shop: Shop, buyer: Buyer, mango: ProductId, word: str) -> None:
    await shop.ordered(buyer, mango, paymentMethod="UPI")
    gone = await shop.ordered(buyer, mango, paymentMethod="UPI")
    await shop.app.post(f"/orders/{gone['id']}/cancel", as_=buyer)
    answer = await shop.app.get(f"/orders?status={word}", as_=buyer)
    assert [order["id"] for order in answer.data["orders"]] == [gone["id"]]
    assert answer.json["pagination"]["total"] == 1
    rest = await shop.app.get("/orders?status=processing", as_=buyer)
    assert rest.json["pagination"]["total"] == 1


@pytest.mark.parametrize("query", ["status=eaten", "page=0", "page=x", "limit=101", "limit=1.0", "page=-1"])
async def test_a_bad_query_is_refused(shop: Shop, buyer: Buyer, query: str) -> None:
    answer = await shop.app.get(f"/orders?{query}", as_=buyer)
    assert (answer.status, answer.code) == (400, "VAL_001")


async def test_orders_of_others_do_not_exist(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango)
    stranger = await shop.buyer()
    assert (await shop.app.get(f"/orders/{placed['id']}", as_=stranger)).status == 404
    assert (await shop.app.post(f"/orders/{placed['id']}/cancel", json={}, as_=stranger)).status == 404
    assert (await shop.app.get(f"/orders/{uuid7()}", as_=buyer)).status == 404
    assert (await shop.app.get("/orders/17", as_=buyer)).status == 404
    assert (await shop.app.get("/orders", as_=stranger)).data["orders"] == []
    assert (await shop.app.get("/orders")).status == 401


async def test_the_timeline_shows_the_ten_newest_entries(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="UPI")
    async with shop.db.transaction() as tx:
        await tx.execute(
            "INSERT INTO orders.events (order_id, event_type, new_status, actor_type) "
            "SELECT $1, 'note_' || n, 'PENDING', 'system' FROM generate_series(1, 12) n",
            placed["id"],
        )
    timeline = (await shop.order(buyer, placed["id"]))["timeline"]
    assert [entry["event"] for entry in timeline] == [f"note_{n}" for n in range(12, 2, -1)]
    assert set(timeline[0]) == {"event", "status", "timestamp", "notes"}


async def test_lists_read_their_indexes_and_no_whole_table(shop: Shop, buyer: Buyer) -> None:
    everything = [status.value for status in Status]
    async with shop.db.connection() as connection:
        filling = connection.transaction()
        await filling.start()
        try:
            await connection.execute("SET LOCAL statement_timeout = 0")  # no request fills a table
            for sql in (MANY, MANY_ITEMS, MANY_EVENTS, "ANALYZE orders.orders, orders.items, orders.events"):
                await connection.execute(sql)
            for sql, args, index in (
                (Orders.OF_USER, (buyer.user_id, everything, 20, 0), "orders_by_user"),
                (Orders.OF_ALL, (everything, 20, 0), "orders_by_time"),
                (Orders.FIND, (uuid7(), None), "orders_pkey"),
            ):
                for mode in ("force_generic_plan", "force_custom_plan"):
                    plan = await explained(connection, sql, args, mode)
                    assert {index, "items_pkey", "events_by_order"} <= {*re.findall(r"\w+", plan)}, plan
                    assert "Seq Scan" not in plan, plan
        finally:
            await filling.rollback()


async def explained(connection: Connection, sql: str, args: tuple[object, ...], mode: str) -> str:
    """The plan's text, without running it, as a long-lived prepared statement would have it or as a fresh one would."""
    literals = ", ".join(map(_literal, args))
    name = f"guarded_{uuid7().hex}"
    await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
    await connection.execute(f"PREPARE {name} AS {sql}")
    rows = await connection.fetch(f"EXPLAIN EXECUTE {name}({literals})")
    await connection.execute(f"DEALLOCATE {name}")
    return "\n".join(row[0] for row in rows)


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"'{{{','.join(value)}}}'"
    return f"'{value}'"


async def test_openapi_knows_the_orders(shop: Shop) -> None:
    answer = await shop.app.get("/openapi.json")
    document = orjson.loads(answer.body)
    place = document["paths"]["/api/v1/orders"]["post"]
    assert "201" in place["responses"]
    assert re.search(r"Place", place["summary"])
    properties = document["components"]["schemas"]["OrderView"]["properties"]
    assert properties["createdAt"]["format"] == "date-time"
