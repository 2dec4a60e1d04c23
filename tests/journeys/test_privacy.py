"""Somebody who wants to be forgotten: over HTTP, then in every store (RELIABILITY 4.15)."""

from typing import Any
from uuid import UUID

import attrs
import orjson
import pytest

from core.testing import TestApp
from core.types import uuid7
from plugins.order.ports import OrderCreated
from plugins.user.ports import UserCreated
from tests.forgetting import TABLES, erased, holding
from tests.people import Customer, new_phone, sign_in
from tests.plugins.product.shelf import new_shelf

REMAINS = {
    "kernel.audit", "kernel.erased", "kernel.erasures", "kernel.inbox", "kernel.outbox", "orders.events",
    "orders.orders", "products.inventory_log", "users.revocations",
}  # fmt: skip
"""Tables that may still have ids; what they say of people is checked by name, phone, street and mail."""
DELIVERED = "UPDATE orders.orders SET status = 'DELIVERED' WHERE user_id = $1 RETURNING id"
REVIEW = """INSERT INTO products.reviews (id, product_id, user_id, user_name, rating, comment)
    VALUES ($1, $2, $3, $4, 5, 'lovely') RETURNING id"""


@attrs.frozen
class Somebody:
    """A customer, and what gives them away."""

    customer: Customer
    name: str
    street: str
    mail: str


async def settled(app: TestApp) -> Somebody:
    """Somebody with something in every domain."""
    shelf, customer = await new_shelf(app), await sign_in(app, new_phone())
    mark = uuid7().hex
    who = Somebody(customer, f"Asha {mark}", f"{mark} Lane", f"{mark}@example.com")
    product = await shelf.product(price=30_000, stock=50)
    await shelf.shown()
    home = {"fullName": who.name, "phoneNumber": customer.phone, "addressLine1": who.street, "city": "Pune",
            "state": "Maharashtra", "pinCode": "411001"}  # fmt: skip
    line = {"productId": str(product), "quantity": 1}

    async def post(path: str, body: object, **headers: str) -> Any:
        answer = await app.post(path, json=body, as_=customer, headers=headers)
        assert answer.status < 300, answer.body
        return answer.data

    await app.put("/users/me", json={"name": who.name, "email": who.mail}, as_=customer)
    address = (await post("/addresses", home))["address"]
    order = {"items": [line], "addressId": address["id"], "paymentMethod": "COD", "customerNote": f"ask for {who.name}"}
    for key in ("a", "b"):
        await post("/orders", order, **{"X-Idempotency-Key": f"order-{key}"})
    await post("/notifications/devices", {"token": f"device-{customer.phone}", "platform": "web"})
    await post("/cart/items", line)
    await app.db.command(REVIEW, uuid7(), product, customer.user_id, who.name)
    await app.quiet()
    last = (await app.get("/orders", as_=customer)).data["orders"][0]
    await post(f"/orders/{last['id']}/cancel", {"reason": f"{who.name} has moved"})
    await post("/users/me/export", {})
    await app.app.privacy.export_due()
    await app.quiet()
    await app.db.command(DELIVERED, customer.user_id)
    await app.redis.call(b"DEL", app.redis.key(b"cart:", customer.user_id))  # the orders' mark, which lasts 5 s
    await app.get("/cart", as_=customer)
    return who


async def traces(app: TestApp, who: Somebody) -> dict[str, set[str]]:
    """Where the person can still be found, by what gives them away."""
    customer = who.customer
    needles = {"phone": customer.phone, "name": who.name, "street": who.street, "mail": who.mail}
    found = {what: await holding(app.db, needle) for what, needle in needles.items()}
    found["id"] = await holding(app.db, str(customer.user_id)) - REMAINS
    journal = (app.app.settings.data_dir / "messages.jsonl").read_text()
    found["journal"] = {what for what, needle in needles.items() if needle in journal}
    key = app.redis.key(b"cart:", customer.user_id)
    found["redis"] = {"cart"} if len(await app.redis.call(b"GET", key) or b"") > 1 else set()  # a mark says "gone"
    return {what: tables for what, tables in found.items() if tables}


async def aside(app: TestApp, customer: Customer) -> dict[str, list[str]]:
    """A backup: every row that has the user's id or phone, as JSON text by table."""
    rows: dict[str, list[str]] = {}
    for table in [row["name"] for row in await app.db.fetch(TABLES)]:
        if table.startswith("kernel.") and table not in ("kernel.operations", "kernel.exports"):
            continue
        sql = f"SELECT to_jsonb(t)::text AS row FROM {table} t WHERE t::text LIKE $1 OR t::text LIKE $2"
        needles = f"%{customer.user_id}%", f"%{customer.phone}%"
        found = await app.db.fetch(sql, *needles)  # type: ignore[arg-type]  # names of our own tables
        if found:
            rows[table] = [row["row"] for row in found]
    return rows


async def put_back(app: TestApp, rows: dict[str, list[str]]) -> None:
    """A restore: what is there already is as the backup has it."""
    first = ("users.accounts", "users.sessions", "orders.orders")
    async with app.db.transaction() as tx:
        for table in sorted(rows, key=lambda name: (name not in first, first.index(name) if name in first else 0)):
            if table == "orders.orders":
                for row in rows[table]:
                    back = (
                        "UPDATE orders.orders SET erased_at = NULL, address = $2::text::jsonb -> 'address'"
                        " WHERE id = $1"
                    )
                    await tx.execute(back, UUID(orjson.loads(row)["id"]), row)
                continue
            sql = (
                f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM "
                f"jsonb_populate_recordset(NULL::{table}, $1::text::jsonb) ON CONFLICT DO NOTHING"
            )
            if table != "carts.carts":
                await tx.execute(sql, f"[{','.join(rows[table])}]")  # type: ignore[arg-type]  # as above


async def test_who_asks_for_it_is_forgotten_everywhere_and_may_come_back_as_somebody_new(app: TestApp) -> None:
    who = await settled(app)
    customer = who.customer
    before = await traces(app, who)
    assert set(before) == {"phone", "name", "street", "mail", "id", "journal", "redis"}, "there is something to forget"
    assert (await app.delete("/users/me", as_=customer)).status == 200
    assert (await app.get("/users/me", as_=customer)).code == "AUTH_004"
    await app.quiet()
    await erased(app, customer.user_id)
    assert await traces(app, who) == {}
    books = await app.db.fetchrow(
        "SELECT count(*) AS orders, min(total_paise) AS least, min(address ->> 'city') AS city,"
        " (SELECT count(*) FROM orders.items i JOIN orders.orders j ON j.id = i.order_id WHERE j.user_id = $1) AS items"
        " FROM orders.orders WHERE user_id = $1",
        customer.user_id,
    )
    assert books is not None
    assert tuple(books) == (2, 34_000, "Pune", 2)
    again = await sign_in(app, customer.phone)
    assert again.user_id != customer.user_id
    assert (await app.get("/orders", as_=again)).data["orders"] == []
    assert (await app.get("/users/me", as_=again)).data["user"]["name"] is None


async def test_events_that_come_again_bring_nobody_back(app: TestApp) -> None:
    who = await settled(app)
    customer = who.customer
    created = UserCreated(user_id=customer.user_id, phone_number="+910000000000", created_at=await now(app))
    order = await app.db.fetchrow("SELECT id, number FROM orders.orders WHERE user_id = $1 LIMIT 1", customer.user_id)
    assert order is not None
    await app.delete("/users/me", as_=customer)
    await app.quiet()
    await erased(app, customer.user_id)
    placed = OrderCreated(
        order_id=order["id"], order_number=order["number"], user_id=customer.user_id, amount=300, items=[],
        total_amount=300, payment_method="COD", delivery_address="{}",
    )  # fmt: skip
    async with app.db.transaction() as tx:
        tx.emit(created)
        tx.emit(placed)
    await app.quiet()
    states = await app.db.fetch(
        "SELECT state FROM kernel.inbox WHERE metadata ->> 'userId' = $1", str(customer.user_id)
    )
    assert {row["state"] for row in states} == {"done"}
    assert await traces(app, who) == {}


async def test_a_restored_backup_is_erased_again_by_the_ledger(app: TestApp) -> None:
    who = await settled(app)
    customer = who.customer
    backup = await aside(app, customer)
    assert {"users.accounts", "users.addresses", "notifications.entries", "orders.orders"} <= set(backup)
    await app.delete("/users/me", as_=customer)
    await app.quiet()
    await erased(app, customer.user_id)
    await put_back(app, backup)
    restored = await traces(app, who)
    assert {"users.accounts", "users.addresses", "users.sessions"} <= restored["id"]
    assert "orders.orders" in restored["street"]
    async with app.db.transaction() as tx:
        assert await app.app.privacy.erasures.reapply(tx) >= 1
    while await app.app.privacy.erase_one():
        pass
    assert await traces(app, who) == {}


async def test_a_deletion_can_be_undone_for_a_day_and_leaves_everything_as_it_was(app: TestApp) -> None:
    who = await settled(app)
    customer = who.customer
    await app.put("/notifications/preferences", json={"promotionalOffers": False}, as_=customer)
    await app.delete("/users/me", as_=customer)
    await app.quiet()
    again = await sign_in(app, customer.phone)
    assert again.user_id == customer.user_id
    user = (await app.get("/users/me", as_=again)).data["user"]
    assert (user["name"], user["email"]) == (who.name, who.mail)
    assert len((await app.get("/orders", as_=again)).data["orders"]) == 2
    assert (await app.get("/notifications", as_=again)).data["notifications"]
    choices = (await app.get("/notifications/preferences", as_=again)).data["preferences"]
    assert choices["promotionalOffers"] is False, "consent that was withdrawn stays withdrawn"
    assert not await app.app.privacy.erasures.is_erased(app.db, customer.user_id)


async def now(app: TestApp) -> Any:
    """The database's clock."""
    return await app.db.fetchval("SELECT clock_timestamp()")


@pytest.mark.parametrize("path", ["/users/me/export", "/users/me"])
async def test_a_closed_account_gets_and_does_nothing_more(app: TestApp, customer: Customer, path: str) -> None:
    await app.delete("/users/me", as_=customer)
    for method in ("GET", "POST") if path.endswith("export") else ("GET", "DELETE"):
        answer = await app.request(method, path, as_=customer)
        assert (answer.status, answer.code) == (401, "AUTH_004")
