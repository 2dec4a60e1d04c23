"""Orders of people who are erased: the books stay, the person goes (RELIABILITY 4.15)."""

import asyncio
from typing import Any

import orjson
import pytest

from core.testing import TestApp
from plugins.order.ports import PaymentRefunded
from plugins.product.ports import ProductId
from tests.forgetting import AT_THE_LIMIT, STATE, begun, erased, export_of, go_on
from tests.plugins.order.conftest import ADDRESS, Buyer, Shop, body, move

STATUS = "UPDATE orders.orders SET status = $2 WHERE id = $1 RETURNING id"
ORDER = "SELECT status, number, total_paise, note, address::text, erased_at FROM orders.orders WHERE id = $1"
TOTAL = """
UPDATE orders.orders
SET subtotal_paise = $2, delivery_fee_paise = 0, discount_paise = 0, total_paise = $2, charges = NULL
WHERE id = $1 RETURNING id
"""


async def closed(app: TestApp, who: Buyer) -> None:
    """They delete their account."""
    assert (await app.delete("/users/me", as_=who)).status == 200


async def kept(app: TestApp, order_id: str) -> dict[str, Any]:
    """What is left of an order."""
    row = await app.db.fetchrow(ORDER, order_id)
    assert row is not None
    return {**dict(row), "address": orjson.loads(row["address"])}


async def test_amounts_and_place_of_supply_stay_and_the_person_goes(
    app: TestApp, shop: Shop, buyer: Buyer, mango: ProductId, staff: Buyer
) -> None:
    order = await shop.ordered(buyer, mango, 2, customerNote="ask for Asha")
    await app.quiet()
    await app.post(f"/orders/{order['id']}/cancel", json={"reason": "Asha moved"}, as_=buyer)
    await closed(app, buyer)
    await erased(app, buyer.user_id)
    left = await kept(app, order["id"])
    assert (left["number"], left["total_paise"], left["note"]) == (order["orderNumber"], 60_000, None)
    assert left["erased_at"] is not None
    place = {name: value for name, value in left["address"].items() if value}
    assert place == {
        "city": "Pune", "state": "Maharashtra", "pinCode": "411001", "country": "India", "type": "other",
    }  # fmt: skip
    seen = (await app.get(f"/orders/{order['id']}", as_=staff)).json
    assert seen.get("data") or seen["error"]["code"] == "RES_001"
    notes = "SELECT count(*) FROM orders.events WHERE order_id = $1 AND notes IS NOT NULL"
    assert await app.db.fetchval(notes, order["id"]) == 0


@pytest.mark.parametrize(("paise", "named"), [(4_999_999, False), (5_000_000, True)])
async def test_an_invoice_of_fifty_thousand_rupees_still_bears_name_and_street(
    app: TestApp, shop: Shop, buyer: Buyer, mango: ProductId, paise: int, named: bool
) -> None:
    order = await shop.ordered(buyer, mango)
    await app.db.command(TOTAL, order["id"], paise)
    await app.db.command(STATUS, order["id"], "DELIVERED")
    await closed(app, buyer)
    await erased(app, buyer.user_id)
    address = (await kept(app, order["id"]))["address"]
    assert (address["fullName"], address["addressLine1"]) == (
        (ADDRESS["fullName"], ADDRESS["addressLine1"]) if named else ("", "")
    )
    assert address["phoneNumber"] == ""


async def test_an_order_on_its_way_keeps_its_address_until_it_has_arrived(
    app: TestApp, shop: Shop, buyer: Buyer, mango: ProductId, staff: Buyer
) -> None:
    order = await shop.ordered(buyer, mango)
    await app.quiet()
    await closed(app, buyer)
    await begun(app, buyer.user_id)
    await go_on(app, buyer.user_id)
    assert await app.db.fetchval(STATE, buyer.user_id) == "erasing"
    assert (await kept(app, order["id"]))["address"]["fullName"] == ADDRESS["fullName"]
    assert await app.db.fetchval("SELECT count(*) FROM users.accounts WHERE id = $1", buyer.user_id) == 0
    for word in ("PROCESSING", "OUT_FOR_DELIVERY", "DELIVERED"):
        assert (await move(shop, staff, order["id"], word)).status == 200
    await go_on(app, buyer.user_id)
    assert await app.db.fetchval(STATE, buyer.user_id) == "done"
    left = await kept(app, order["id"])
    assert (left["status"], left["address"]["fullName"]) == ("DELIVERED", "")


async def test_at_the_limit_what_can_be_is_cancelled_with_its_stock_and_all_addresses_go(
    app: TestApp, shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    waiting, packed = await shop.ordered(buyer, mango, 3), await shop.ordered(buyer, mango, 2)
    await app.quiet()
    await app.db.command(STATUS, packed["id"], "OUT_FOR_DELIVERY")
    before = await shop.stock(mango)
    await closed(app, buyer)
    await begun(app, buyer.user_id)
    await app.db.command(AT_THE_LIMIT, buyer.user_id)
    await go_on(app, buyer.user_id)
    assert await app.db.fetchval(STATE, buyer.user_id) == "done"
    left = [await kept(app, one["id"]) for one in (waiting, packed)]
    assert [one["status"] for one in left] == ["CANCELLED", "OUT_FOR_DELIVERY"]
    assert {one["address"]["fullName"] for one in left} == {""}
    assert await shop.stock(mango) == before + 3


async def test_money_still_moves_for_somebody_who_was_erased(
    app: TestApp, shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    order = await shop.ordered(buyer, mango, paymentMethod="UPI")
    payment = await app.db.fetchval("SELECT id FROM orders.payments WHERE order_id = $1", order["id"])
    await app.db.command("UPDATE orders.payments SET status = 'COMPLETED' WHERE id = $1 RETURNING id", payment)
    paid = "UPDATE orders.orders SET payment_status = 'COMPLETED', status = 'CANCELLED' WHERE id = $1 RETURNING id"
    await app.db.command(paid, order["id"])
    await closed(app, buyer)
    await erased(app, buyer.user_id)
    refund = PaymentRefunded(
        payment_id=payment, order_id=order["id"], order_number=order["orderNumber"], user_id=buyer.user_id,
        amount=order["total"], refund_id="r-1", refunded_at=await app.db.fetchval("SELECT now()"),
    )  # fmt: skip
    async with app.db.transaction() as tx:
        tx.emit(refund)
    await app.quiet()
    assert (await kept(app, order["id"]))["status"] == "REFUNDED"


async def test_an_order_that_is_placed_while_its_account_is_deleted_is_there_or_is_not(
    app: TestApp, shop: Shop, mango: ProductId
) -> None:
    for _ in range(8):
        buyer = await shop.buyer()
        placed, deleted = await asyncio.gather(
            shop.place(buyer, body(mango), key="one", retries=3), app.delete("/users/me", as_=buyer)
        )
        assert deleted.status == 200
        assert placed.status in (201, 401), placed.body
        there = await app.db.fetchval("SELECT count(*) FROM orders.orders WHERE user_id = $1", buyer.user_id)
        assert there == (placed.status == 201)
        await app.quiet()
        await begun(app, buyer.user_id)
        await app.db.command(AT_THE_LIMIT, buyer.user_id)
        await go_on(app, buyer.user_id)
        assert await app.db.fetchval(STATE, buyer.user_id) == "done"
        named = "SELECT count(*) FROM orders.orders WHERE user_id = $1 AND address ->> 'fullName' <> ''"
        assert await app.db.fetchval(named, buyer.user_id) == 0
        stored = "SELECT count(*) FROM kernel.operations WHERE user_id = $1"
        assert await app.db.fetchval(stored, buyer.user_id) == 0


async def test_a_copy_has_the_orders_and_not_who_of_the_staff_moved_them(
    app: TestApp, shop: Shop, buyer: Buyer, mango: ProductId, staff: Buyer
) -> None:
    order = await shop.ordered(buyer, mango, 2)
    await app.quiet()
    await move(shop, staff, order["id"], "PROCESSING")
    text = await export_of(app, buyer.user_id)
    (copied,) = orjson.loads(text)["order"]["orders"]
    assert (copied["number"], copied["totalPaise"], copied["status"]) == (order["orderNumber"], 60_000, "PROCESSING")
    assert copied["address"]["fullName"] == ADDRESS["fullName"]
    assert [one["quantity"] for one in copied["items"]] == [2]
    assert copied["timeline"][-1]["by"] == "admin"
    assert str(staff.user_id) not in text


async def test_a_thousand_orders_go_in_batches(app: TestApp, shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    order = await shop.ordered(buyer, mango)
    await app.db.command(STATUS, order["id"], "DELIVERED")
    copies = """
        INSERT INTO orders.orders SELECT (jsonb_populate_record(o, jsonb_build_object(
            'id', gen_random_uuid(), 'number', o.number || '-' || n))).*
        FROM orders.orders o, generate_series(1, 1100) n WHERE o.id = $1 RETURNING id"""
    await app.db.fetch(copies, order["id"])
    await closed(app, buyer)
    await erased(app, buyer.user_id)
    named = "SELECT count(*) FROM orders.orders WHERE user_id = $1 AND erased_at IS NULL"
    assert await app.db.fetchval(named, buyer.user_id) == 0
