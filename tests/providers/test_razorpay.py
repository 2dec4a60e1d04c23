"""The local Razorpay keeps to what Razorpay's documents say: its own words, states, idempotency and deliveries."""

import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from tests.providers.razorpay import KEY_ID, KEY_SECRET, Razorpay
from tests.providers.razorpay_book import Event, Refusal
from tests.providers.razorpay_webhooks import FORGED, SECRET, Webhooks, intervals, sign
from tests.providers.server import Provider

UPI = {
    "email": "a@b.in",
    "contact": "9123456789",
    "method": "upi",
    "ip": "1.2.3.4",
    "referer": "http",
    "user_agent": "x",
}
CARD = {"number": "4386289407660153", "name": "Asha", "expiry_month": 11, "expiry_year": 30, "cvv": 100}
HOUR = 0.02
"""Real seconds of an hour of Razorpay's."""


class Shop(Provider):
    """Takes webhooks whose signature is right, or says what `fault` has it say."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[str, str]] = []

    def routes(self) -> list[web.RouteDef]:
        """One."""
        return [web.post("/hook", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if request.headers["X-Razorpay-Signature"] != sign(raw, SECRET):
            return web.Response(status=400)
        self.taken.append((request.headers["X-Razorpay-Event-Id"], orjson.loads(raw)["event"]))
        return web.Response()


class Caller:
    """A merchant's program."""

    def __init__(self, account: Razorpay, session: aiohttp.ClientSession) -> None:
        self.account, self._session = account, session

    async def ask(self, method: str, path: str, body: Any = None, key: str = KEY_SECRET, **headers: str) -> Any:
        """Status and JSON."""
        auth = {"Authorization": aiohttp.encode_basic_auth(KEY_ID, key)}
        url = f"{self.account.url}/v1{path}"
        async with self._session.request(method, url, json=body, headers=auth | headers) as answer:
            return answer.status, await answer.json()

    async def paid(self, amount: int = 500) -> str:
        """A captured payment."""
        order = (await self.ask("POST", "/orders", {"amount": amount, "currency": "INR"}))[1]
        payment = self.account.book.pay({"order_id": order["id"], "amount": amount}, "upi")
        self.account.book.authorize(payment["id"])
        await self.ask("POST", f"/payments/{payment['id']}/capture", {"amount": amount, "currency": "INR"})
        return str(payment["id"])


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def caller(session: aiohttp.ClientSession) -> AsyncIterator[Caller]:
    account = Razorpay()
    async with account.running():
        yield Caller(account, session)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    async with shop.running():
        yield shop


@pytest.fixture
def hooks(session: aiohttp.ClientSession, shop: Shop) -> Webhooks:
    return Webhooks(session, f"{shop.url}/hook", hour=HOUR)


def events(names: str = "payment.authorized payment.captured order.paid") -> list[Event]:
    return [
        Event(id=f"e{n}", name=name, body=b'{"event":"%b","amount":5}' % name.encode())
        for n, name in enumerate(names.split())
    ]


async def test_a_payment_from_order_to_refund(caller: Caller) -> None:
    payment_id = await caller.paid()
    status, payment = await caller.ask("GET", f"/payments/{payment_id}")
    assert (status, payment["status"], payment["captured"], payment["order_id"][:6]) == (
        200,
        "captured",
        True,
        "order_",
    )
    order = (await caller.ask("GET", f"/orders/{payment['order_id']}"))[1]
    assert (order["status"], order["amount_paid"], order["amount_due"], order["attempts"]) == ("paid", 500, 0, 1)
    refund = (await caller.ask("POST", f"/payments/{payment_id}/refund", {"amount": 200, "receipt": "r"}))[1]
    assert (refund["entity"], refund["status"], refund["speed_processed"]) == ("refund", "processed", "normal")
    assert (await caller.ask("GET", f"/refunds/{refund['id']}"))[1] == refund
    assert (await caller.ask("GET", f"/payments/{payment_id}/refunds"))[1]["items"] == [refund]
    names = [event.name for event in caller.account.book.events]
    assert names == ["payment.authorized", "payment.captured", "order.paid", "refund.created", "refund.processed"]


async def test_errors_are_in_its_own_shape(caller: Caller) -> None:
    status, body = await caller.ask("POST", "/orders", {"amount": "500", "currency": "INR"})
    assert (status, body["error"]["code"], body["error"]["field"]) == (400, "BAD_REQUEST_ERROR", "amount")
    assert set(body["error"]) == {"code", "description", "field", "source", "step", "reason", "metadata"}
    assert (await caller.ask("GET", "/orders/order_x"))[1]["error"]["description"] == "The id provided does not exist"
    status, body = await caller.ask("GET", "/orders/order_x", key="wrong")
    assert (status, body["error"]["description"]) == (401, "The api key provided is invalid")
    assert (await caller.ask("POST", "/orders", 5))[0] == 400
    assert (await caller.ask("GET", "/nowhere"))[0] == 400
    caller.account.fault = 500
    assert (await caller.ask("GET", "/nowhere"))[1]["error"]["code"] == "SERVER_ERROR"


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "INR"},
        {"amount": 99, "currency": "INR"},
        {"amount": 500, "currency": "USD"},
        {"amount": 500, "currency": "INR", "receipt": "r" * 41},
    ],
)
async def test_bad_orders_are_refused(caller: Caller, wrong: object) -> None:
    assert (await caller.ask("POST", "/orders", wrong))[0] == 400


async def test_upi_and_cards(caller: Caller) -> None:
    order = (await caller.ask("POST", "/orders", {"amount": 500, "currency": "INR"}))[1]
    asked = {"amount": 500, "order_id": order["id"], **UPI}
    collect = await caller.ask("POST", "/payments/create/upi", {**asked, "upi": {"flow": "collect", "vpa": "a@upi"}})
    assert set(collect[1]) == {"razorpay_payment_id"}
    intent = await caller.ask("POST", "/payments/create/upi", {**asked, "upi": {"flow": "intent"}})
    assert intent[1]["link"].startswith("upi://pay?")
    assert (await caller.ask("POST", "/payments/create/upi", {**asked, "email": ""}))[0] == 400
    assert (await caller.ask("POST", "/payments/create/upi", {**asked, "amount": 400, "upi": {"flow": "intent"}}))[
        0
    ] == 400
    by_card = {"amount": 500, "order_id": order["id"], "method": "card", "card": CARD, "save": True}
    card = (await caller.ask("POST", "/payments/create/json", by_card))[1]
    assert card["next"][0]["action"] == "redirect"
    shown = (await caller.ask("GET", f"/payments/{card['razorpay_payment_id']}?expand[]=card"))[1]
    assert (shown["card"]["last4"], shown["token_id"][:6]) == ("0153", "token_")
    assert "card" not in (await caller.ask("GET", f"/payments/{card['razorpay_payment_id']}"))[1]
    bank = {**by_card, "method": "netbanking", "bank": "HDFC"}
    assert (await caller.ask("POST", "/payments/create/json", bank))[0] == 200
    assert (await caller.ask("POST", "/payments/create/json", {**bank, "method": "cash"}))[0] == 400


async def test_a_paid_order_takes_no_second_payment(caller: Caller) -> None:
    book = caller.account.book
    book.automatic = True
    order = book.create_order({"amount": 500, "currency": "INR"})
    first, second = (book.pay({"order_id": order["id"], "amount": 500}, "upi") for _ in range(2))
    book.decline(first["id"])
    book.authorize(first["id"])
    assert first["captured"]
    assert first["error_code"] is None
    with pytest.raises(Refusal):
        book.authorize(second["id"])
    with pytest.raises(Refusal):
        book.pay({"order_id": order["id"], "amount": 500}, "upi")


async def test_refunds_are_idempotent_by_their_key(caller: Caller) -> None:
    payment_id, path = await caller.paid(), "/payments/{}/refund"
    key = {"X-Refund-Idempotency": "0123456789"}
    first = await caller.ask("POST", path.format(payment_id), {"amount": 200}, **key)
    assert await caller.ask("POST", path.format(payment_id), {"amount": 200}, **key) == first
    assert (await caller.ask("POST", path.format(payment_id), {"amount": 300}, **key))[0] == 400
    assert (await caller.ask("POST", path.format(payment_id), {}, **{"X-Refund-Idempotency": "short"}))[0] == 400
    assert (await caller.ask("POST", path.format(payment_id), {"amount": 301}))[0] == 400
    assert (await caller.ask("POST", path.format(payment_id), {"reason": "x"}))[0] == 400
    assert (await caller.ask("POST", path.format(payment_id), {}))[1]["amount"] == 300
    said = (await caller.ask("POST", path.format(payment_id), {}))[1]["error"]["description"]
    assert said == "The payment has been fully refunded already"


async def test_webhooks_come_in_every_way(hooks: Webhooks, shop: Shop) -> None:
    three = events()
    await hooks.on_time(three)
    assert shop.taken == [(event.id, event.name) for event in three]
    assert await hooks.repeated(three[0], 3) == [200, 200, 200]
    await hooks.late(three[1], 1800)
    assert shop.taken[3:] == [("e0", three[0].name)] * 3 + [("e1", three[1].name)]
    assert await hooks.forged(three[0]) == [400, 400]
    assert await hooks.once(three[0], secret=FORGED) == 400
    shop.taken.clear()
    await hooks.reordered(three, random.Random(1))
    assert {name for _, name in shop.taken} == {event.name for event in three}


async def test_a_receiver_that_was_away_gets_the_event_when_it_is_back(hooks: Webhooks, shop: Shop) -> None:
    one = events()[0]
    shop.fault = 503
    assert await hooks.once(one) == 503
    there, hooks.url = hooks.url, "http://127.0.0.1:1/hook"
    assert await hooks.once(one) is None
    hooks.url, shop.fault = there, None
    assert await hooks.until_taken(one)
    assert shop.taken == [(one.id, one.name)]


async def test_after_a_day_in_vain_the_webhook_is_off(hooks: Webhooks, shop: Shop) -> None:
    shop.fault = 500
    assert not await hooks.until_taken(events()[0])
    assert hooks.disabled
    assert len(hooks.tries) == 1 + len(list(intervals()))
    assert not await hooks.until_taken(events()[1])
