"""Placing an order: what is charged, what is taken, and what a repeat gets."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import attrs
import pytest

from core.convert import wire
from core.http.routing import Operation
from core.store.db import Tx
from core.types import Paise, uuid7
from plugins.order.bodies import PlaceOrderBody
from plugins.product.ports import PriceChanged, ProductId, ProductView
from tests.plugins.order.conftest import ADDRESS, Buyer, Shop, body, placing_of

FULL = {
    "id", "orderNumber", "userId", "status", "statusKey", "statusLabel", "items", "itemCount", "subtotal",
    "deliveryFee", "discount", "total", "charges", "refundedAmount", "refunds", "paymentMethod", "paymentStatus",
    "deliveryAddress", "deliveryAddressDetails", "scheduledDeliveryDate", "estimatedDelivery", "deliverySlot",
    "customerNote",
    "trackingId", "deliveryPartnerId", "cancellationReason", "createdAt", "confirmedAt", "shippedAt",
    "deliveredAt", "cancelledAt", "timeline",
}  # fmt: skip


async def test_an_order_answers_everything_the_app_reads(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    answer = await shop.place(buyer, body(mango, 2, customerNote="Ring twice", deliverySlot="9-11 AM"))
    assert answer.status == 201
    order = answer.data["order"]
    assert set(order) == FULL
    assert order["orderNumber"].startswith("VRK-20")
    assert (order["subtotal"], order["deliveryFee"], order["discount"], order["total"]) == (600, 0, 0, 600)
    assert (order["status"], order["statusKey"], order["statusLabel"]) == ("PENDING", "processing", "Pending")
    assert order["deliveryAddress"] == "12 Orchard Road, Near the lake, Pune, Maharashtra 411001"
    assert order["deliveryAddressDetails"]["pincode"] == order["deliveryAddressDetails"]["pinCode"] == "411001"
    line = order["items"][0]
    assert (line["productId"], line["quantity"], line["unitPrice"], line["total"]) == (str(mango), 2, 300, 600)
    assert line["productImage"]
    assert [entry["event"] for entry in order["timeline"]] == ["order_created"]
    assert order["timeline"][0]["timestamp"] == order["createdAt"]
    assert order["scheduledDeliveryDate"] == order["estimatedDelivery"] > order["createdAt"]
    assert order["itemCount"] == 2
    assert await shop.stock(mango) == 98


async def test_the_answer_to_placing_is_what_reading_it_answers(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    placed = await shop.ordered(buyer, mango, paymentMethod="UPI")
    assert await shop.order(buyer, placed["id"]) == placed


async def test_the_bill_explains_its_total_line_by_line(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    order = await shop.ordered(buyer, mango)
    assert order["charges"] == [
        {"code": "goods", "label": "Items", "amount": 300},
        {"code": "delivery", "label": "Delivery", "amount": 40},
    ]
    assert sum(line["amount"] for line in order["charges"]) == order["total"] == 340
    await shop.db.fetchval("UPDATE orders.orders SET charges = NULL WHERE id = $1 RETURNING id", UUID(order["id"]))
    assert (await shop.order(buyer, order["id"]))["charges"] == order["charges"], "as one from before explains itself"


async def test_lines_of_one_product_are_merged_and_client_prices_ignored(shop: Shop, buyer: Buyer) -> None:
    product = await shop.product(paise=12_345)
    line = {"productId": str(product), "quantity": 2, "unitPrice": 0.01, "productName": "Gold"}
    order = (await shop.place(buyer, {**body(product), "items": [line, line]})).data["order"]
    assert [(i["quantity"], i["unitPrice"]) for i in order["items"]] == [(4, 123.45)]
    assert (order["subtotal"], order["deliveryFee"], order["total"]) == (493.8, 40, 533.8)
    assert order["items"][0]["productName"].startswith("Mango")


async def test_lines_keep_the_order_in_which_the_customer_named_them(shop: Shop, buyer: Buyer) -> None:
    products = sorted([await shop.product() for _ in range(3)], reverse=True)
    lines = [{"productId": str(product), "quantity": 1} for product in products]
    order = (await shop.place(buyer, {**body(products[0]), "items": lines})).data["order"]
    assert [line["productId"] for line in order["items"]] == [str(product) for product in products]
    assert (await shop.order(buyer, order["id"]))["items"] == order["items"]


@pytest.mark.parametrize(
    ("word", "method", "status"),
    [
        ("cod", "COD", "PENDING"),
        ("Upi", "UPI", "PROCESSING"),
        ("creditCard", "CARD", "PROCESSING"),
        ("DEBITCARD", "CARD", "PROCESSING"),
        ("netbanking", "NET_BANKING", "PROCESSING"),
        ("wallet", "WALLET", "PROCESSING"),
    ],
)
async def test_payment_names_of_both_clients_are_understood(
    shop: Shop, buyer: Buyer, mango: ProductId, word: str, method: str, status: str
) -> None:
    order = await shop.ordered(buyer, mango, paymentMethod=word)
    assert (order["paymentMethod"], order["paymentStatus"]) == (method, status)


@pytest.mark.parametrize(
    "change",
    [
        {"paymentMethod": "gold"},
        {"items": []},
        {"items": [{"productId": "mango", "quantity": 1}]},
        {"items": [{"productId": str(uuid7()), "quantity": 0}]},
        {"items": [{"productId": str(uuid7()), "quantity": "1"}]},
        {"items": [{"productId": str(uuid7()), "quantity": 1.5}]},
        {"items": [{"productId": str(uuid7()), "quantity": True}]},
        {"deliveryAddress": {**ADDRESS, "pinCode": "4110"}},
        {"deliveryAddress": {k: v for k, v in ADDRESS.items() if k != "pinCode"}},
        {"deliveryAddress": None},
        {"scheduledDeliveryDate": "2001-01-01T00:00:00Z"},
        {"scheduledDeliveryDate": "tomorrow"},
        {"customerNote": "x" * 501},
    ],
)
async def test_bad_input_is_refused_by_field(
    shop: Shop, buyer: Buyer, mango: ProductId, change: dict[str, Any]
) -> None:
    answer = await shop.place(buyer, {**body(mango), **change})
    assert (answer.status, answer.code) == (400, "VAL_001")
    assert answer.json["error"]["details"]["validationErrors"][0]["field"].startswith(next(iter(change)))
    assert await shop.stock(mango) == 100


async def test_too_many_pieces_over_several_lines_are_refused(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    line = {"productId": str(mango), "quantity": 60}
    assert (await shop.place(buyer, {**body(mango), "items": [line, line]})).status == 400


async def test_a_day_that_the_customer_chose_is_kept(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    day = await shop.db.fetchval("SELECT orders.stamp(date_trunc('hour', now()) + interval '2 days')")
    order = await shop.ordered(buyer, mango, scheduledDeliveryDate=day)
    assert order["scheduledDeliveryDate"] == order["estimatedDelivery"] == day


async def test_below_the_minimum_nothing_is_ordered(shop: Shop, buyer: Buyer) -> None:
    product = await shop.product(paise=19_899)
    answer = await shop.place(buyer, body(product))
    assert (answer.status, answer.code) == (422, "BIZ_006")
    assert answer.json["error"]["details"] == {"minimumAmount": 199, "currentAmount": 198.99}


async def test_a_coupon_is_refused_clearly(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    answer = await shop.place(buyer, body(mango, couponCode="WELCOME10"))
    assert (answer.status, answer.code) == (422, "BIZ_007")


async def test_what_is_not_sold_is_named(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    unknown = ProductId(uuid7())
    gone = await shop.product()
    await shop.retire(gone)
    lines = [{"productId": str(p), "quantity": 1} for p in (mango, unknown, gone)]
    answer = await shop.place(buyer, {**body(mango), "items": lines})
    assert (answer.status, answer.code) == (422, "BIZ_001")
    named = {item["productId"] for item in answer.json["error"]["details"]["items"]}
    assert named == {str(unknown), str(gone)}


async def test_too_little_stock_names_the_line_and_takes_nothing(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    scarce = await shop.product(stock=2)
    lines = [{"productId": str(mango), "quantity": 1}, {"productId": str(scarce), "quantity": 3}]
    answer = await shop.place(buyer, {**body(mango), "items": lines})
    assert (answer.status, answer.code) == (422, "BIZ_001")
    assert answer.json["error"]["details"]["items"] == [{"productId": str(scarce), "requested": 3, "available": 2}]
    assert (await shop.stock(mango), await shop.stock(scarce)) == (100, 2)


async def test_an_address_of_ones_own_is_used_by_its_id(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    kept = (await shop.app.post("/addresses", json=ADDRESS, as_=buyer)).data["address"]
    wish = {**body(mango), "deliveryAddress": None, "addressId": kept["id"]}
    order = (await shop.place(buyer, wish)).data["order"]
    assert order["deliveryAddressDetails"]["fullName"] == "Asha Rao"
    stranger = await shop.buyer()
    assert (await shop.place(stranger, wish)).status == 404
    assert (await shop.place(buyer, {**wish, "addressId": "1763800000000"})).status == 404


async def test_without_items_the_cart_is_ordered_and_emptied(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    wish = {"deliveryAddress": ADDRESS, "paymentMethod": "COD"}
    empty = await shop.place(buyer, wish)
    assert (empty.status, empty.code) == (422, "BIZ_003")
    line = {"productId": str(mango), "productName": "Mango", "productImage": "", "unitPrice": 1, "quantity": 3}
    assert (await shop.app.post("/cart/items", json=line, as_=buyer)).status == 200
    first = await shop.place(buyer, wish, key="cart-1")
    assert first.data["order"]["items"][0]["quantity"] == 3
    assert (await shop.app.get("/cart", as_=buyer)).data["cart"]["items"] == []
    again = await shop.place(buyer, wish, key="cart-1")
    assert (again.status, again.data) == (201, first.data)
    assert again.headers["X-Idempotent-Replayed"] == "true"


async def test_an_expected_total_that_differs_reserves_nothing(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    answer = await shop.place(buyer, body(mango, 2, expectedTotal=599.99))
    assert (answer.status, answer.code) == (409, "PRICE_CHANGED")
    assert answer.json["error"]["details"] == {"expectedTotal": 599.99, "total": 600}
    assert await shop.stock(mango) == 100
    assert (await shop.place(buyer, body(mango, 2, expectedTotal=600))).status == 201


async def test_a_price_that_moved_unseen_is_read_again(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    await shop.reprice(mango, 40_000)
    order = await shop.ordered(buyer, mango, 2)
    assert order["total"] == 800


async def test_a_price_that_moved_unseen_is_told_to_who_expects_the_old_one(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    await shop.reprice(mango, 40_000)
    answer = await shop.place(buyer, body(mango, 2, expectedTotal=600))
    assert (answer.status, answer.code) == (409, "PRICE_CHANGED")
    assert await shop.stock(mango) == 100
    await shop.reprice(mango, 50_000)
    assert (await shop.place(buyer, body(mango, 2, expectedTotal=1000))).status == 201


async def test_an_order_and_its_events_are_one_commit(shop: Shop, buyer: Buyer, mango: ProductId) -> None:
    order = await shop.ordered(buyer, mango, paymentMethod="CARD")
    rows = await shop.db.fetch(
        "SELECT event_type, aggregate_type, payload FROM kernel.outbox WHERE payload->>'orderId' = $1 ORDER BY seq",
        order["id"],
    )
    assert [row["event_type"] for row in rows] == ["order.created", "payment.initiated"]
    for row in rows:
        assert f'"{order["orderNumber"]}"' in row["payload"]
        assert str(buyer.user_id) in row["payload"]
    assert "Orchard" not in rows[0]["payload"]
    assert "9876543210" not in rows[0]["payload"]


class Stale:
    """A catalogue that never hears of a new price."""

    revision, refreshed = 0, 0

    def __init__(self, view: ProductView) -> None:
        self._view = view

    def find(self, product_id: ProductId) -> ProductView | None:
        return self._view if product_id == self._view.id else None

    def many(self, ids: Collection[ProductId]) -> Mapping[ProductId, ProductView]:
        return {self._view.id: self._view}

    async def refresh(self) -> None:
        self.refreshed += 1

    def sold(self, levels: Mapping[ProductId, int]) -> None:
        raise AssertionError("nothing was sold")

    async def give_back(
        self, tx: Tx, lines: Mapping[ProductId, int], reason: str, reference: UUID
    ) -> Mapping[ProductId, int]:
        raise AssertionError("nothing was taken")


async def test_a_price_that_keeps_moving_is_given_up_after_three_tries(
    shop: Shop, buyer: Buyer, mango: ProductId
) -> None:
    view = shop.catalog.find(mango)
    assert view is not None
    stale = Stale(attrs.evolve(view, unit_price_paise=Paise(25_000)))
    placing = placing_of(shop.app, stale)
    operation = Operation(user_id=buyer.user_id, route="POST /orders", key="k", given=True, fingerprint=b"f")
    with pytest.raises(PriceChanged) as refused:
        await placing.place(operation, buyer.session_id, wire.structure(body(mango), PlaceOrderBody))
    assert stale.refreshed == 3
    assert refused.value.details == {"items": [{"productId": str(mango), "price": 300, "seen": 250}]}
    assert await shop.stock(mango) == 100
