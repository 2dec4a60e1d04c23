"""Razorpay's REST API v1 on this machine: its paths, its basic auth, its errors and its idempotent refunds.

https://razorpay.com/docs/api/ (orders, payments, refunds, errors, authentication, pagination and rate limits);
https://razorpay.com/docs/payments/payment-gateway/s2s-integration/ (`/payments/create/upi`, `/payments/create/json`);
https://razorpay.com/docs/api/refunds/normal-refunds-idempotent/ (`X-Refund-Idempotency`: at least 10 letters, digits,
hyphens or underscores; another body 400, one still under way 409). Requests and answers as in the fixtures of
github.com/razorpay/razorpay-python (documents/, tests/mocks). An unknown path is a 400.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web

from tests.providers.razorpay_book import Book, Entity, Refusal, collection, new_id
from tests.providers.server import Provider

KEY_ID = "rzp_test_1DP5mmOlF5G5ag"
KEY_SECRET = "k" * 32
UPI = ("collect", "intent")
IDEMPOTENCY = re.compile(r"[A-Za-z0-9_-]{10,}")
WORDS = {
    429: ("BAD_REQUEST_ERROR", "Request failed. Please try after sometime."),
    502: ("GATEWAY_ERROR", "Gateway down"),
}
OURS = ("SERVER_ERROR", "We are facing some trouble completing your request at the moment. Please try again shortly.")


class Razorpay(Provider):
    """A merchant's account. `book` holds it; what customers and banks do is done there: authorize, decline, settle."""

    def __init__(self) -> None:
        super().__init__()
        self.book = Book()
        self.asked: list[tuple[str, str]] = []
        """Method and path of each request that carried the right keys."""
        self._keys: dict[tuple[str, str], tuple[Entity, Entity | None]] = {}

    def trouble(self, status: int) -> object:
        """As Razorpay says it."""
        code, description = WORDS.get(status, OURS)
        return Refusal(description=description, status=status, code=code, source="internal", reason="server_error").body

    def signature(self, order_id: str, payment_id: str) -> str:
        """What its checkout hands to the app after a payment."""
        return hmac.new(KEY_SECRET.encode(), f"{order_id}|{payment_id}".encode(), hashlib.sha256).hexdigest()

    def routes(self) -> list[web.RouteDef]:
        """All below /v1."""
        book = self.book
        return [
            web.post("/v1/orders", self._does(lambda _, asked: book.create_order(asked))),
            web.get("/v1/orders", self._does(lambda r, _: _page(r, book.by_receipt(r.query["receipt"])))),
            web.get("/v1/orders/{id}", self._does(lambda r, _: book.find("orders", r.match_info["id"]))),
            web.get(
                "/v1/orders/{id}/payments", self._does(lambda r, _: _page(r, book.payments_of(r.match_info["id"])))
            ),
            web.post("/v1/payments/create/upi", self._does(self._upi)),
            web.post("/v1/payments/create/json", self._does(self._card)),
            web.get("/v1/payments/{id}", self._does(self._payment)),
            web.post("/v1/payments/{id}/capture", self._does(lambda r, a: book.capture(r.match_info["id"], a))),
            web.post("/v1/payments/{id}/refund", self._does(self._refund)),
            web.get(
                "/v1/payments/{id}/refunds", self._does(lambda r, _: _page(r, book.refunds_of(r.match_info["id"])))
            ),
            web.get("/v1/refunds/{id}", self._does(lambda r, _: book.find("refunds", r.match_info["id"]))),
            web.route("*", "/{anything:.*}", self._does(_unknown)),
        ]

    def _does(
        self, answer: Callable[[web.Request, Entity], Entity]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A handler that checks the keys and turns refusals into answers."""

        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                _authenticate(request)
                self.asked.append((request.method, request.path))
                asked = await _object(request) if request.method == "POST" else {}
                return web.json_response(answer(request, asked))
            except Refusal as refused:
                return web.json_response(refused.body, status=refused.status)

        return handler

    def _upi(self, _: web.Request, asked: Entity) -> Entity:
        """Collect asks the customer's UPI app by its address; intent gives a link that opens the app."""
        upi: Entity = asked.get("upi") or {}
        flow = upi.get("flow", "collect")
        missing = [
            name for name in ("email", "contact", "method", "ip", "referer", "user_agent") if not asked.get(name)
        ]
        if missing:
            raise Refusal(description=f"The {missing[0].replace('_', ' ')} field is required.", field=missing[0])
        if flow not in UPI or (flow == "collect" and "@" not in upi.get("vpa", "")):
            raise Refusal(
                description="Invalid VPA. Please enter a valid Virtual Payment Address",
                field="vpa",
                source="customer",
                reason="invalid_vpa",
            )
        payment = self.book.pay(asked, "upi", {"vpa": upi.get("vpa")})
        answer: Entity = {"razorpay_payment_id": payment["id"]}
        if flow == "intent":
            rupees = f"{payment['amount'] / 100:.2f}"
            note = quote(f"Payment for {payment['order_id']}")
            answer["link"] = f"upi://pay?pa=shop@razorpay&pn=Shop&tr={payment['id'][4:]}&tn={note}&am={rupees}&cu=INR"
        return answer

    def _card(self, _: web.Request, asked: Entity) -> Entity:
        """A card, as checkout sends it: here the bank's page is a link that nobody opens."""
        method = asked.get("method")
        if method not in ("card", "netbanking", "wallet"):
            raise Refusal(description="The method field is invalid.", field="method")
        more: Entity = (
            {"card_id": new_id("card")} if method == "card" else {method.replace("net", ""): asked.get("bank")}
        )
        if method == "card":
            number = str(asked.get("card", {}).get("number", ""))
            card = {"entity": "card", "last4": number[-4:], "network": "Visa", "type": "debit", "issuer": "UTIB"}
            more["card"] = {"id": more["card_id"], "international": False, "emi": False, "name": "", **card}
            more["token_id"] = new_id("token") if asked.get("save") else None
        payment = self.book.pay(asked, method, more)
        url = f"{self.url}/v1/payments/{payment['id']}/authorize"
        return {"razorpay_payment_id": payment["id"], "next": [{"action": "redirect", "url": url}]}

    def _payment(self, request: web.Request, _: Entity) -> Entity:
        """A card is only part of it when asked for by `expand[]=card`."""
        payment = self.book.find("payments", request.match_info["id"])
        expand = request.query.getall("expand[]", [])
        return {name: value for name, value in payment.items() if name != "card" or "card" in expand}

    def _refund(self, request: web.Request, asked: Entity) -> Entity:
        payment_id = request.match_info["id"]
        key = request.headers.get("X-Refund-Idempotency")
        if key is None:
            return self.book.refund(payment_id, asked)
        if not IDEMPOTENCY.fullmatch(key):
            raise Refusal(description="The idempotency key must be at least 10 characters.", field="idempotency_key")
        before, answer = self._keys.get((payment_id, key), (asked, None))
        if before != asked:
            raise Refusal(description="Different request body sent for the same idempotency key.")
        if answer is None:
            answer = self.book.refund(payment_id, asked)
            self._keys[payment_id, key] = asked, answer
        return answer


def _page(request: web.Request, items: list[Entity]) -> Entity:
    """Ten unless more are asked for."""
    skip, count = int(request.query.get("skip", 0)), int(request.query.get("count", 10))
    return collection(items[skip : skip + count])


def _unknown(_: web.Request, __: Entity) -> Entity:
    raise Refusal(description="The requested URL was not found on the server.", source="NA", step="NA", reason="NA")


def _authenticate(request: web.Request) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    try:
        known = scheme == "Basic" and base64.b64decode(given).decode() == f"{KEY_ID}:{KEY_SECRET}"
    except (binascii.Error, UnicodeDecodeError):
        known = False
    if not known:
        raise Refusal(description="The api key provided is invalid", status=401, source="NA", step="NA", reason="NA")


async def _object(request: web.Request) -> Entity:
    try:
        asked: Any = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        asked = None
    if not isinstance(asked, dict):
        raise Refusal(description="The request body is not valid JSON.")
    return asked
