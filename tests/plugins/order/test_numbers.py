"""Order numbers: unique, rising, by the shop's own year."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import Problem
from core.http.routing import Operation
from core.store.db import Refused
from core.types import INDIA
from plugins.order.bodies import OrderAddressBody, OrderItemBody, PlaceOrderBody
from plugins.order.placing import Placing
from plugins.order.service import OrderService
from plugins.product.ports import ProductId
from tests.plugins.order.conftest import Buyer, Shop

NEXT = "SELECT orders.next_number($1)"


async def test_numbers_rise_and_are_never_the_same(shop: Shop) -> None:
    now = datetime.now(UTC)
    found = [await shop.db.fetchval(NEXT, now) for _ in range(20)]
    many = await asyncio.gather(*(shop.db.fetchval(NEXT, now) for _ in range(12)))
    assert found == sorted(found)
    assert len({*found, *many}) == 32
    assert min(many) > max(found)
    assert all(re.fullmatch(rf"VRK-{now.astimezone(INDIA).year}-\d{{6,}}", number) for number in found)


async def test_the_year_turns_at_midnight_in_india(shop: Shop) -> None:
    year = datetime.now(INDIA).year
    midnight = datetime(year + 1, 1, 1, tzinfo=INDIA)
    before = await shop.db.fetchval(NEXT, midnight - timedelta(microseconds=1))
    after = await shop.db.fetchval(NEXT, midnight)
    assert midnight.astimezone(UTC).year == year
    assert before.startswith(f"VRK-{year}-")
    assert after == f"VRK-{year + 1}-000001"


async def test_a_number_grows_beyond_six_digits(shop: Shop) -> None:
    far = datetime(2140, 6, 1, tzinfo=UTC)
    async with shop.db.transaction() as tx:
        await tx.fetchval("SELECT orders.prepare_numbers($1)", far)
        await tx.fetchval("SELECT setval('orders.number_2140', 999999)")
        assert await tx.fetchval(NEXT, far) == "VRK-2140-1000000"


async def test_a_failed_order_leaves_a_gap_and_no_number_twice(shop: Shop) -> None:
    now = datetime.now(UTC)
    drawn: list[str] = []

    async def fail() -> None:
        async with shop.db.transaction() as tx:
            drawn.append(await tx.fetchval(NEXT, now))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await shop.db.fetchval(NEXT, now) > drawn[0]


async def test_the_job_makes_the_sequences_and_may_run_again(shop: Shop, orders: OrderService) -> None:
    for _ in range(2):
        await orders.prepare_numbers()
    with pytest.raises(Refused, match="NUMBERS_MISSING"):
        await shop.db.fetchval(NEXT, datetime(2199, 1, 1, tzinfo=UTC))


async def test_without_a_sequence_placing_is_unavailable_and_takes_nothing(
    shop: Shop, buyer: Buyer, mango: ProductId, placing: Placing
) -> None:
    year = datetime.now(INDIA).year
    address = OrderAddressBody(
        full_name="Asha", phone_number="9876543210", address_line1="1", city="Pune", state="MH", pin_code="411001"
    )
    body = PlaceOrderBody(
        items=[OrderItemBody(product_id=mango, quantity=1)], delivery_address=address, payment_method="COD"
    )
    operation = Operation(user_id=buyer.user_id, route="POST /orders", key="k", given=True, fingerprint=b"f")
    rename = "ALTER SEQUENCE orders.number_{} RENAME TO {}"
    async with shop.db.connection() as connection:
        await connection.execute(rename.format(year, "away"))
        try:
            with pytest.raises(Problem) as refused:
                await placing.place(operation, buyer.session_id, body)
        finally:
            await connection.execute(f"ALTER SEQUENCE orders.away RENAME TO number_{year}")
    assert refused.value.code.name == "SYS_002"
    assert await shop.stock(mango) == 100
    placed = await placing.place(operation, buyer.session_id, body)
    assert (placed.replayed, placed.status) == (False, 201)
