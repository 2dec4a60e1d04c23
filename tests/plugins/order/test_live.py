"""Cancelling and moving orders while the caller's session ends or the role changes (RELIABILITY 4.4)."""

import asyncio

import pytest

from core.testing import Answer
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop, move
from tests.waiting import somebody_waits

END = "SELECT users.end_session($1, 'LOGOUT')"
LOCK = "SELECT id FROM orders.orders WHERE id = $1 FOR UPDATE"
STATUS = "SELECT status FROM orders.orders WHERE number = $1"
DEMOTE = "UPDATE users.accounts SET role = 'SUPPORT' WHERE id = $1 RETURNING id"


async def cancel(shop: Shop, buyer: Buyer, order_id: str) -> Answer:
    """POST /orders/{id}/cancel."""
    return await shop.app.post(f"/orders/{order_id}/cancel", as_=buyer)


@pytest.mark.parametrize("by_staff", [False, True])
async def test_a_change_of_an_order_is_refused_when_the_session_ends_meanwhile(
    shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId, by_staff: bool
) -> None:
    placed = await shop.ordered(buyer, mango, 2, paymentMethod="UPI")
    who = staff if by_staff else buyer
    write = move(shop, staff, placed["id"], "CANCELLED") if by_staff else cancel(shop, buyer, placed["id"])
    async with shop.db.transaction() as tx:
        await tx.fetchval(END, who.session_id)
        late = asyncio.create_task(write)
        await somebody_waits(shop.db, tx)
        assert not late.done(), "it passed the token check and waits for the session's row"
    answer = await late
    assert (answer.status, answer.code) == (401, "AUTH_004")
    assert await shop.db.fetchval(STATUS, placed["orderNumber"]) == "PENDING"
    assert await shop.stock(mango) == 98


async def test_a_logout_waits_for_a_cancellation_that_was_let_in(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="UPI")
    async with shop.db.transaction() as tx:
        await tx.fetchval(LOCK, placed["id"])
        cancelling = asyncio.create_task(cancel(shop, buyer, placed["id"]))
        await somebody_waits(shop.db, tx)
        logout = asyncio.create_task(shop.app.post("/auth/logout", as_=buyer))
        done, _ = await asyncio.wait((cancelling, logout), timeout=0.15)
        assert not done
    assert ((await cancelling).status, (await logout).status) == (200, 200)
    assert (await cancel(shop, buyer, placed["id"])).code == "AUTH_004"


async def test_a_role_counts_as_it_is_stored_when_the_order_is_moved(
    shop: Shop, buyer: Buyer, staff: Buyer, mango: ProductId
) -> None:
    placed = await shop.ordered(buyer, mango)
    await shop.app.quiet()
    await shop.db.fetchval(DEMOTE, staff.user_id)
    answer = await move(shop, staff, placed["id"], "PROCESSING")
    assert (answer.status, answer.code) == (403, "FORBIDDEN")
    assert (await shop.order(buyer, placed["id"]))["status"] == "CONFIRMED"


async def test_a_cancellation_is_in_the_catalogue_as_soon_as_it_is_answered(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    placed = await shop.ordered(buyer, mango, 3, paymentMethod="UPI")
    await cancel(shop, buyer, placed["id"])
    view = shop.catalog.find(mango)
    assert view is not None
    assert view.available == 100
