"""An answer leaves nothing that only the cycle collector could free: a frame whose exception holds it, for example.

Such circles wait for the collector, which comes seldom, and the process holds memory for all that wait at once.
"""

import gc
from collections.abc import Awaitable, Callable, Mapping

import pytest

from core.testing import Answer, TestApp
from core.types import uuid7
from tests.journeys.test_app import HOME
from tests.people import Customer
from tests.plugins.product.shelf import new_shelf

REQUESTS, ROUNDS = 20, 3
NOISE = 2 * REQUESTS
"""Objects; one refusal in a circle is some 40 of them."""

Ask = Callable[[TestApp, Customer], Awaitable[Answer]]


async def order_of_nothing(app: TestApp, customer: Customer) -> Answer:
    body = {"items": [{"productId": str(uuid7()), "quantity": 1}], "paymentMethod": "COD", "deliveryAddress": HOME}
    return await app.post("/orders", as_=customer, json=body)


async def order_of_too_much(app: TestApp, customer: Customer) -> Answer:
    shelf = await new_shelf(app)
    product = await shelf.product(stock=1)
    await shelf.shown()
    body = {"items": [{"productId": str(product), "quantity": 2}], "paymentMethod": "COD", "deliveryAddress": HOME}
    return await app.post("/orders", as_=customer, json=body)


ASKED: Mapping[str, tuple[Ask, int]] = {
    "a list": (lambda app, _: app.get("/products?page=1&limit=20"), 200),
    "a cart": (lambda app, customer: app.get("/cart", as_=customer), 200),
    "no token": (lambda app, _: app.get("/cart"), 401),
    "a bad token": (lambda app, _: app.get("/cart", headers={"Authorization": "Bearer x.y.z"}), 401),
    "a body that makes no sense": (lambda app, customer: app.post("/cart/items", as_=customer, json={"x": 1}), 400),
    "an order that makes no sense": (
        lambda app, customer: app.post("/orders", as_=customer, json={"items": [{"quantity": 0}, 7]}),
        400,
    ),
    "no such order": (lambda app, customer: app.get(f"/orders/{uuid7()}", as_=customer), 404),
    "an item that is not sold": (
        lambda app, customer: app.post("/cart/items", as_=customer, json={"productId": str(uuid7()), "quantity": 1}),
        422,
    ),
    "an order of nothing": (order_of_nothing, 422),
    "an order of too much": (order_of_too_much, 422),
}


@pytest.mark.parametrize("name", ASKED)
async def test_an_answer_leaves_no_circle(name: str, app: TestApp, customer: Customer) -> None:
    ask, status = ASKED[name]
    assert (await ask(app, customer)).status == status
    found = [await circles(ask, app, customer) for _ in range(ROUNDS)]
    assert min(found) < NOISE, found  # what others in this process leave meanwhile is not there each time


async def circles(ask: Ask, app: TestApp, customer: Customer) -> int:
    """Objects in circles after some requests."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(REQUESTS):
            await ask(app, customer)
        return gc.collect()
    finally:
        gc.enable()
