"""Edits by an administrator."""

import json

import pytest

from core.testing import SignedIn
from core.types import Paise, uuid7
from plugins.product.models import unit_price
from plugins.product.ports import ProductId
from tests.plugins.product.shelf import Shelf

EVENTS = "SELECT event_type, payload FROM kernel.outbox WHERE aggregate_id = $1 ORDER BY seq"


async def test_an_edit_changes_what_it_names_and_is_seen_at_once(shelf: Shelf, admin: SignedIn) -> None:
    key = await shelf.product("Old", price=4_000, stock=5)
    await shelf.shown()
    body = {"name": "New", "price": 19.99, "discountPercentage": 12.5, "stockDelta": 3}
    answer = await shelf.app.patch(f"/admin/products/{key}", as_=admin, json=body)
    assert answer.status == 200, answer.body
    product = answer.data["product"]
    assert (product["name"], product["price"], product["effectivePrice"], product["stock"]) == ("New", 19.99, 17.49, 8)
    assert answer.headers["ETag"] == f'"{product["version"]}"'
    assert await shelf.names() == ["New"]  # the edit's own commit refreshed this replica before it was answered
    events = [(row["event_type"], json.loads(row["payload"])) for row in await shelf.db.fetch(EVENTS, str(key))]
    assert events == [
        (
            "inventory.stock_updated",
            {"productId": str(key), "previousStock": 5, "newStock": 8, "reason": "MANUAL_ADJUSTMENT"},
        )
    ]


async def test_a_repeated_edit_moves_stock_once(shelf: Shelf, admin: SignedIn) -> None:
    key = await shelf.product(stock=5)
    for replayed in (None, "true"):
        answer = await shelf.app.patch(
            f"/admin/products/{key}", as_=admin, json={"stockDelta": -2}, headers={"X-Idempotency-Key": "1700000000000"}
        )
        assert answer.headers.get("X-Idempotent-Replayed") == replayed
    assert await shelf.available(key) == 3


async def test_an_edit_of_something_older_is_refused(shelf: Shelf, admin: SignedIn) -> None:
    key = await shelf.product()
    path = f"/admin/products/{key}"
    first = await shelf.app.patch(path, as_=admin, json={"isActive": False}, headers={"If-Match": '"1"'})
    assert (first.status, first.data["product"]["version"]) == (200, 2)
    second = await shelf.app.patch(path, as_=admin, json={"isActive": True}, headers={"If-Match": '"1"'})
    assert (second.status, second.code) == (412, "PRECONDITION_FAILED")


async def test_stock_never_falls_below_nothing(shelf: Shelf, admin: SignedIn) -> None:
    key = await shelf.product(stock=2)
    answer = await shelf.app.patch(f"/admin/products/{key}", as_=admin, json={"name": "X", "stockDelta": -3})
    assert (answer.status, answer.code) == (422, "BIZ_001")
    assert answer.json["error"]["details"] == {"items": [{"productId": str(key), "requested": 3, "available": 2}]}
    await shelf.shown()
    assert await shelf.names() == ["Test Gourd"]


async def test_only_administrators_edit(shelf: Shelf, customer: SignedIn) -> None:
    path = f"/admin/products/{await shelf.product()}"
    assert (await shelf.app.patch(path, json={})).status == 401
    assert (await shelf.app.patch(path, as_=customer, json={})).status == 403


@pytest.mark.parametrize(
    "body",
    [{"price": 0}, {"price": "40"}, {"discountPercentage": 100}, {"stockDelta": 1.5}, {"name": " "}, {"isActive": 1}],
)
async def test_an_edit_that_makes_no_sense_is_bad_input(shelf: Shelf, admin: SignedIn, body: dict[str, object]) -> None:
    answer = await shelf.app.patch(f"/admin/products/{await shelf.product()}", as_=admin, json=body)
    assert (answer.status, answer.code) == (400, "VAL_001")


async def test_an_unknown_product_cannot_be_edited(shelf: Shelf, admin: SignedIn) -> None:
    answer = await shelf.app.patch(f"/admin/products/{ProductId(uuid7())}", as_=admin, json={})
    assert answer.code == "RES_001"


@pytest.mark.parametrize(("price", "discount"), [(4_000, 1_000), (999, 1_250), (1, 5_000), (3, 5_000), (10**11, 9_999)])
async def test_the_database_rounds_like_the_rule(shelf: Shelf, price: int, discount: int) -> None:
    key = await shelf.product(price=price, discount_bp=discount)
    stored = await shelf.db.fetchval("SELECT unit_price_paise FROM products.products WHERE id = $1", key)
    assert stored == unit_price(Paise(price), discount)
