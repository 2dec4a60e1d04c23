"""Many at once, over real HTTP: what RELIABILITY 2 calls "never" does not happen.

A 503 is what a full pool may answer; it means "not done", so whoever gets one asks again, as the app does.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from uuid import UUID, uuid4

from core.testing import Answer, TestApp
from core.types import uuid7
from tests.contracts.world import HOME
from tests.people import Customer, NewCustomer, code_for, new_phone
from tests.plugins.product.shelf import Shelf, new_shelf

ACCOUNT = "INSERT INTO users.accounts (id, phone) VALUES ($1, $2)"
SESSION = """INSERT INTO users.sessions (id, user_id, salt, address, user_agent, expires_at)
    VALUES ($1, $2, 'salt', '127.0.0.1', 'tests', now() + interval '1 day')"""
ORDERS = "SELECT count(*) FROM orders.orders WHERE user_id = $1"
BUSY, TRIES, PAUSE = 503, 100, 0.05


async def crowd(app: TestApp, size: int) -> list[Customer]:
    """Many people, signed in without a code: it is not what is tried here."""
    people = []
    async with app.db.transaction() as tx:
        for _ in range(size):
            user_id, session_id = uuid7(), uuid7()
            phone = f"6{user_id.int % 10**9:09}"
            await tx.execute(ACCOUNT, user_id, f"+91{phone}")
            await tx.execute(SESSION, session_id, user_id)
            token = app.kernel.tokens.issue(user_id, session_id, "CUSTOMER")
            people.append(Customer(user_id=user_id, phone=phone, token=token, refresh=""))
    return people


async def firmly(ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Again after a 503."""
    answer = await ask()
    for _ in range(TRIES):
        if answer.status != BUSY:
            break
        await asyncio.sleep(PAUSE)
        answer = await ask()
    return answer


async def at_once(asks: Iterable[Callable[[], Coroutine[Any, Any, Answer]]]) -> list[Answer]:
    return await asyncio.gather(*map(firmly, asks))


def statuses(answers: Iterable[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def order_of(product: UUID, quantity: int = 1) -> dict[str, object]:
    lines = [{"productId": str(product), "quantity": quantity}]
    return {"items": lines, "deliveryAddress": HOME, "paymentMethod": "COD"}


async def stocked(app: TestApp, stock: int) -> tuple[Shelf, UUID]:
    shelf = await new_shelf(app)
    product = await shelf.product(price=30_000, stock=stock)
    await shelf.shown()
    return shelf, product


async def test_two_hundred_buyers_get_exactly_the_fifty_pieces(app: TestApp) -> None:
    shelf, product = await stocked(app, 50)
    body = order_of(product)

    def buying(who: Customer, key: str) -> Callable[[], Coroutine[Any, Any, Answer]]:
        return lambda: app.post("/orders", json=body, as_=who, headers={"X-Idempotency-Key": key})

    answers = await at_once(buying(who, "1732262400000") for who in await crowd(app, 200))
    assert statuses(answers) == {201: 50, 422: 150}
    assert {answer.code for answer in answers if answer.status == 422} == {"BIZ_001"}
    assert len({answer.data["order"]["orderNumber"] for answer in answers if answer.status == 201}) == 50
    assert await shelf.available(product) == 0
    shown = (await app.get(f"/products/{product}")).data["product"]
    assert shown["stock"] == 0


async def test_one_key_fifty_times_is_one_order_and_one_answer(app: TestApp) -> None:
    shelf, product = await stocked(app, 100)
    (who,) = await crowd(app, 1)
    headers = {"X-Idempotency-Key": str(uuid4())}
    answers = await at_once([lambda: app.post("/orders", json=order_of(product, 2), as_=who, headers=headers)] * 50)
    assert statuses(answers) == {201: 50}
    assert len({str(answer.data) for answer in answers}) == 1
    assert sum("X-Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert await app.db.fetchval(ORDERS, who.user_id) == 1
    assert await shelf.available(product) == 98


async def test_a_hundred_adds_to_one_cart_are_all_kept(app: TestApp) -> None:
    shelf = await new_shelf(app)
    products = [await shelf.product(stock=10) for _ in range(20)]
    await shelf.shown()
    (who,) = await crowd(app, 1)

    def adding(product: UUID) -> Callable[[], Coroutine[Any, Any, Answer]]:
        return lambda: app.post("/cart/items", json={"productId": str(product), "quantity": 1}, as_=who)

    answers = await at_once(adding(product) for product in products * 5)
    assert statuses(answers) == {200: 100}
    cart = (await app.get("/cart", as_=who)).data["cart"]
    assert cart["itemCount"] == 100
    assert {line["productId"]: line["quantity"] for line in cart["items"]} == {str(p): 5 for p in products}


async def test_one_refresh_token_twenty_times_has_one_successor(app: TestApp, new_customer: NewCustomer) -> None:
    who = await new_customer()
    answers = await at_once([lambda: app.post("/auth/token/refresh", json={"refreshToken": who.refresh})] * 20)
    assert statuses(answers) == {200: 20}
    (successor,) = {answer.data["refreshToken"] for answer in answers}
    assert successor != who.refresh
    assert (await app.post("/auth/token/refresh", json={"refreshToken": successor})).status == 200


async def test_an_order_cancelled_twenty_times_returns_its_stock_once(app: TestApp) -> None:
    shelf, product = await stocked(app, 30)
    (who,) = await crowd(app, 1)
    placed = await app.post("/orders", json=order_of(product, 7), as_=who)
    assert await shelf.available(product) == 23
    path = f"/orders/{placed.data['order']['id']}/cancel"
    answers = await at_once([lambda: app.post(path, json={"reason": "changed my mind"}, as_=who)] * 20)
    assert statuses(answers) == {200: 20}
    assert await shelf.available(product) == 30
    await app.quiet()
    entries = (await app.get("/notifications", as_=who)).data["notifications"]
    assert Counter(entry["title"] for entry in entries).most_common(1)[0][1] == 1


async def test_two_users_with_one_key_under_load_have_an_order_each(app: TestApp) -> None:
    shelf, product = await stocked(app, 100)
    people = await crowd(app, 2)
    headers = {"X-Idempotency-Key": "1732262400001"}

    def placing(who: Customer) -> Callable[[], Coroutine[Any, Any, Answer]]:
        return lambda: app.post("/orders", json=order_of(product), as_=who, headers=headers)

    def looking(who: Customer) -> Callable[[], Coroutine[Any, Any, Answer]]:
        return lambda: app.get("/orders", as_=who)

    def adding(who: Customer) -> Callable[[], Coroutine[Any, Any, Answer]]:
        line = {"productId": str(product), "quantity": 1}
        return lambda: app.post("/cart/items", json=line, as_=who, headers=headers)

    rounds = [make(who) for _ in range(15) for who in people for make in (placing, looking, adding)]
    answers = await at_once(rounds)
    assert statuses(answers) == {201: 30, 200: 60}
    placed = [answer.data["order"] for answer in answers if answer.status == 201]
    assert len({order["id"] for order in placed}) == 2
    for who in people:
        assert await app.db.fetchval(ORDERS, who.user_id) == 1
        assert {order["userId"] for order in (await app.get("/orders", as_=who)).data["orders"]} == {str(who.user_id)}
        assert (await app.get("/cart", as_=who)).data["cart"]["itemCount"] == 1
    assert await shelf.available(product) == 98


async def test_one_code_verified_twenty_times_at_once_signs_in_once(app: TestApp) -> None:
    phone = new_phone()
    body = {"phone": phone, "otp": await code_for(app, phone)}

    def on_device(number: int) -> Callable[[], Coroutine[Any, Any, Answer]]:
        return lambda: app.post("/auth/verify-otp", json=body | {"deviceId": f"device-{number}"})

    assert statuses(await at_once(on_device(number) for number in range(20))) == {200: 1, 400: 19}


async def test_the_eleventh_address_loses_every_race(app: TestApp) -> None:
    (who,) = await crowd(app, 1)

    def another(number: int) -> Callable[[], Coroutine[Any, Any, Answer]]:
        return lambda: app.post("/addresses", json={**HOME, "addressLine1": f"{number} Orchard Road"}, as_=who)

    answers = await at_once(another(number) for number in range(25))
    assert statuses(answers) == {201: 10, 400: 15}
    addresses = (await app.get("/addresses", as_=who)).data["addresses"]
    assert Counter(address["isDefault"] for address in addresses) == {True: 1, False: 9}
