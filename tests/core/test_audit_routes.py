"""Every write that only staff may do is audited, with who did it in which session."""

import orjson

from core.audit import Chain
from core.auth import Role
from core.http.routing import Repeat, Route
from core.store.db import Db, Row
from core.testing import TestApp
from core.types import uuid7
from plugins.user.ports import USERS
from plugins.user.service import UserService
from tests.contracts.world import settled
from tests.people import Customer, NewCustomer

SOME_PRODUCT = "SELECT id FROM products.products ORDER BY slug LIMIT 1"
NEWEST = "SELECT actor, action, subject, details::text AS details FROM kernel.audit ORDER BY number DESC LIMIT 1"
COUNT = "SELECT count(*) FROM kernel.audit"


def staff_writes(app: TestApp) -> list[Route]:
    found = [r for r in app.app.routes if r.policy.roles is not None and Role.CUSTOMER not in r.policy.roles]
    assert all(route.policy.live for route in found), "the role is read again at every request"
    return [route for route in found if route.repeat is not Repeat.SAFE]


async def newest(db: Db) -> Row:
    row = await db.fetchrow(NEWEST)
    assert row is not None
    return row


async def actor(db: Db, who: Customer) -> str:
    session = await db.fetchval(
        "SELECT id FROM users.sessions WHERE user_id = $1 AND ended_at IS NULL ORDER BY created_at DESC LIMIT 1",
        who.user_id,
    )
    return f"user:{who.user_id} session:{session}"


def test_the_writes_of_staff_are_those_that_are_tried_below(app: TestApp) -> None:
    assert {(route.method, route.path) for route in staff_writes(app)} == {
        ("PATCH", "/admin/products/{product_id:uuid}"),
        ("POST", "/admin/orders/{order_id:uuid}/status"),
        ("POST", "/payments/{order_id:uuid}/refunds"),  # tried in tests/plugins/payment/test_refunds.py
    }, "a new one needs its audit row, and its test here"


async def test_an_edit_of_a_product_is_audited(app: TestApp, db: Db, admin: Customer) -> None:
    product = await db.fetchval(SOME_PRODUCT)
    answer = await app.patch(f"/admin/products/{product}", as_=admin, json={"stockDelta": 2, "isActive": True})
    assert answer.status == 200, answer.body
    row = await newest(db)
    assert row["actor"] == await actor(db, admin)
    assert (row["action"], row["subject"]) == ("product.edit", f"product:{product}")
    assert orjson.loads(row["details"]) == {"stock_delta": 2, "is_active": True}


async def test_what_is_refused_or_changes_nothing_leaves_no_row(
    app: TestApp, db: Db, admin: Customer, customer: Customer
) -> None:
    product, before = await db.fetchval(SOME_PRODUCT), await db.fetchval(COUNT)
    for who, path, body in (
        (customer, f"/admin/products/{product}", {"stockDelta": 1}),
        (admin, f"/admin/products/{product}", {"stockDelta": -(10**6)}),
        (admin, f"/admin/products/{uuid7()}", {"stockDelta": 1}),
        (admin, f"/admin/products/{product}", {}),
    ):
        await app.patch(path, as_=who, json=body)
    assert await db.fetchval(COUNT) == before


async def test_a_repeat_of_a_keyed_edit_is_one_act(app: TestApp, db: Db, admin: Customer) -> None:
    product, before = await db.fetchval(SOME_PRODUCT), await db.fetchval(COUNT)
    headers = {"X-Idempotency-Key": str(uuid7())}
    for _ in range(2):
        await app.patch(f"/admin/products/{product}", as_=admin, json={"stockDelta": 1}, headers=headers)
    assert await db.fetchval(COUNT) == before + 1


async def test_a_move_of_an_order_is_audited_once(
    app: TestApp, db: Db, admin: Customer, new_customer: NewCustomer
) -> None:
    order = (await settled(app, await new_customer(), admin, "COD")).known["order_id"]
    await app.quiet()
    before, path = await db.fetchval(COUNT), f"/admin/orders/{order}/status"
    for _ in range(2):
        answer = await app.post(path, as_=admin, json={"status": "PROCESSING", "notes": "call 9876543210 before"})
        assert answer.status == 200, answer.body
    assert await db.fetchval(COUNT) == before + 1
    assert (await app.post(path, as_=admin, json={"status": "PENDING"})).status == 409
    assert await db.fetchval(COUNT) == before + 1
    row, number = await newest(db), answer.data["order"]["orderNumber"]
    assert row["actor"] == await actor(db, admin)
    assert (row["action"], row["subject"]) == ("order.move", f"order:{order}")
    assert orjson.loads(row["details"]) == {"was": "CONFIRMED", "status": "PROCESSING", "number": number}


async def test_a_granted_role_is_audited_and_the_chain_of_it_all_is_whole(
    app: TestApp, db: Db, customer: Customer
) -> None:
    users = app.services.get(USERS)
    assert isinstance(users, UserService)
    await users.grant(customer.full_phone, Role.SUPPORT, "cli:asha@desk")
    row = await newest(db)
    assert (row["actor"], row["action"], row["subject"]) == (
        "cli:asha@desk",
        "role.grant",
        f"account:{customer.user_id}",
    )
    assert orjson.loads(row["details"]) == {"was": "CUSTOMER", "role": "SUPPORT"}
    chain = Chain(db)
    assert sum([count async for count in chain.walk()]) == chain.head.number > 0
