"""The same request again, and many at once: one order a key, never more sold than there is."""

import asyncio
from typing import Any
from uuid import UUID

from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop, body


async def test_a_repeat_with_the_same_key_answers_the_same_bytes(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    first = await shop.place(buyer, body(mango), key="1763800000001")
    again = await shop.place(buyer, body(mango), key="1763800000001")
    assert (first.status, again.status) == (201, 201)
    assert again.data == first.data
    assert "X-Idempotent-Replayed" not in first.headers
    assert again.headers["X-Idempotent-Replayed"] == "true"
    assert await shop.stock(mango) == 99


async def test_a_key_used_for_another_body_is_refused(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    await shop.place(buyer, body(mango), key="same")
    other = await shop.place(buyer, body(mango, 2), key="same")
    assert (other.status, other.code) == (422, "IDEMPOTENCY_KEY_REUSED")
    refused = await shop.place(buyer, body(mango, couponCode="X"), key="same")
    assert (refused.status, refused.code) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_refusal_is_not_kept_for_its_key(shop: Shop, buyer: Buyer) -> None:
    product = await shop.product(stock=0)
    assert (await shop.place(buyer, body(product), key="later")).code == "BIZ_001"
    async with shop.db.transaction() as tx:
        await tx.fetchval("SELECT products.adjust_stock($1, 5, 'STOCK_RECEIVED', NULL)", product)
    assert (await shop.place(buyer, body(product), key="later")).status == 201


async def test_a_repeat_gets_its_order_even_when_it_could_not_be_placed_now(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    first = await shop.place(buyer, body(mango), key="then")
    await shop.retire(mango)
    again = await shop.place(buyer, body(mango), key="then")
    assert (again.status, again.data) == (201, first.data)


async def test_two_users_may_send_the_same_key(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    other = await shop.buyer()
    mine, theirs = await asyncio.gather(
        shop.place(buyer, body(mango), key="1763800000002"), shop.place(other, body(mango), key="1763800000002")
    )
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.data["order"]["id"] != theirs.data["order"]["id"]


async def test_fifty_requests_with_one_key_are_one_order(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    answers = await asyncio.gather(*(shop.place(buyer, body(mango), key="tapped-often", retries=10) for _ in range(50)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body.split(b'"meta"')[0].split(b'"requestId"')[0] for answer in answers}) == 1
    assert len({answer.data["order"]["orderNumber"] for answer in answers}) == 1
    assert await shop.stock(mango) == 99
    page = await shop.app.get("/orders", as_=buyer)
    assert page.json["pagination"]["total"] == 1


async def test_two_hundred_buyers_of_fifty_pieces_get_exactly_fifty(shop: Shop) -> None:
    product = await shop.product(stock=50)
    buyers = [await shop.buyer() for _ in range(200)]
    answers = await asyncio.gather(*(shop.place(buyer, body(product), retries=30) for buyer in buyers))
    sold = [answer for answer in answers if answer.status == 201]
    assert len(sold) == 50
    assert {answer.code for answer in answers if answer.status != 201} == {"BIZ_001"}
    assert await shop.stock(product) == 0
    numbers = [answer.data["order"]["orderNumber"] for answer in sold]
    assert len(set(numbers)) == 50


async def test_orders_that_share_products_in_any_order_never_deadlock(shop: Shop) -> None:
    one, two = await shop.product(), await shop.product()
    buyers = [await shop.buyer() for _ in range(20)]

    def wish(first: UUID, second: UUID) -> dict[str, Any]:
        return {**body(first), "items": [{"productId": str(p), "quantity": 1} for p in (first, second)]}

    wishes = [wish(one, two) if index % 2 else wish(two, one) for index in range(20)]
    answers = await asyncio.gather(*(shop.place(b, w, retries=10) for b, w in zip(buyers, wishes, strict=True)))
    assert {answer.status for answer in answers} == {201}
    assert (await shop.stock(one), await shop.stock(two)) == (80, 80)


async def test_an_ended_session_places_nothing(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    await shop.place(buyer, body(mango), key="before")
    async with shop.db.transaction() as tx:
        await tx.execute(
            "UPDATE users.sessions SET ended_at = now(), end_reason = 'LOGOUT' WHERE id = $1", buyer.session_id
        )
    for key in ("before", "after"):
        answer = await shop.place(buyer, body(mango), key=key)
        assert (answer.status, answer.code) == (401, "AUTH_004")
    assert await shop.stock(mango) == 99
