"""The customer's whole journey over HTTP against a running development server, told step by step."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import attrs
import click
import orjson

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds to wait for what the server does on its own: sending a code, confirming, notifying."""
PAUSE = 0.1
ENOUGH = 250
"""Rupees in the cart at least: above the shop's minimum."""
SEARCH = "tamato"
"""Misspelt on purpose: the search forgives it."""


class Failed(Exception):
    """A step that did not do what it should, in one line."""


@attrs.frozen
class Got:
    """One answer."""

    status: int
    replayed: bool
    data: dict[str, Any]


class Client:
    """The app's side of the wire."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url.rstrip("/")
        self.token = ""

    async def call(
        self, method: str, path: str, *, json: object = None, key: str | None = None, expect: int = 200
    ) -> Got:
        """One request; Failed when nobody answers or the status is another."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if key is not None:
            headers["X-Idempotency-Key"] = key
        body = None if json is None else orjson.dumps(json)
        try:
            async with self._session.request(method, self._url + path, data=body, headers=headers) as answer:
                raw = await answer.read()
                status, replayed = answer.status, answer.headers.get("X-Idempotent-Replayed") == "true"
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Failed(f"{self._url} does not answer ({type(error).__name__}): start it with ./ops/run") from None
        try:
            content = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise Failed(f"{method} {path} answered {status} without JSON") from None
        if status != expect:
            said = content.get("error") or {}
            raise Failed(
                f"{method} {path} answered {status} {said.get('code', '')}: {said.get('message', 'no reason')}"
            )
        return Got(status, replayed, content.get("data") or {})


def rupees(amount: float) -> str:
    """As people write it: ₹1,234.50."""
    return f"₹{amount:,.2f}"


def masked(phone: str) -> str:
    """Enough of a phone number to recognise it."""
    return f"+91 {phone[:2]}•••••{phone[-3:]}"


class Teller:
    """Prints one line a step: what, how long, and what came of it. Colours where somebody looks."""

    def __init__(self) -> None:
        self._count, self._began = 0, time.perf_counter()

    def chapter(self, title: str) -> None:
        """A heading."""
        click.echo()
        click.secho(title, bold=True)

    def step(self, title: str, seconds: float, outcome: str) -> None:
        """A step that went well."""
        self._count += 1
        tick, took = click.style("✓", fg="green", bold=True), click.style(f"{seconds * 1000:8.1f} ms", fg="cyan")
        click.echo(f"  {tick} {title:<38}{took}   {outcome}")

    def end(self) -> None:
        """The last line."""
        total = time.perf_counter() - self._began
        click.echo()
        click.secho(f"All {self._count} steps went well in {total:.1f} s.", fg="green", bold=True)


async def until(look: Callable[[], Awaitable[T | None]], otherwise: str) -> T:
    """What `look` finds, as soon as it does; Failed when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while (found := await look()) is None:
        if time.monotonic() > deadline:
            raise Failed(otherwise)
        await asyncio.sleep(PAUSE)
    return found


class Journey:
    """The steps, in order. Each keeps what the later ones need."""

    def __init__(self, client: Client, teller: Teller, journal: Path, phone: str) -> None:
        self._client, self._teller, self._journal, self._phone = client, teller, journal, phone
        self._refresh, self._products = "", list[dict[str, Any]]()
        self._order: dict[str, Any] = {}

    async def walk(self) -> None:
        """All of it; Failed at the first step that goes wrong."""
        for title, steps in (
            ("Signing in", (self._ask, self._verify)),
            ("Looking around", (self._categories, self._browse, self._search)),
            ("Filling the cart", (self._fill, self._address)),
            ("Ordering", (self._place, self._again, self._confirmed, self._told)),
            ("Changing one's mind", (self._cancel, self._history)),
            ("Leaving", (self._renew, self._leave)),
        ):
            self._teller.chapter(title)
            for step in steps:
                began = time.perf_counter()
                outcome = await step()
                self._teller.step((step.__doc__ or "").rstrip("."), time.perf_counter() - began, outcome)
        self._teller.end()

    async def _ask(self) -> str:
        """Ask for a code."""
        await self._client.call("POST", "/auth/send-otp", json={"phone": self._phone})
        return f"on its way to {masked(self._phone)}"

    async def _verify(self) -> str:
        """Read it from the journal, sign in."""
        code = await until(self._code, f"no code in {self._journal}: is DATA_DIR that of the server?")
        got = await self._client.call("POST", "/auth/verify-otp", json={"phone": self._phone, "otp": code})
        self._client.token, self._refresh = got.data["accessToken"], got.data["refreshToken"]
        return "a new customer" if got.data["user"].get("isNew") else "welcome back"

    async def _code(self) -> str | None:
        lines = self._journal.read_bytes().splitlines() if self._journal.exists() else []
        return newest_code(lines, f"+91{self._phone}")

    async def _categories(self) -> str:
        """Read the categories."""
        got = await self._client.call("GET", "/categories")
        return ", ".join(got.data["categories"])

    async def _browse(self) -> str:
        """Read the first page of products."""
        got = await self._client.call("GET", "/products?page=1&limit=20")
        self._products = got.data["products"]
        return f"{len(self._products)} products from {rupees(min(p['price'] for p in self._products))}"

    async def _search(self) -> str:
        """Search, with a typing mistake."""
        got = await self._client.call("GET", f"/products?search={SEARCH}&page=1&limit=20")
        found = [product["name"] for product in got.data["products"]]
        if not found:
            raise Failed(f"the search for {SEARCH!r} found nothing: was the catalogue seeded (vurksha seed)?")
        return f"{SEARCH!r} finds {found[0]}"

    async def _fill(self) -> str:
        """Put products into the cart."""
        cart: dict[str, Any] = {"subtotal": 0}
        for product in (p for p in self._products if p["stock"] >= 2):  # noqa: PLR2004  two pieces of each
            line = {"productId": product["id"], "productName": product["name"], "quantity": 2}
            await self._client.call(
                "POST", "/cart/items", json={**line, "productImage": "", "unitPrice": product["price"]}
            )
            cart = (await self._client.call("GET", "/cart")).data["cart"]
            if cart["subtotal"] >= ENOUGH:
                return f"{len(cart['items'])} products, {rupees(cart['subtotal'])}"
        raise Failed(f"the shop has not enough in stock to fill a cart for {rupees(ENOUGH)}: run vurksha seed")

    async def _address(self) -> str:
        """Add an address."""
        address = {
            "fullName": "Asha Demo",
            "phoneNumber": self._phone,
            "addressLine1": "12 Orchard Road",
            "addressLine2": "",
            "city": "Pune",
            "state": "Maharashtra",
            "pinCode": "411001",
            "country": "India",
            "type": "home",
        }
        got = await self._client.call("POST", "/addresses", json=address, expect=201)
        self._address_id = got.data["address"]["id"]
        return "12 Orchard Road, Pune"

    async def _place(self) -> str:
        """Order what is in the cart."""
        self._key = str(time.time_ns() // 1_000_000)
        got = await self._client.call("POST", "/orders", json=self._wish(), key=self._key, expect=201)
        self._order = order = got.data["order"]
        sums = f"{rupees(order['subtotal'])} + {rupees(order['deliveryFee'])} delivery = {rupees(order['total'])}"
        return f"{order['orderNumber']}, {sums}"

    def _wish(self) -> dict[str, object]:
        return {"addressId": self._address_id, "paymentMethod": "cod", "customerNote": "Please ring twice."}

    async def _again(self) -> str:
        """Order again with the same key."""
        got = await self._client.call("POST", "/orders", json=self._wish(), key=self._key, expect=201)
        if not got.replayed or got.data["order"] != self._order:
            raise Failed("a repeat with the same key was not answered with the first order")
        return "the same answer, no second order"

    async def _confirmed(self) -> str:
        """Wait for the confirmation."""
        order = await until(self._find_confirmed, "the order stays unconfirmed: vurksha outbox says why")
        return f"{order['status']}, expected {order['estimatedDelivery'][:10]}"

    async def _find_confirmed(self) -> dict[str, Any] | None:
        got = await self._client.call("GET", f"/orders/{self._order['id']}")
        order: dict[str, Any] = got.data["order"]
        return order if order["status"] == "CONFIRMED" else None

    async def _told(self) -> str:
        """Read the notifications."""
        entries = await until(self._notifications, "no notification came")
        count = (await self._client.call("GET", "/notifications/unread-count")).data["count"]
        return f"{count} unread, newest: {entries[0]['title']}"

    async def _notifications(self) -> Sequence[dict[str, Any]] | None:
        got = await self._client.call("GET", "/notifications?page=1&limit=20")
        entries: Sequence[dict[str, Any]] = got.data["notifications"]
        return entries or None

    async def _cancel(self) -> str:
        """Cancel the order."""
        path = f"/orders/{self._order['id']}/cancel"
        got = await self._client.call("POST", path, json={"reason": "Changed my mind"})
        return f"{got.data['order']['status']}, stock returned"

    async def _history(self) -> str:
        """Look at past orders."""
        orders = (await self._client.call("GET", "/orders?page=1&limit=20&status=cancelled")).data["orders"]
        if self._order["id"] not in [order["id"] for order in orders]:
            raise Failed("the cancelled order is not in the list of cancelled orders")
        return " -> ".join(entry["status"] for entry in reversed(orders[0]["timeline"]))

    async def _renew(self) -> str:
        """Renew the sign-in."""
        got = await self._client.call("POST", "/auth/token/refresh", json={"refreshToken": self._refresh})
        self._client.token = got.data["accessToken"]
        return "new tokens"

    async def _leave(self) -> str:
        """Sign out."""
        await self._client.call("POST", "/auth/logout")
        await self._client.call("GET", "/users/profile", expect=401)
        return "and the old token is worth nothing"


def newest_code(lines: Sequence[bytes], to: str) -> str | None:
    """The last code that the development journal has for a phone."""
    for line in reversed(lines):
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:  # it is being written right now
            continue
        if entry.get("to") == to and entry.get("code"):
            return str(entry["code"])
    return None


async def play(url: str, journal: Path, phone: str | None = None) -> None:
    """The whole journey, as a new customer unless `phone` (ten digits) says who. Raises Failed."""
    phone = phone or f"9{secrets.randbelow(10**9):09}"
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await Journey(Client(session, f"{url.rstrip('/')}/api/v1"), Teller(), journal, phone).walk()
